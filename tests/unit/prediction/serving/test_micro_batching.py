"""Requests that arrive together share a pass; each gets its own answer, and one whose caller gave up is dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.graph.device import choose_device
from headstart_server.prediction.graph.model import Scores
from headstart_server.prediction.serving.micro_batching import MicroBatcher
from headstart_server.runtime.database.row_security import acting_for, tenant
from headstart_server.runtime.deadline import DeadlinePassed, deadline
from headstart_server.runtime.errors import StartupError
from tests.unit.prediction.toys import toy_canonicals


class SlowModel:
    """Scores a candidate by its number of edges; every pass takes a while, and is counted."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.passes: list[tuple[str, int]] = []

    def score(self, model: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        self.passes.append((model, len(candidates)))
        time.sleep(self.seconds)
        if any(candidate.graph is None for candidate in candidates):
            raise ValueError("no graph")
        embeddings = np.array([[edges(candidate)] for candidate in candidates], np.float32)
        return Scores(embeddings, embeddings[:, None, :])


def edges(candidate: CanonicalCandidate) -> float:
    assert candidate.graph is not None
    return float(len(candidate.graph.edges))


def test_many_callers_at_once_need_few_passes_and_get_their_own_answers() -> None:
    model, queried = SlowModel(), toy_canonicals(64)
    batcher = MicroBatcher(model.score)
    with ThreadPoolExecutor(64) as threads:
        answers = list(threads.map(lambda candidate: batcher.score("m", [candidate]), queried))
    assert [float(answer.folds[0, 0, 0]) for answer in answers] == [edges(candidate) for candidate in queried]
    assert len(model.passes) <= 8
    assert sum(count for _, count in model.passes) == 64


def test_one_caller_waits_for_nobody() -> None:
    model = SlowModel(seconds=0.0)
    batcher = MicroBatcher(model.score)
    started = time.perf_counter()
    for candidate in toy_canonicals(50):
        batcher.score("m", [candidate])
    assert time.perf_counter() - started < 0.5
    assert len(model.passes) == 50


def test_models_are_not_mixed() -> None:
    model, queried = SlowModel(), toy_canonicals(20)
    batcher = MicroBatcher(model.score)
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda i: batcher.score("one" if i % 2 else "two", [queried[i]]), range(20)))
    assert [float(answer.folds[0, 0, 0]) for answer in answers] == [edges(candidate) for candidate in queried]
    assert sum(count for name, count in model.passes if name == "one") == 10


def test_a_pass_is_done_for_the_tenant_whose_model_it_asks_whoever_leads() -> None:
    model, queried = SlowModel(), toy_canonicals(20)
    acted: set[tuple[str, str | None]] = set()

    def score(name: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        acted.add((name, tenant.get()))
        return model.score(name, candidates)

    batcher = MicroBatcher(score)

    def ask(index: int) -> None:
        name = f"team-{index % 3}"
        with acting_for(name):
            batcher.score(name, [queried[index]])

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(ask, range(20)))
    assert acted == {(name, name) for name in ("team-0", "team-1", "team-2")}


def test_question_whose_caller_gave_up_is_not_scored() -> None:
    model, (first, late) = SlowModel(seconds=0.2), toy_canonicals(2)
    batcher = MicroBatcher(model.score)
    occupied = threading.Thread(target=batcher.score, args=("m", [first]))
    occupied.start()
    time.sleep(0.05)
    deadline.set(time.monotonic() + 0.05)
    try:
        with pytest.raises(DeadlinePassed):
            batcher.score("m", [late])
    finally:
        deadline.set(None)
        occupied.join()
    assert model.passes == [("m", 1)]


def test_question_that_fails_does_not_spoil_the_others() -> None:
    model, good = SlowModel(), toy_canonicals(9)
    bad = CanonicalCandidate(None, (), "f" * 32)
    batcher = MicroBatcher(model.score)

    def ask(candidate: CanonicalCandidate) -> float | None:
        try:
            return float(batcher.score("m", [candidate]).folds[0, 0, 0])
        except ValueError:
            return None

    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(ask, [*good, bad]))
    assert answers == [*(edges(candidate) for candidate in good), None]


def test_device_is_what_was_asked_for_or_an_error() -> None:
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda:0")
    with pytest.raises(StartupError, match="HEADSTART_DEVICE=cuda:97"):
        choose_device("cuda:97")


def test_questions_that_wait_are_answered_where_no_thread_is_to_be_had(monkeypatch) -> None:
    """As under a limit on processes: the leader stays, and later callers are not left waiting."""
    model, queried = SlowModel(seconds=0.1), toy_canonicals(4)
    batcher = MicroBatcher(model.score)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(batcher.score, "m", [queried[0]])
        time.sleep(0.03)
        others = [threads.submit(batcher.score, "m", [candidate]) for candidate in queried[1:3]]
        last = threads.submit(time.sleep, 0.0)
        last.result(5)

        def no_thread(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            answers = [each.result(5) for each in (first, *others)]
        assert len(answers) == 3
        assert threads.submit(batcher.score, "m", [queried[3]]).result(5) is not None


def test_leader_that_cannot_go_on_leaves_nobody_waiting(monkeypatch) -> None:
    model, queried = SlowModel(), toy_canonicals(2)
    batcher = MicroBatcher(model.score)

    def broken() -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(batcher, "_next_batch", broken)
        with pytest.raises(MemoryError):
            batcher.score("m", [queried[0]])
    assert batcher.score("m", [queried[1]]) is not None
