"""Describes a graph: sizes, degrees, components, clustering, homophily, node features and labels, and landmarkers.

Homophily is that of edges (Zhu et al., "Beyond homophily in graph neural networks", 2020). The landmarker on mean
features of neighbours is one step of simplified graph convolution (Wu et al., 2019): where it beats the linear one,
neighbours help.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from headstart.metafeatures.description import Findings
from headstart.metafeatures.moments import skewness
from headstart.metafeatures.sampling import MODEL_COLUMNS, MODEL_ROWS, Numbers, some
from headstart.metafeatures.tables import complete, describe_numbers, sample_rows
from headstart.metafeatures.targets import Target, read_target

# Nodes whose clustering is computed, and neighbours of each.
_CLUSTERING_NODES, _CLUSTERING_NEIGHBOURS = 500, 100


def describe(
    findings: Findings,
    data: Any,
    target: Any,
    *,
    landmarkers: bool,
    seed: int,
    node_count: int | None = None,
    features: Any = None,
    directed: bool = False,
    problem: str | None = None,
) -> None:
    generator = np.random.default_rng(seed)
    inputs = None if features is None else _features(features)
    known = [len(target)] if target is not None else []
    known += [inputs.shape[0]] if inputs is not None else []
    sources, targets, nodes = _edges(data, node_count, known)
    loops = sources == targets
    adjacency = _adjacency(sources[~loops], targets[~loops], nodes, directed)
    findings.words["modality"] = "graph"
    findings.words["direction"] = "directed" if directed else "undirected"
    _structure(findings, adjacency, np.unique(sources[loops]), directed, generator)
    wanted = read_target(findings, _unlabelled_as_missing(target), nodes, problem, prefix="node ")
    if wanted is not None and wanted.is_classification:
        _homophily(findings, adjacency, wanted)
    if inputs is not None:
        findings.add("features", inputs.shape[1])
        findings.add("dimensionality", inputs.shape[1] / nodes if nodes else None, "there are no nodes")
        cells = nodes * inputs.shape[1]
        findings.add("zero_share", 1.0 - inputs.count_nonzero() / cells if cells else None, "there are no features")
        chosen = some(inputs.shape[1], MODEL_COLUMNS, generator)
        rows = some(nodes, MODEL_ROWS, generator)
        describe_numbers(findings, inputs[rows][:, chosen].toarray(), generator)
        if wanted is not None and landmarkers:
            _landmarks(findings, adjacency, inputs[:, chosen], wanted, seed, generator)


def _edges(data: Any, node_count: int | None, known: list[int]) -> tuple[Any, Any, int]:
    if scipy.sparse.issparse(data):
        if data.shape[0] != data.shape[1]:
            raise ValueError(f"an adjacency matrix is square, got {data.shape}")
        sources, targets = data.nonzero()
        counts = {data.shape[0], *known, *([] if node_count is None else [node_count])}
    else:
        edges = np.asarray(data)
        if edges.size == 0:
            edges = np.zeros((2, 0), dtype=np.int64)
        if edges.ndim != 2 or 2 not in edges.shape or edges.dtype.kind not in "iu":
            raise ValueError(
                f"edges are whole numbers of shape [2, edges] or [edges, 2], got {edges.dtype} of shape {edges.shape}"
            )
        sources, targets = edges if edges.shape[0] == 2 else edges.T
        counts = {*known, *([] if node_count is None else [node_count])}
    if len(counts) > 1:
        raise ValueError(
            f"node_count, features, target and adjacency disagree on the number of nodes: {sorted(counts)}"
        )
    most = int(max(sources.max(), targets.max())) + 1 if len(sources) else 0
    nodes = counts.pop() if counts else most
    if most > nodes or (len(sources) and min(sources.min(), targets.min()) < 0):
        raise ValueError(f"edges name nodes outside 0 to {nodes - 1}")
    return sources.astype(np.int64), targets.astype(np.int64), int(nodes)


def _adjacency(sources: Any, targets: Any, nodes: int, directed: bool) -> Any:
    """Adjacency matrix of ones, symmetric in an undirected graph."""
    if not directed:
        sources, targets = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    matrix = scipy.sparse.csr_matrix((np.ones(len(sources)), (sources, targets)), shape=(nodes, nodes))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _structure(findings: Findings, adjacency: Any, loops: Any, directed: bool, generator: np.random.Generator) -> None:
    nodes = adjacency.shape[0]
    edges = adjacency.nnz if directed else adjacency.nnz // 2
    findings.add("nodes", nodes)
    findings.add("edges", edges)
    if not nodes:
        return
    either = adjacency.maximum(adjacency.T).tocsr() if directed else adjacency
    outgoing = np.asarray(adjacency.sum(axis=1)).ravel()
    degrees = outgoing + np.asarray(adjacency.sum(axis=0)).ravel() if directed else outgoing
    findings.add("mean_degree", outgoing.mean())
    findings.add("degree_std", degrees.std())
    findings.add("degree_max", degrees.max())
    findings.add("degree_skewness", skewness(degrees[:, None])[0], "all nodes have the same degree")
    possible = nodes * (nodes - 1) / (1 if directed else 2)
    findings.add("density", edges / possible if possible else None, "there is one node")
    findings.add("isolated_share", (degrees == 0).mean())
    findings.add("loop_share", len(loops) / nodes)
    count, component = connected_components(either, directed=False)
    findings.add("components", count)
    findings.add("largest_component_share", np.bincount(component).max() / nodes)
    _assortativity(findings, adjacency, degrees)
    findings.add("clustering", _clustering(either, generator), "no sampled node has two neighbours")
    if directed:
        mutual = adjacency.multiply(adjacency.T).sum()
        findings.add("reciprocity", mutual / edges if edges else None, "there are no edges")


def _assortativity(findings: Findings, adjacency: Any, degrees: Numbers) -> None:
    ends = adjacency.nonzero()
    left, right = degrees[ends[0]], degrees[ends[1]]
    varies = len(left) > 1 and left.std() > 0 and right.std() > 0
    correlation = np.corrcoef(left, right)[0, 1] if varies else None
    findings.add("degree_assortativity", correlation, "all edges join nodes of the same degree")


def _clustering(adjacency: Any, generator: np.random.Generator) -> float | None:
    """Mean clustering coefficient of nodes with two or more neighbours."""
    degrees = np.diff(adjacency.indptr)
    eligible = np.flatnonzero(degrees > 1)
    shares = []
    for node in eligible[some(len(eligible), _CLUSTERING_NODES, generator)]:
        neighbours = adjacency.indices[adjacency.indptr[node] : adjacency.indptr[node + 1]]
        neighbours = neighbours[some(len(neighbours), _CLUSTERING_NEIGHBOURS, generator)]
        joined = adjacency[neighbours][:, neighbours].nnz
        shares.append(joined / (len(neighbours) * (len(neighbours) - 1)))
    return float(np.mean(shares)) if shares else None


def _unlabelled_as_missing(target: Any) -> Any:
    """Negative whole labels stand for none, also where they are floats; of quantities only NaN does."""
    if target is None:
        return None
    labels = np.asarray(target)
    if labels.ndim != 1 or labels.dtype.kind not in "if":
        return labels
    present = labels[np.isfinite(labels)]
    if (present < 0).any() and (present == np.round(present)).all():
        return np.where(labels < 0, np.nan, labels.astype(np.float64))
    return labels


def _homophily(findings: Findings, adjacency: Any, target: Target) -> None:
    labels = np.full(adjacency.shape[0], -1, dtype=np.int64)
    labels[target.rows] = target.values
    left, right = (labels[ends] for ends in adjacency.nonzero())
    both = (left >= 0) & (right >= 0)
    share = (left[both] == right[both]).mean() if both.any() else None
    findings.add("homophily", share, "no edge joins two labelled nodes")


def _features(features: Any) -> Any:
    cached = features if scipy.sparse.issparse(features) else np.asarray(features, np.float64)
    matrix = scipy.sparse.csr_matrix(cached, copy=True)
    matrix.data[~np.isfinite(matrix.data)] = 0.0
    return matrix


def _landmarks(
    findings: Findings, adjacency: Any, inputs: Any, target: Target, seed: int, generator: np.random.Generator
) -> None:
    from headstart.metafeatures.landmarkers import land

    chosen = sample_rows(target.values, target.is_classification, generator)
    nodes, values = target.rows[chosen], target.values[chosen]
    own = inputs[nodes].toarray()
    land(findings, complete(own), values, target.is_classification, seed)
    around = (adjacency[nodes] @ inputs).toarray()
    degrees = np.diff(adjacency.indptr)[nodes][:, None]
    mean = (around + own) / (degrees + 1)
    land(findings, complete(mean), values, target.is_classification, seed, only="landmark_neighbours_linear")
