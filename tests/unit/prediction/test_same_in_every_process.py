"""Answers follow from the recorded results, not from a process's earlier answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine

from headstart_server.knowledge.architectures import Architecture
from headstart_server.prediction.refits import last_refit
from headstart_server.prediction.sources.model_averaging import KernelParameters, ModelAverage
from headstart_server.runtime.settings import Settings
from tests.unit.prediction.test_service import SPACE_ID, Pairs, Room, values_of
from tests.unit.prediction.toys import toy_candidates


def test_refits_come_at_each_of_the_first_counts_and_then_after_a_tenth_more() -> None:
    assert [last_refit(count) for count in range(21)] == list(range(21))
    refits = sorted({last_refit(count) for count in range(1, 2000)})
    assert all(after <= max(before + 1, 1.1 * before) for before, after in pairwise(refits))
    assert all(last_refit(count) <= count for count in range(2000)) and len(refits) < 80


def turned_to_noise(pairs: Pairs) -> NDArray[np.float64]:
    """Values that follow from the graphs up to the thirtieth, and then from nothing: so hyperparameters change."""
    values = np.array(values_of(pairs))
    values[30:] = np.random.default_rng(0).uniform(0, 90, len(pairs) - 30)
    return values


@pytest.fixture
def room(engine: Engine, settings: Settings) -> Room:
    return Room(engine, settings.model_copy(update={"graph_kernels": "torch"}))


def test_predictions_do_not_depend_on_when_a_process_was_first_asked(room: Room) -> None:
    pairs = toy_candidates(46)
    values = turned_to_noise(pairs)
    proxies = {canonical.fingerprint: {"flops": float(place % 7)} for place, (_, canonical) in enumerate(pairs)}
    room.task("t")
    late, middle = Room.beside(room), Room.beside(room)
    asked = toy_candidates(60, seed=1)
    for end in range(24, 46):
        new = slice(0 if end == 24 else end - 1, end)
        room.record("t", pairs[new], values[new].tolist(), proxies=proxies if end > 30 else None)
        answers = [room.predict("t", asked)]
        if end in (33, 40):
            answers.append(middle.predict("t", asked))
        if end in (38, 45):
            answers.append(Room.beside(room).predict("t", asked))
        for other in answers[1:]:
            assert other.predictions == answers[0].predictions
    assert late.predict("t", asked).predictions == room.predict("t", asked).predictions


def test_a_fit_reads_every_architecture_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[set[str]] = []

    def architectures(namespace: str, space_id: str, fingerprints: Iterable[str]) -> Mapping[str, Architecture]:
        reads.append(set(fingerprints))
        return read(namespace, space_id, fingerprints)

    read = room.knowledge.architectures
    monkeypatch.setattr(room.knowledge, "architectures", architectures)
    pairs = toy_candidates(40)
    fingerprints = [canonical.fingerprint for _, canonical in pairs]
    room.task("t")
    for start, end in ((0, 38), (38, 39), (39, 40)):
        room.record("t", pairs[start:end], values_of(pairs[start:end]))
        room.predict("t", pairs[:1])
        assert reads.pop() == set(fingerprints[start:end]) and not reads
    assert last_refit(38) < 38, "the first fit includes one to fewer results"


def test_surrogates_do_not_depend_on_when_a_process_was_first_asked(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hyperparameters that tell how many results they were chosen by.
    monkeypatch.setattr(
        ModelAverage, "_most_likely", lambda self, features, columns, targets: KernelParameters(len(targets) / 20, 0.1)
    )
    pairs = toy_candidates(60)
    values = turned_to_noise(pairs)
    room.task("source")
    room.record("source", pairs[:20], values_of(pairs[:20]))
    room.task("t")
    candidates = [canonical for _, canonical in toy_candidates(30, seed=1)]

    def means(of: Room) -> list[float]:
        target, others, context = of.knowledge.compared("default", "t", SPACE_ID)
        return of.prediction.surrogate("default", target, others, context).predict(candidates, True).mean.tolist()

    for end in range(30, 55):
        new = slice(0 if end == 30 else end - 1, end)
        room.record("t", pairs[new], values[new].tolist())
        means(room)
    # As numbers are rounded, which depends on how many candidates are scored together.
    assert means(room) == pytest.approx(means(Room.beside(room)), rel=1e-9)
