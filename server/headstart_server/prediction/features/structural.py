"""Structural features: a fixed-length vector of counts for the candidates of a search space, without learning.

The features are counts of ops and of op pairs along edges, degrees, depths, width, number of paths, the longest and
shortest path from the inputs to the outputs counted in the ops of a subset (features that made tree ensembles strong
on small benchmarks: White et al., "How powerful are performance predictors in NAS?", NeurIPS 2021, section 2;
Kadlecova et al., "Surprisingly strong performance prediction with neural graph features", ICML 2024, section 3), and
the values outside the graph. Nearest neighbours and the vector index use them before a model exists, and every model
uses them beside its own features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.batch import BatchAssembler, Floats, GraphBatch, Integers, chunks_of
from headstart_server.prediction.features.layout import FeatureLayout
from headstart_server.runtime.deadline import check
from headstart_server.runtime.lru import Lru, LruShare

# Versions of the vectors; vectors of different versions are not comparable. Layouts with ordered choices in one
# column have the second.
_EMBEDDING, _EMBEDDING_WITH_ORDER = "structural-1", "structural-2"

# Up to the first number of ordinary ops, all their subsets are used; up to the second, single ops and pairs; beyond,
# single ops.
_OPS_FOR_ALL_SUBSETS = 4
_OPS_FOR_PAIRS = 12
# Beyond this number, op pairs are hashed together.
_MAX_PAIR_COLUMNS = 256
# Cached bytes of all layouts together.
_CACHED_BYTES = 128 * 2**20
_SHARED: Lru[tuple[int, str], Floats] = Lru(_CACHED_BYTES, lambda row: row.nbytes + 130)


class StructuralFeatures:
    """Feature vectors of candidates of one layout, cached by fingerprint. Thread-safe."""

    def __init__(
        self,
        layout: FeatureLayout,
        assembler: BatchAssembler | None = None,
        shared: Lru[tuple[int, str], Floats] = _SHARED,
    ) -> None:
        self.layout = layout
        self.assembler = assembler or BatchAssembler(layout)
        self._subsets = _subsets(layout)
        self._cache: LruShare[str, Floats] = LruShare(shared)

    def vectors(self, candidates: Sequence[CanonicalCandidate]) -> Floats:
        """Feature vectors of candidates, float32 [n, width]; the width depends on the layout alone."""
        known = {candidate.fingerprint: self._cache.get(candidate.fingerprint) for candidate in candidates}
        missing = list({each.fingerprint: each for each in candidates if known[each.fingerprint] is None}.values())
        # Chunks bound the memory of large graphs times subsets.
        for chunk in chunks_of(missing, self.layout.value_width):
            check()
            rows = batch_features(self.layout, self._subsets, self.assembler.assemble(chunk))
            for candidate, row in zip(chunk, rows, strict=True):
                # A copy, because a view of a row would keep the whole chunk alive.
                known[candidate.fingerprint] = cached = row.copy()
                self._cache.put(candidate.fingerprint, cached)
        if not candidates:
            return np.zeros((0, self.width), np.float32)
        return np.stack([known[candidate.fingerprint] for candidate in candidates])  # type: ignore[misc]

    @property
    def embedding(self) -> str:
        """The name of the vectors in the vector index."""
        return structural_embedding(self.layout)

    @property
    def width(self) -> int:
        return int(batch_features(self.layout, self._subsets, self.assembler.assemble([])).shape[1])


def structural_embedding(layout: FeatureLayout) -> str:
    """The name of a layout's vectors in the vector index."""
    return _EMBEDDING_WITH_ORDER if any(parameter.ordered for parameter in layout.parameters) else _EMBEDDING


def batch_features(layout: FeatureLayout, subsets: Floats, batch: GraphBatch) -> Floats:
    """Features of a batch, float32 [graphs, width], vectorised over it. ``subsets`` is [ops, subsets] of 0, 1."""
    if not layout.has_graph:
        return batch.values
    graph_of_node = batch.graph_of_node
    levels, stages = _levels(batch)
    counts = np.zeros((batch.graphs, layout.op_count))
    np.add.at(counts, (graph_of_node, batch.ops), 1.0)
    parts: list[NDArray[np.floating]] = [
        np.log1p(counts),
        np.log1p(_pair_counts(layout, batch, graph_of_node)),
        *(np.log1p(degrees) for degrees in _degrees(layout, batch, graph_of_node)),
        _mean_depths(layout, batch, graph_of_node, levels, counts),
        _shape(batch, graph_of_node, levels),
        *_path_lengths(subsets, batch, graph_of_node, stages),
        batch.values,
    ]
    if layout.attribute_width:
        total = np.zeros((batch.graphs, layout.attribute_width))
        np.add.at(total, graph_of_node, batch.attributes)
        largest = np.zeros_like(total)
        np.maximum.at(largest, graph_of_node, batch.attributes)
        parts += [total / np.maximum(batch.node_counts, 1)[:, None], largest]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _subsets(layout: FeatureLayout) -> Floats:
    """The ops that each subset counts: the subsets of ordinary ops, which are neither input nor output."""
    ends = {layout.op_column(op) for op in (*layout.input_ops, *layout.output_ops)} if layout.has_graph else set()
    ordinary = [op for op in range(layout.op_count) if op not in ends]
    declared = [op for op in ordinary if op < len(layout.ops)]
    if len(declared) <= _OPS_FOR_ALL_SUBSETS:
        sizes = range(1, len(declared))
    else:
        sizes = range(1, 3 if len(declared) <= _OPS_FOR_PAIRS else 2)
    chosen = [*(subset for size in sizes for subset in combinations(declared, size)), tuple(ordinary)]
    table = np.zeros((layout.op_count, len(chosen)), np.float32)
    for index, subset in enumerate(chosen):
        table[list(subset), index] = 1.0
    return table


Stages = list[tuple[Integers, Integers, Integers]]


def _levels(batch: GraphBatch) -> tuple[Integers, Stages]:
    """The depth of every node (longest path from a node without predecessors), and the edges level by level.

    A stage is (edges sorted by target, first edge of each target, the targets).
    """
    levels = np.zeros(len(batch.ops), np.int64)
    order = np.argsort(batch.target, kind="stable")
    if not len(order):
        return levels, []
    source, target = batch.source[order], batch.target[order]
    starts = np.flatnonzero(np.r_[True, target[1:] != target[:-1]])
    targets = target[starts]
    while True:
        deeper = np.maximum.reduceat(levels[source], starts) + 1
        if np.array_equal(deeper, levels[targets]):
            break
        levels[targets] = deeper
    return levels, list(_stages(order, target, levels))


def _stages(order: Integers, target: Integers, levels: Integers) -> Iterator[tuple[Integers, Integers, Integers]]:
    by_level = np.argsort(levels[target], kind="stable")
    depths = levels[target[by_level]]
    bounds = np.flatnonzero(np.r_[True, depths[1:] != depths[:-1], True])
    for first, last in pairwise(bounds):
        edges = by_level[first:last]
        starts = np.flatnonzero(np.r_[True, target[edges][1:] != target[edges][:-1]])
        yield order[edges], starts, target[edges][starts]


def _pair_counts(layout: FeatureLayout, batch: GraphBatch, graph_of_node: Integers) -> NDArray[np.float64]:
    width = min(layout.op_count**2, _MAX_PAIR_COLUMNS)
    pair = batch.ops[batch.source] * layout.op_count + batch.ops[batch.target]
    if layout.op_count**2 > _MAX_PAIR_COLUMNS:
        pair = (pair * 2654435761 >> 7) % width
    counts = np.zeros((batch.graphs, width))
    np.add.at(counts, (graph_of_node[batch.source], pair), batch.weight)
    return counts


def _degrees(layout: FeatureLayout, batch: GraphBatch, graph_of_node: Integers) -> Iterator[NDArray[np.float64]]:
    """Numbers of edges out of and into the nodes of every op."""
    for end in (batch.source, batch.target):
        degrees = np.zeros((batch.graphs, layout.op_count))
        np.add.at(degrees, (graph_of_node[end], batch.ops[end]), batch.weight)
        yield degrees


def _mean_depths(
    layout: FeatureLayout, batch: GraphBatch, graph_of_node: Integers, levels: Integers, counts: NDArray[np.float64]
) -> NDArray[np.float64]:
    depths = np.zeros((batch.graphs, layout.op_count))
    np.add.at(depths, (graph_of_node, batch.ops), levels)
    return np.log1p(depths / np.maximum(counts, 1.0))


def _shape(batch: GraphBatch, graph_of_node: Integers, levels: Integers) -> NDArray[np.float64]:
    """Nodes, edges, edges with multiplicity, depth, and width (most nodes at one depth)."""
    shape = np.zeros((batch.graphs, 5))
    shape[:, 0] = batch.node_counts
    shape[:, 1] = batch.edge_counts
    np.add.at(shape[:, 2], graph_of_node[batch.source], batch.weight)
    np.maximum.at(shape[:, 3], graph_of_node, levels)
    if len(levels):
        index, at_depth = np.unique(graph_of_node * (levels.max() + 1) + levels, return_counts=True)
        np.maximum.at(shape[:, 4], index // (levels.max() + 1), at_depth)
    return np.log1p(shape)


def _path_lengths(
    subsets: Floats, batch: GraphBatch, graph_of_node: Integers, stages: Stages
) -> Iterator[NDArray[np.floating]]:
    """Longest and shortest paths to the outputs counted in the ops of each subset, and the logarithm of the number of
    paths.
    """
    counted = subsets[batch.ops]
    longest, shortest = counted.copy(), counted.copy()
    paths = np.ones(len(batch.ops))
    for edges, starts, targets in stages:
        source = batch.source[edges]
        longest[targets] = counted[targets] + np.maximum.reduceat(longest[source], starts)
        shortest[targets] = counted[targets] + np.minimum.reduceat(shortest[source], starts)
        paths[targets] = np.minimum(np.add.reduceat(paths[source] * batch.weight[edges], starts), 1e12)
    reached = np.zeros(len(batch.ops), bool)
    reached[batch.target] = True
    ends = np.flatnonzero((batch.outputs > 0) & reached)
    graphs = graph_of_node[ends]
    most = np.zeros((batch.graphs, subsets.shape[1]))
    np.maximum.at(most, graphs, longest[ends])
    least = np.full((batch.graphs, subsets.shape[1]), np.inf)
    np.minimum.at(least, graphs, shortest[ends])
    least[np.isinf(least)] = 0.0
    number = np.zeros((batch.graphs, 1))
    np.add.at(number[:, 0], graphs, paths[ends])
    yield np.log1p(most)
    yield np.log1p(least)
    yield np.log1p(number)
