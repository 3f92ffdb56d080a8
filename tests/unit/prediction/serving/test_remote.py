"""Failures of a predictor host: a caller's deadline, a wrong token, a full host and a dead host differ."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from headstart.v1 import predictor_service_pb2 as pb2
from headstart.v1 import predictor_service_pb2_grpc as pb2_grpc
from headstart_server.prediction.graph.model import FOLDS, Scores
from headstart_server.prediction.serving import current_models, remote
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.serving.remote import FallbackScorer, RemoteScorer
from headstart_server.prediction.serving.scorer import score_response
from headstart_server.runtime.deadline import DeadlinePassed, deadline
from headstart_server.runtime.observability import metrics
from tests.unit.prediction.toys import toy_canonicals

CANDIDATES = toy_canonicals(2)


def scores(count: int) -> Scores:
    return Scores(np.zeros((count, 3), np.float32), np.zeros((count, FOLDS, 1), np.float32))


class Host(pb2_grpc.PredictorServiceServicer):
    """A host with the behaviour that a test gives it."""

    def __init__(self) -> None:
        self.requests: list[pb2.ScoreRequest] = []
        self.behave: Callable[[pb2.ScoreRequest, grpc.ServicerContext], None] = lambda request, context: None

    def Score(self, request: pb2.ScoreRequest, context: grpc.ServicerContext) -> pb2.ScoreResponse:
        self.requests.append(request)
        self.behave(request, context)
        return score_response(scores(len(request.graphs)), "cpu")


class Local:
    """Stands for the scorer in this process."""

    device = "cpu"

    def __init__(self) -> None:
        self.scored = 0
        self.loaded: list[str] = []

    def score(self, model_version, candidates):
        self.scored += 1
        return scores(len(candidates))

    def load(self, model_version):
        self.loaded.append(model_version)

    def close(self):
        pass


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def address(host: Host) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(8))
    pb2_grpc.add_PredictorServiceServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0)


@pytest.fixture
def scorer(address: str) -> Iterator[FallbackScorer]:
    made = FallbackScorer(RemoteScorer(address, 1 << 20), Local())
    yield made
    made.close()


def local(scorer: FallbackScorer) -> Local:
    return scorer._local


def with_deadline(seconds: float, work: Callable[[], object]) -> object:
    before = deadline.set(time.monotonic() + seconds)
    try:
        return work()
    finally:
        deadline.reset(before)


def test_an_impatient_caller_loses_its_own_answer_and_nobody_elses(scorer: FallbackScorer, host: Host) -> None:
    host.behave = lambda request, context: time.sleep(0.4)
    with pytest.raises(DeadlinePassed):
        with_deadline(0.1, lambda: scorer.score("m", CANDIDATES))
    assert not scorer.unavailable
    assert local(scorer).scored == 0
    host.behave = lambda request, context: None
    scorer.score("m", CANDIDATES)
    assert local(scorer).scored == 0


def test_host_that_nobody_hears_of_is_away_however_impatient_its_callers(scorer, host, monkeypatch) -> None:
    monkeypatch.setattr(remote, "_REMOTE_SECONDS", 0.5)
    go_on = threading.Event()
    host.behave = lambda request, context: go_on.wait(10)
    passed = 0
    while not scorer.unavailable and passed < 20:
        try:
            with_deadline(0.1, lambda: scorer.score("m", CANDIDATES))
        except DeadlinePassed:
            passed += 1
    go_on.set()
    assert 2 <= passed < 20
    assert scorer.unavailable


def abort(code: grpc.StatusCode, details: str):
    def behave(request, context):
        context.set_trailing_metadata(((remote._DETAILS_KEY, b""),))
        context.abort(code, details)

    return behave


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
        # Of the host's database, or a model that it cannot read.
        grpc.StatusCode.UNAVAILABLE,
    ],
)
def test_host_that_fails_at_one_question_is_asked_the_next(scorer, host, caplog, code) -> None:
    host.behave = abort(code, "said so")
    scorer.score("m", CANDIDATES)
    assert local(scorer).scored == 1
    assert not scorer.unavailable
    assert "scoring a question in this process" in caplog.text
    host.behave = lambda request, context: None
    scorer.score("m", CANDIDATES)
    assert local(scorer).scored == 1


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_wrong_token_is_no_host_that_is_away_and_the_log_says_so(scorer, host, caplog, code) -> None:
    host.behave = abort(code, "the token is not known")
    scorer.score("m", CANDIDATES)
    scorer.score("m", CANDIDATES)
    assert not scorer.unavailable
    assert len(host.requests) == 1
    assert "refuses this server: the token is not known" in caplog.text
    assert "out of reach" not in caplog.text
    assert "refuses" in scorer.device
    assert metrics.PREDICTOR_HOST_UP._value.get() == 0


def test_dead_host_is_away_until_it_answers(scorer, host, address, monkeypatch, caplog) -> None:
    monkeypatch.setattr(remote, "_HOST_PAUSE_SECONDS", 0.05)
    dead = FallbackScorer(RemoteScorer("127.0.0.1:1", 1 << 20), Local())
    dead.score("m", CANDIDATES)
    assert dead.unavailable
    assert "out of reach" in caplog.text
    dead._host = scorer._host
    time.sleep(0.1)
    dead.score("m", CANDIDATES)
    assert not dead.unavailable


def test_new_version_is_loaded_on_the_host_before_it_answers(scorer, host, monkeypatch) -> None:
    """Loading may take longer than a call, and the host stays in use."""
    monkeypatch.setattr(remote, "_REMOTE_SECONDS", 0.3)
    loaded = set()

    def behave(request, context):
        if request.model_version not in loaded:
            time.sleep(1.0)
            loaded.add(request.model_version)

    host.behave = behave
    scorer.load("m/2")
    assert "m/2" in loaded
    assert not scorer.unavailable
    assert local(scorer).loaded == []
    begun = time.monotonic()
    scorer.score("m/2", CANDIDATES)
    assert time.monotonic() - begun < 0.3
    assert local(scorer).scored == 0


def test_new_version_is_loaded_here_while_the_host_is_away() -> None:
    scorer = FallbackScorer(RemoteScorer("127.0.0.1:1", 1 << 20), Local())
    scorer.load("m/2")
    assert local(scorer).loaded == ["m/2"]
    assert scorer.unavailable


def test_version_whose_loading_found_no_thread_is_loaded_by_the_next_who_looks(monkeypatch) -> None:
    from headstart_server.prediction.registry.versions import ModelVersion

    def version(number: int) -> ModelVersion:
        fields = dict.fromkeys(ModelVersion.__dataclass_fields__)
        return ModelVersion(**{**fields, "namespace": "default", "search_space_id": "s", "number": number})

    models = ServingModels(None, Local())
    monkeypatch.setattr(current_models, "_QUERY_SECONDS", 0.0)
    monkeypatch.setattr(models, "knowledge", lambda version: None)
    newest = [version(1)]
    monkeypatch.setattr(models, "_newest_readable", lambda *_: newest[0])
    assert models.of("default", "s") is newest[0]
    old, newest[0] = newest[0], version(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        assert models.of("default", "s") is old
    end = time.monotonic() + 5
    while models.of("default", "s") is old and time.monotonic() < end:
        time.sleep(0.01)
    assert models.of("default", "s") is newest[0]


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
