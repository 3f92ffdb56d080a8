"""Scoring of candidates on a predictor host over gRPC, and in this process while the host cannot be used.

Four failures are distinguished, because only the first one degrades the answers of all callers:
- An unavailable host does not answer. It is not called for a while, and this process scores.
- A host that refuses this server (a wrong token) is not called for a while either, and the log gives the reason.
- A host that is full, slow or fails at one call gets the next call.
- A caller's own deadline is no failure of the host, unless the host has not answered anybody for as long as a call may
  take.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from enum import Enum

import grpc
import numpy as np
from sqlalchemy import Engine

from headstart.codec.spaces import graph_to_proto
from headstart.spaces import CanonicalCandidate
from headstart.v1 import predictor_service_pb2 as pb2
from headstart.v1 import predictor_service_pb2_grpc as pb2_grpc
from headstart_server.prediction.graph.message_passing import GraphKernels
from headstart_server.prediction.graph.model import Scores
from headstart_server.prediction.serving.scorer import (
    LocalScorer,
    Scorer,
    folds_from_matrix,
    graph_of,
    matrix_from_proto,
)
from headstart_server.runtime.deadline import DeadlinePassed, remaining_seconds
from headstart_server.runtime.errors import NotFound, ServiceError, Unavailable
from headstart_server.runtime.observability import metrics, tracing
from headstart_server.runtime.settings import Settings

_log = logging.getLogger(__name__)

# Candidates in one call to a host; keeps requests and responses far below the limit on messages.
_REMOTE_CHUNK = 512
_REMOTE_SECONDS = 5.0
# Seconds to read a model version from the database and move it to its device.
_LOAD_SECONDS = 120.0
# Seconds before a host that was unavailable, or refused this server, is called again.
_HOST_PAUSE_SECONDS = 2.0
_SECONDS_BETWEEN_WARNINGS = 60.0

# Reasons of Unavailable.
UNAVAILABLE = "PREDICTOR_UNAVAILABLE"
REFUSED = "PREDICTOR_REFUSED"
BUSY = "PREDICTOR_BUSY"
FAILED = "PREDICTOR_FAILED"
# A status with details comes from the host, one without details from this end of the channel.
_DETAILS_KEY = "grpc-status-details-bin"
_REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def open_scorer(engine: Engine, settings: Settings) -> Scorer:
    """The scorer for the settings. It connects on first use."""
    local = LocalScorer(engine, settings)
    if settings.predictor_target:
        token = settings.predictor_token.get_secret_value() if settings.predictor_token is not None else None
        authority = settings.predictor_ca_file.read_bytes() if settings.predictor_ca_file is not None else None
        host = RemoteScorer(settings.predictor_target, settings.max_message_bytes, token, authority)
        return FallbackScorer(host, local)
    return local


class RemoteScorer:
    """Scores on a predictor host. Thread-safe."""

    def __init__(
        self, target: str, max_message_bytes: int, token: str | None = None, authority: bytes | None = None
    ) -> None:
        """``authority`` is the PEM of the authority that signed the host's certificate, for TLS; None is plain text."""
        limits = [
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.max_receive_message_length", max_message_bytes),
        ]
        if authority is None:
            self._channel = grpc.insecure_channel(target, options=limits)
        else:
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(authority), options=limits)
        self._metadata = None if token is None else (("authorization", f"Bearer {token}"),)
        self._target = target
        self.device = ""
        self.unavailable = False
        self._stub = pb2_grpc.PredictorServiceStub(self._channel)
        self._lock = threading.Lock()
        # The time of the first call without an answer; None if the host answered the last call.
        self._silent_since: float | None = None

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Scores and embeddings of candidates.

        Raises NotFound for an unknown version, DeadlinePassed, and Unavailable with one of the reasons above.
        """
        parts = []
        for start in range(0, max(len(candidates), 1), _REMOTE_CHUNK):
            graphs = [graph_to_proto(graph_of(each)) for each in candidates[start : start + _REMOTE_CHUNK]]
            parts.append(self._call(pb2.ScoreRequest(model_version=model_version, graphs=graphs)))
        return Scores(
            np.concatenate([part.embeddings for part in parts]), np.concatenate([part.folds for part in parts])
        )

    def load(self, model_version: str) -> None:
        """Have the host load a version, however long that takes. Raises as ``score`` does."""
        self._call(pb2.ScoreRequest(model_version=model_version), _LOAD_SECONDS)

    def close(self) -> None:
        self._channel.close()

    def _call(self, request: pb2.ScoreRequest, seconds: float = _REMOTE_SECONDS) -> Scores:
        remaining = remaining_seconds()
        begun = time.monotonic()
        with self._lock:
            if self._silent_since is None:
                self._silent_since = begun
        try:
            with tracing.span("score by host", model=request.model_version, candidates=len(request.graphs)):
                response = self._stub.Score(
                    request,
                    timeout=seconds if remaining is None else min(seconds, remaining),
                    metadata=tracing.outgoing(self._metadata),
                )
        except grpc.RpcError as error:
            raise self._translated(error, remaining is not None and remaining <= seconds) from error
        self._answered()
        self.device = f"{response.device} at {self._target}"
        return Scores(matrix_from_proto(response.embeddings), folds_from_matrix(matrix_from_proto(response.scores)))

    def _answered(self) -> None:
        with self._lock:
            self._silent_since = None

    def _translated(self, error: grpc.RpcError, by_caller: bool) -> ServiceError | DeadlinePassed:
        """The error to raise for a failed call; ``by_caller``: the caller's deadline came before our own."""
        code = error.code() if isinstance(error, grpc.Call) else None
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            with self._lock:
                silent = 0.0 if self._silent_since is None else time.monotonic() - self._silent_since
            if silent >= 0.9 * _REMOTE_SECONDS:
                return Unavailable(f"the predictor host has not answered for {silent:.0f} s", UNAVAILABLE)
            if by_caller:
                return DeadlinePassed()
            return Unavailable("the predictor host is too slow with a question", BUSY)
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, None) and not _from_host(error):
            return Unavailable("the predictor host is out of reach", UNAVAILABLE)
        self._answered()
        if code is grpc.StatusCode.NOT_FOUND:
            return NotFound("the predictor host does not know the model version", "MODEL_VERSION_NOT_FOUND")
        message = error.details() if isinstance(error, grpc.Call) else ""
        if code in _REFUSALS:
            return Unavailable(f"the predictor host refuses this server: {message}", REFUSED)
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Unavailable(f"the predictor host is full: {message}", BUSY)
        return Unavailable(f"the predictor host failed at a question: {message}", FAILED)


class _HostState(Enum):
    ANSWERS = "answers"
    UNAVAILABLE = "is away"
    REFUSES = "refuses"


class FallbackScorer:
    """Scores on a predictor host, and in this process while the host is unavailable. Thread-safe."""

    def __init__(self, host: RemoteScorer, local: LocalScorer) -> None:
        self._host = host
        self._local = local
        self._next_call_at = -math.inf
        self._state = _HostState.ANSWERS
        self._warned_at = -math.inf
        metrics.PREDICTOR_HOST_UP.set(1)

    @property
    def unavailable(self) -> bool:
        return self._state is _HostState.UNAVAILABLE

    @property
    def device(self) -> str:
        if self._state is _HostState.ANSWERS:
            return self._host.device
        return f"{self._local.device}, since the host {self._state.value}"

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        if time.monotonic() >= self._next_call_at:
            try:
                scores = self._host.score(model_version, candidates)
            except (Unavailable, NotFound) as problem:
                self._note(problem)
            else:
                self._reached()
                return scores
        return self._local.score(model_version, candidates)

    def load(self, model_version: str) -> None:
        """Load on the host, and in this process while the host is unavailable."""
        if time.monotonic() >= self._next_call_at:
            try:
                self._host.load(model_version)
            except (Unavailable, NotFound) as problem:
                self._note(problem)
            else:
                self._reached()
                return
        self._local.load(model_version)

    def kernels(self) -> GraphKernels:
        return self._local.kernels()

    def close(self) -> None:
        self._host.close()
        self._local.close()

    def _note(self, problem: Unavailable | NotFound) -> None:
        if problem.reason in (UNAVAILABLE, REFUSED):
            self._lost(_HostState.UNAVAILABLE if problem.reason == UNAVAILABLE else _HostState.REFUSES, problem)
            return
        # It answered, though with an error: it gets the next call.
        self._reached()
        if time.monotonic() - self._warned_at >= _SECONDS_BETWEEN_WARNINGS:
            self._warned_at = time.monotonic()
            _log.warning("scoring a question in this process on %s: %s", self._local.device, problem.message)

    def _lost(self, state: _HostState, problem: Unavailable | NotFound) -> None:
        # Meanwhile no caller waits for the host.
        self._next_call_at = time.monotonic() + _HOST_PAUSE_SECONDS
        if self._state is not state:
            level = logging.ERROR if state is _HostState.REFUSES else logging.WARNING
            _log.log(level, "scoring in this process on %s: %s", self._local.device, problem.message)
        self._state = state
        metrics.PREDICTOR_HOST_UP.set(0)

    def _reached(self) -> None:
        if self._state is not _HostState.ANSWERS:
            _log.warning("the predictor host answers again")
        self._state = _HostState.ANSWERS
        metrics.PREDICTOR_HOST_UP.set(1)


def _from_host(error: grpc.RpcError) -> bool:
    metadata = error.trailing_metadata() if isinstance(error, grpc.Call) else None
    return _DETAILS_KEY in dict(metadata or ())
