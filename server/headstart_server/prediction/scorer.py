"""Who scores candidates with a model version: this process, or a predictor host asked over gRPC. Both agree.

A host gets all that a model looks at: the canonical graph, with parallel edges as often as they count, and the values
outside the graph as the attributes of one more node without an op, which no real node is.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import grpc
import numpy as np
import torch
from sqlalchemy import Engine

from headstart.codec_spaces import graph_to_proto
from headstart.spaces import CanonicalCandidate, CanonicalGraph, Graph, Node, Value
from headstart.v1 import predictor_service_pb2 as pb2
from headstart.v1 import predictor_service_pb2_grpc as pb2_grpc
from headstart_server.prediction.device import choose_device
from headstart_server.prediction.graph_batch import MAX_EDGE_WEIGHT, Floats
from headstart_server.prediction.graph_kernels import GraphKernels, load_kernels
from headstart_server.prediction.graph_model import FOLDS, GraphModel, Scores
from headstart_server.prediction.micro_batching import MicroBatcher
from headstart_server.prediction.model_reading import reading
from headstart_server.prediction.registry import load_artefact
from headstart_server.runtime import metrics, tracing
from headstart_server.runtime.deadline import remaining_seconds
from headstart_server.runtime.errors import NotFound, Unavailable
from headstart_server.runtime.settings import Settings

_log = logging.getLogger(__name__)

_LOADED_MODELS = 32
# Candidates in one call to a host: keeps messages and answers far below the limit on their size.
_REMOTE_CHUNK = 512
_REMOTE_SECONDS = 5.0
# How long a host that was away is not asked.
_HOST_PAUSE_SECONDS = 2.0
_OUTSIDE = ""


class Scorer(Protocol):
    @property
    def device(self) -> str:
        """Where models run, for a person; empty while nobody knows."""

    @property
    def away(self) -> bool:
        """Whether a part of it was out of reach when last asked."""

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Raises NotFound for an unknown version, Unavailable where the model is out of reach."""

    def load(self, model_version: str) -> None:
        """Make a version ready, so that no question waits for that. Raises as ``score`` does."""

    def close(self) -> None:
        """End what is open. Nothing is asked of it afterwards."""


def open_scorer(engine: Engine, settings: Settings) -> Scorer:
    """The scorer that the settings ask for. Connects to nothing yet."""
    local = LocalScorer(engine, settings)
    if settings.predictor_target:
        token = settings.predictor_token.get_secret_value() if settings.predictor_token is not None else None
        authority = settings.predictor_ca_file.read_bytes() if settings.predictor_ca_file is not None else None
        host = RemoteScorer(settings.predictor_target, settings.max_message_bytes, token, authority)
        return HostOrLocal(host, local)
    return local


class LocalScorer:
    """Scores in the thread of its caller, with models loaded from the database when first asked for. Thread-safe."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._kernels: GraphKernels | None = None
        self._models: OrderedDict[str, GraphModel] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._batcher = MicroBatcher(self._pass)
        self.device = choose_device(settings.device)
        _log.info("models run on %s", self.device)
        self.away = False

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Raises DeadlinePassed too."""
        with tracing.span("score", model=model_version, candidates=len(candidates)):
            return self._batcher.score(model_version, candidates)

    def _pass(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        metrics.SCORED_BATCH_CANDIDATES.observe(len(candidates))
        return self.model(model_version).score(candidates)

    def load(self, model_version: str) -> None:
        self.model(model_version)

    def close(self) -> None:
        with self._lock:
            self._models.clear()

    def kernels(self) -> GraphKernels:
        """Loaded when first asked for, since DGL takes its time. Raises StartupError."""
        with self._loading:
            if self._kernels is None:
                torch.set_num_threads(self._settings.torch_threads)
                self._kernels = load_kernels(self._settings.graph_kernels)
            return self._kernels

    def model(self, model_version: str) -> GraphModel:
        with self._lock:
            model = self._models.get(model_version)
            if model is not None:
                self._models.move_to_end(model_version)
                return model
        kernels = self.kernels()
        with self._engine.connect() as connection:
            content = load_artefact(connection, model_version)
        model = reading(model_version, lambda: GraphModel.from_bytes(content, kernels, self.device))
        with self._lock:
            self._models[model_version] = model
            if len(self._models) > _LOADED_MODELS:
                self._models.popitem(last=False)
        return model


class RemoteScorer:
    """Asks a predictor host. Thread-safe."""

    def __init__(
        self, target: str, max_message_bytes: int, token: str | None = None, authority: bytes | None = None
    ) -> None:
        """``authority`` switches to TLS and is the PEM of who signed the host's certificate."""
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
        self.away = False
        self._stub = pb2_grpc.PredictorServiceStub(self._channel)

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        parts = []
        for start in range(0, max(len(candidates), 1), _REMOTE_CHUNK):
            graphs = [graph_to_proto(graph_of(each)) for each in candidates[start : start + _REMOTE_CHUNK]]
            parts.append(self._ask(pb2.ScoreRequest(model_version=model_version, graphs=graphs)))
        return Scores(
            np.concatenate([part.embeddings for part in parts]), np.concatenate([part.folds for part in parts])
        )

    def load(self, model_version: str) -> None:
        """Left to the host, which loads a version when it is first asked for it."""

    def close(self) -> None:
        self._channel.close()

    def _ask(self, request: pb2.ScoreRequest) -> Scores:
        try:
            left = remaining_seconds()
            with tracing.span("score by host", model=request.model_version, candidates=len(request.graphs)):
                response = self._stub.Score(
                    request,
                    timeout=_REMOTE_SECONDS if left is None else min(_REMOTE_SECONDS, left),
                    metadata=tracing.outgoing(self._metadata),
                )
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else None
            if code is grpc.StatusCode.NOT_FOUND:
                raise NotFound(
                    "the predictor host does not know the model version", "MODEL_VERSION_NOT_FOUND"
                ) from error
            raise Unavailable("the predictor host is out of reach", "PREDICTOR_UNAVAILABLE") from error
        self.device = f"{response.device} at {self._target}"
        return Scores(matrix_from_proto(response.embeddings), folds_from_matrix(matrix_from_proto(response.scores)))


class HostOrLocal:
    """Asks a predictor host, and this process while the host is away; it is asked again soon. Thread-safe."""

    def __init__(self, host: RemoteScorer, local: LocalScorer) -> None:
        self._host = host
        self._local = local
        self._ask_again = -math.inf
        self.away = False
        metrics.PREDICTOR_HOST_UP.set(1)

    @property
    def device(self) -> str:
        return f"{self._local.device}, since the host is away" if self.away else self._host.device

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        if time.monotonic() >= self._ask_again:
            try:
                scores = self._host.score(model_version, candidates)
            except (Unavailable, NotFound) as problem:
                self._lost(problem)
            else:
                self._found()
                return scores
        return self._local.score(model_version, candidates)

    def load(self, model_version: str) -> None:
        if self.away:
            self._local.load(model_version)

    def kernels(self) -> GraphKernels:
        return self._local.kernels()

    def close(self) -> None:
        self._host.close()
        self._local.close()

    def _lost(self, problem: Unavailable | NotFound) -> None:
        # Whoever asks meanwhile is not made to wait for an answer that does not come.
        self._ask_again = time.monotonic() + _HOST_PAUSE_SECONDS
        if not self.away:
            _log.warning("scoring in this process on %s: %s", self._local.device, problem.message)
        self.away = True
        metrics.PREDICTOR_HOST_UP.set(0)

    def _found(self) -> None:
        if self.away:
            _log.warning("the predictor host answers again")
        self.away = False
        metrics.PREDICTOR_HOST_UP.set(1)


def score_response(scores: Scores, device: str = "") -> pb2.ScoreResponse:
    """The answer of a host: of every fold in turn, one column for each score."""
    rows = len(scores.folds)
    return pb2.ScoreResponse(
        embeddings=matrix_to_proto(scores.embeddings),
        scores=matrix_to_proto(scores.folds.reshape(rows, -1)),
        device=device,
    )


def folds_from_matrix(matrix: Floats) -> Floats:
    """Scores [n, folds, heads] from [n, folds x heads]."""
    return matrix.reshape(len(matrix), FOLDS, matrix.shape[1] // FOLDS)


def matrix_to_proto(matrix: Floats) -> pb2.Matrix:
    return pb2.Matrix(rows=matrix.shape[0], columns=matrix.shape[1], values=matrix.ravel().tolist())


def matrix_from_proto(message: pb2.Matrix) -> Floats:
    return np.array(message.values, np.float32).reshape(message.rows, message.columns)


def graph_of(candidate: CanonicalCandidate) -> Graph:
    """Everything a model looks at, as one graph that ``candidate_of`` reads back."""
    canonical = candidate.graph or CanonicalGraph((), (), ())
    nodes = [Node(op, dict(attributes)) for op, attributes in zip(canonical.ops, canonical.attributes, strict=True)]
    edges = tuple(
        (source, target)
        for source, target, multiplicity in canonical.edges
        for _ in range(min(multiplicity, MAX_EDGE_WEIGHT))
    )
    return Graph((*nodes, Node(_OUTSIDE, dict(candidate.values))), edges)


def candidate_of(graph: Graph) -> CanonicalCandidate:
    """The candidate behind a graph from ``graph_of``, or behind a plain canonical graph.

    Its fingerprint tells apart what a model can tell apart; it is not that of the server's records.
    """
    nodes = list(graph.nodes)
    values: tuple[tuple[str, Value], ...] = ()
    if nodes and nodes[-1].op == _OUTSIDE:
        values = tuple(sorted(nodes.pop().attributes.items()))
    counts: dict[tuple[int, int], int] = {}
    for edge in graph.edges:
        counts[edge] = counts.get(edge, 0) + 1
    canonical = CanonicalGraph(
        tuple(node.op for node in nodes),
        tuple(tuple(sorted(node.attributes.items())) for node in nodes),
        tuple((source, target, count) for (source, target), count in sorted(counts.items())),
    )
    digest = hashlib.sha256(repr((canonical, values)).encode()).hexdigest()[:32]
    return CanonicalCandidate(canonical if nodes else None, values, digest)
