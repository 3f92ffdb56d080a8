"""Scoring of candidates with a model version in this process, and the messages of a predictor host.

A predictor host gives the same scores as this process. Its messages carry all inputs of a model in one graph: the
canonical graph with its parallel edges repeated, and the values outside the graph as attributes of an additional node.
That node has an empty op, which no other node has.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from sqlalchemy import Engine

from headstart.spaces import CanonicalCandidate, CanonicalGraph, Graph, Node, Value
from headstart.v1 import predictor_service_pb2 as pb2
from headstart_server.prediction.features.batch import MAX_EDGE_WEIGHT, Floats
from headstart_server.prediction.graph.device import choose_device
from headstart_server.prediction.graph.message_passing import GraphKernels, load_kernels
from headstart_server.prediction.graph.model import FOLDS, GraphModel, Scores
from headstart_server.prediction.registry.artefact import reading
from headstart_server.prediction.registry.versions import load_artefact
from headstart_server.prediction.serving.micro_batching import MicroBatcher
from headstart_server.runtime.lru import Lru
from headstart_server.runtime.observability import metrics, tracing
from headstart_server.runtime.settings import Settings
from headstart_server.runtime.single_flight import SingleFlight

_log = logging.getLogger(__name__)

_LOADED_MODELS = 32
# The op of the node that carries the values outside the graph.
_OUTSIDE = ""


class Scorer(Protocol):
    """Scores candidates with model versions, wherever the models are. Thread-safe."""

    @property
    def device(self) -> str:
        """The device of the models as a text for people; empty while unknown."""

    @property
    def unavailable(self) -> bool:
        """Whether a predictor host was out of reach at the last call."""

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Scores and embeddings of candidates.

        Raises NotFound for an unknown version, Unavailable if the model is out of reach.
        """

    def load(self, model_version: str) -> None:
        """Load a version ahead, so that no call waits for it. Raises as ``score`` does."""

    def close(self) -> None:
        """Release models and connections; no call may follow."""


class LocalScorer:
    """Scores in this process, with models loaded from the database on first use. Thread-safe."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._kernels: GraphKernels | None = None
        self._models: Lru[str, GraphModel] = Lru(_LOADED_MODELS)
        self._loading_kernels = threading.Lock()
        self._flights: SingleFlight[str] = SingleFlight()
        self._batcher = MicroBatcher(self._pass)
        self.device = choose_device(settings.device)
        _log.info("models run on %s", self.device)
        self.unavailable = False

    def score(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Scores and embeddings of candidates. Raises as ``Scorer.score`` does, and DeadlinePassed."""
        # Loaded before the pass, so that calls for other models do not wait for it.
        self.load(model_version)
        with tracing.span("score", model=model_version, candidates=len(candidates)):
            return self._batcher.score(model_version, candidates)

    def _pass(self, model_version: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        metrics.SCORED_BATCH_CANDIDATES.observe(len(candidates))
        return self.model(model_version).score(candidates)

    def load(self, model_version: str) -> None:
        self.model(model_version)

    def close(self) -> None:
        self._models.clear()

    def kernels(self) -> GraphKernels:
        """The graph kernels, loaded on first use, because loading DGL takes seconds. Raises StartupError."""
        with self._loading_kernels:
            if self._kernels is None:
                torch.set_num_threads(self._settings.torch_threads)
                self._kernels = load_kernels(self._settings.graph_kernels)
            return self._kernels

    def model(self, model_version: str) -> GraphModel:
        """The model of a version, loaded on first use. Raises NotFound, ModelUnreadable."""
        model = self._models.get(model_version)
        if model is not None:
            return model
        kernels = self.kernels()
        with self._flights.of(model_version):
            model = self._models.get(model_version)
            if model is not None:
                return model
            with self._engine.connect() as connection:
                content = load_artefact(connection, model_version)
            with reading(model_version):
                model = GraphModel.from_bytes(content, kernels, self.device)
            self._models.put(model_version, model)
        return model


def score_response(scores: Scores, device: str = "") -> pb2.ScoreResponse:
    """The response of a predictor host: the scores of every fold in turn, a column each."""
    rows, folds, heads = scores.folds.shape
    return pb2.ScoreResponse(
        embeddings=matrix_to_proto(scores.embeddings),
        scores=matrix_to_proto(scores.folds.reshape(rows, folds * heads)),
        device=device,
    )


def folds_from_matrix(matrix: Floats) -> Floats:
    """Scores [n, folds, scores] from a matrix [n, folds * scores]."""
    return matrix.reshape(len(matrix), FOLDS, matrix.shape[1] // FOLDS)


def matrix_to_proto(matrix: Floats) -> pb2.Matrix:
    return pb2.Matrix(rows=matrix.shape[0], columns=matrix.shape[1], values=matrix.ravel().tolist())


def matrix_from_proto(message: pb2.Matrix) -> Floats:
    return np.array(message.values, np.float32).reshape(message.rows, message.columns)


def graph_of(candidate: CanonicalCandidate) -> Graph:
    """The inputs of a model as one graph; ``candidate_of`` is the inverse."""
    canonical = candidate.graph or CanonicalGraph((), (), ())
    nodes = [Node(op, dict(attributes)) for op, attributes in zip(canonical.ops, canonical.attributes, strict=True)]
    edges = tuple(
        (source, target)
        for source, target, multiplicity in canonical.edges
        for _ in range(min(multiplicity, MAX_EDGE_WEIGHT))
    )
    return Graph((*nodes, Node(_OUTSIDE, dict(candidate.values))), edges)


def candidate_of(graph: Graph) -> CanonicalCandidate:
    """The candidate of a graph from ``graph_of``, or of a plain canonical graph.

    Its fingerprint differs wherever the inputs of a model do; it is not the fingerprint of the records.
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
