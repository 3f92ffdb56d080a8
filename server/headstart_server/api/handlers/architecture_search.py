"""SearchArchitectures at the edge: the nearest by embedding, measured anew where another measure is asked for.

Where the vector index is out of reach or too far behind, the architectures recorded last are compared instead, and the
answer is marked degraded.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

from headstart.codec import spaces as codec_spaces
from headstart.spaces import CanonicalCandidate
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart_server.api import decode, encode
from headstart_server.api.admission.identity import namespace_of_caller
from headstart_server.api.handlers.pagination import page_of
from headstart_server.assembly import Domains
from headstart_server.knowledge.service import Match
from headstart_server.knowledge.similarity.graph_distance import Edits, edit_distances, op_distance
from headstart_server.knowledge.vector_index.chroma import IndexUnavailable
from headstart_server.prediction.serving.embeddings import embedding_name
from headstart_server.runtime import deadline
from headstart_server.runtime.errors import NotFound, Unavailable
from headstart_server.runtime.observability import metrics

_DEFAULT_COUNT = 10
_MAX_COUNT = 1000
_DEFAULT_SECONDS = 1.0
_MAX_SECONDS = 10.0
# Size of the shortlist by embedding, relative to the requested count.
_SHORTLIST_FACTOR = 10
_LEAST_SHORTLIST = 200
_MOST_SHORTLIST = 2_000

logger = logging.getLogger(__name__)

Nearest = Sequence[tuple[str, float]]


def search_architectures(
    domains: Domains, request: pb2.SearchArchitecturesRequest, quick: float | None = None
) -> pb2.SearchArchitecturesResponse:
    """Raises NotQuick if reading the candidate takes more than ``quick`` seconds of processor time."""
    namespace, space_id = namespace_of_caller(), request.search_space_id
    count = decode.count(request.count, "count", _DEFAULT_COUNT, _MAX_COUNT)
    measure = _measure(request)
    seconds = _seconds(request)
    space = domains.knowledge.search_space(namespace, space_id)
    with deadline.quick(quick):
        canonical = domains.knowledge.canonical(namespace, space, codec_spaces.candidate_from_proto(request.candidate))
    anew = measure != pb2.ARCHITECTURE_MEASURE_EMBEDDING
    if anew and canonical.graph is None:
        raise decode.invalid("measure", "this search space has no graphs to compare: ask for EMBEDDING")
    wanted = min(max(_SHORTLIST_FACTOR * count, _LEAST_SHORTLIST), _MOST_SHORTLIST) if anew else count
    nearest, embedding, degraded = _nearest(domains, namespace, space_id, canonical, wanted)
    if anew:
        nearest_measured = _measured(domains, namespace, space_id, canonical, nearest, measure, seconds)[:count]
        bounds = {fingerprint: edits.upper_bound for fingerprint, edits in nearest_measured}
        nearest = [(fingerprint, edits.distance) for fingerprint, edits in nearest_measured]
        matches = [
            replace(match, upper_bound=bounds[match.architecture.fingerprint])
            for match in domains.knowledge.matches(namespace, space_id, nearest)
        ]
    else:
        matches = domains.knowledge.matches(namespace, space_id, nearest)
    if degraded:
        metrics.DEGRADED_ANSWERS.labels("SearchArchitectures").inc()
    return _answer(matches, count, degraded, embedding_name(namespace, space_id, embedding))


def _answer(matches: list[Match], count: int, degraded: bool, embedding: str) -> pb2.SearchArchitecturesResponse:
    answer = encode.architecture_matches(matches, degraded, embedding)
    # With many tasks, the nearest that fit one message.
    cached, _ = page_of(answer.matches, count)
    del answer.matches[len(cached) :]
    return answer


def _measure(request: pb2.SearchArchitecturesRequest) -> int:
    requested = int(request.measure)
    if requested == pb2.ARCHITECTURE_MEASURE_UNSPECIFIED:
        return int(pb2.ARCHITECTURE_MEASURE_EMBEDDING)
    if requested not in pb2.ArchitectureMeasure.values():
        raise decode.invalid("measure", f"must be a measure of the contract, got {requested}")
    return requested


def _seconds(request: pb2.SearchArchitecturesRequest) -> float:
    if not request.HasField("time_limit_seconds"):
        return _DEFAULT_SECONDS
    requested = request.time_limit_seconds
    if not (math.isfinite(requested) and 0 < requested <= _MAX_SECONDS):
        raise decode.invalid(
            "time_limit_seconds", f"must be more than 0 and at most {_MAX_SECONDS:g}, got {requested:g}"
        )
    return requested


def _nearest(
    domains: Domains, namespace: str, space_id: str, canonical: CanonicalCandidate, count: int
) -> tuple[Nearest, str, bool]:
    """The nearest by embedding, the name of that embedding, and whether the vector index took no part."""
    prediction, vectors = domains.prediction, domains.knowledge.vectors
    expected = False
    for fresh in (False, True):
        try:
            index = vectors.serving(namespace, space_id, fresh)
            expected = index is not None
            if index is None:
                break
            embedding = prediction.embed(namespace, space_id, index.embedding, [canonical])[0]
            return vectors.nearest(index, embedding, count), index.embedding, False
        except (IndexUnavailable, Unavailable, NotFound) as error:
            # The version may have been replaced since the lookup: try once more with the serving one.
            expected = True
            if fresh:
                logger.warning("nearest architectures without the vector index: %s", error)
    nearest = prediction.nearest_recorded(namespace, space_id, canonical, count)
    # For a space without architectures, the index is complete.
    return nearest, prediction.features(namespace, space_id).embedding, expected or bool(nearest)


def _measured(
    domains: Domains,
    namespace: str,
    space_id: str,
    canonical: CanonicalCandidate,
    nearest: Nearest,
    measure: int,
    seconds: float,
) -> list[tuple[str, Edits]]:
    """Fingerprints of the shortlist by another measure, nearest first; ties stay in the order of embeddings."""
    names = [fingerprint for fingerprint, _ in nearest]
    recorded = domains.knowledge.recorded_architectures(namespace, space_id, names)
    names = [name for name in names if name in recorded]
    graphs = [graph for name in names if (graph := recorded[name].canonical.graph) is not None]
    assert canonical.graph is not None
    if measure == pb2.ARCHITECTURE_MEASURE_OP_DISTRIBUTION:
        distances = [Edits(op_distance(canonical.graph, graph), upper_bound=False) for graph in graphs]
    else:
        distances = edit_distances(canonical.graph, graphs, seconds)
    return sorted(zip(names, distances, strict=True), key=lambda pair: pair[1].distance)
