"""Batches of candidates as concatenated arrays, the input of graph kernels, network and structural features.

The arrays of each candidate are cached by fingerprint, so a thousand known candidates assemble in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.layout import FeatureLayout
from headstart_server.runtime.lru import Lru, LruShare

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Parallel edges count up to this number. It also bounds the messages of one edge.
MAX_EDGE_WEIGHT = 16

# Largest number of nodes and edges in a chunk, and of elements in its vectors.
_CHUNK_GRAPHS, _CHUNK_NUMBERS = 32_768, 2**21

# Overhead of an array in bytes.
_ARRAY = 130

# Cached bytes of all layouts together.
_CACHED_BYTES = 128 * 2**20


def chunks_of(
    candidates: Sequence[CanonicalCandidate], width: int = 0, most: int = 512
) -> Iterator[Sequence[CanonicalCandidate]]:
    """Yield the candidates in order, ``most`` at a time, or fewer if their graphs or vectors of ``width`` are large.

    Any chunk takes some tens of milliseconds and megabytes.
    """
    most = max(1, min(most, _CHUNK_NUMBERS // max(width, 1)))
    chunk: list[CanonicalCandidate] = []
    size = 0
    for candidate in candidates:
        own = 0 if candidate.graph is None else len(candidate.graph.ops) + len(candidate.graph.edges)
        if chunk and (len(chunk) == most or size + own > _CHUNK_GRAPHS):
            yield chunk
            chunk, size = [], 0
        chunk.append(candidate)
        size += own
    if chunk:
        yield chunk


@dataclass(frozen=True)
class GraphBatch:
    """A batch of graphs. Node and edge indices are global; the nodes of a graph are contiguous, and so are its edges.

    ops [nodes], attributes [nodes, a], outputs [nodes] (1 where a node is an output, else 0), source and target and
    weight [edges], node_counts and edge_counts [graphs], values [graphs, v].
    """

    ops: Integers
    attributes: Floats
    outputs: Floats
    source: Integers
    target: Integers
    weight: Floats
    node_counts: Integers
    edge_counts: Integers
    values: Floats

    @property
    def graphs(self) -> int:
        return len(self.node_counts)

    @property
    def graph_of_node(self) -> Integers:
        return np.repeat(np.arange(self.graphs), self.node_counts)


@dataclass(frozen=True)
class _Arrays:
    ops: Integers
    attributes: Floats
    outputs: Floats
    ends: Integers
    weight: Floats
    values: Floats

    @property
    def nbytes(self) -> int:
        arrays = (self.ops, self.attributes, self.outputs, self.ends, self.weight, self.values)
        return sum(array.nbytes + _ARRAY for array in arrays)


_SHARED: Lru[tuple[int, str], _Arrays] = Lru(_CACHED_BYTES, lambda arrays: arrays.nbytes)


class BatchAssembler:
    """Assembles batches of candidates of one layout. Thread-safe."""

    def __init__(self, layout: FeatureLayout, shared: Lru[tuple[int, str], _Arrays] = _SHARED) -> None:
        self.layout = layout
        self._cache: LruShare[str, _Arrays] = LruShare(shared)

    def assemble(self, candidates: Sequence[CanonicalCandidate]) -> GraphBatch:
        parts = [self._arrays(candidate) for candidate in candidates]
        node_counts = np.fromiter((len(part.ops) for part in parts), np.int64, len(parts))
        edge_counts = np.fromiter((len(part.weight) for part in parts), np.int64, len(parts))
        offsets = np.repeat(np.cumsum(node_counts) - node_counts, edge_counts)
        ends = _joined([part.ends for part in parts], (0, 2), np.int64) + offsets[:, None]
        return GraphBatch(
            ops=_joined([part.ops for part in parts], (0,), np.int64),
            attributes=_joined([part.attributes for part in parts], (0, self.layout.attribute_width), np.float32),
            outputs=_joined([part.outputs for part in parts], (0,), np.float32),
            source=np.ascontiguousarray(ends[:, 0]),
            target=np.ascontiguousarray(ends[:, 1]),
            weight=_joined([part.weight for part in parts], (0,), np.float32),
            node_counts=node_counts,
            edge_counts=edge_counts,
            values=np.array([part.values for part in parts], np.float32).reshape(len(parts), self.layout.value_width),
        )

    def _arrays(self, candidate: CanonicalCandidate) -> _Arrays:
        arrays = self._cache.get(candidate.fingerprint)
        if arrays is None:
            arrays = _candidate_arrays(self.layout, candidate)
            self._cache.put(candidate.fingerprint, arrays)
        return arrays


def _candidate_arrays(layout: FeatureLayout, candidate: CanonicalCandidate) -> _Arrays:
    values = np.array(layout.encode_values(candidate.values), np.float32)
    graph = candidate.graph
    if graph is None:
        none = np.zeros(0, np.float32)
        width = layout.attribute_width
        return _Arrays(
            np.zeros(0, np.int64), np.zeros((0, width), np.float32), none, np.zeros((0, 2), np.int64), none, values
        )
    if layout.attribute_width:
        attributes = np.array([layout.encode_attributes(node) for node in graph.attributes], np.float32)
    else:
        attributes = np.zeros((0, 0), np.float32)
    with_successors = {source for source, _, _ in graph.edges}
    outputs = [
        op in layout.output_ops if layout.output_ops else node not in with_successors
        for node, op in enumerate(graph.ops)
    ]
    edges = np.array(graph.edges, np.int64).reshape(len(graph.edges), 3)
    return _Arrays(
        ops=np.array([layout.op_column(op) for op in graph.ops], np.int64),
        attributes=attributes.reshape(len(graph.ops), layout.attribute_width),
        outputs=np.array(outputs, np.float32),
        # A copy, because a view would keep the whole array alive.
        ends=edges[:, :2].copy(),
        weight=np.minimum(edges[:, 2], MAX_EDGE_WEIGHT).astype(np.float32),
        values=values,
    )


def _joined(parts: list[NDArray[np.generic]], empty: tuple[int, ...], kind: type) -> NDArray:  # type: ignore[type-arg]
    return np.concatenate(parts) if parts else np.zeros(empty, kind)
