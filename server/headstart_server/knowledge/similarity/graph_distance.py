"""Distances between canonical graphs: by the shares of their ops, or by graph edits.

The edit distance counts nodes and edges to insert, delete or relabel, and parallel edges separately. A node is
relabelled when its op or any attribute differs. The problem is NP-hard, so the search has a time limit (networkx, the
depth-first search of Abu-Aisheh et al., "An Exact Graph Edit Distance Algorithm for Solving Pattern Recognition
Problems", ICPRAM 2015). When the limit ends the search, the answer is the shortest edit path so far, marked as an
upper bound. It is no worse than the path that pairs nodes by depth, unless the time did not suffice for that one
either.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import networkx as nx

from headstart.spaces import CanonicalGraph
from headstart_server.runtime.deadline import check, remaining_seconds

# Larger graphs are not searched: networkx checks the time only after all pairs of nodes, and all pairs of edges.
_MOST_NODES = 64
_MOST_EDGES = 256

Order = Callable[[CanonicalGraph], list[int]]


@dataclass(frozen=True)
class Edits:
    """An edit distance; with ``upper_bound`` the true distance may be smaller."""

    distance: float
    upper_bound: bool


def op_distance(one: CanonicalGraph, other: CanonicalGraph) -> float:
    """Total variation distance between the shares of ops, 0 to 1; 1 between an empty graph and any other."""
    if not one.ops or not other.ops:
        return float(bool(one.ops) != bool(other.ops))
    mine, theirs = Counter(one.ops), Counter(other.ops)
    ops = mine.keys() | theirs.keys()
    return 0.5 * sum(abs(mine[op] / len(one.ops) - theirs[op] / len(other.ops)) for op in sorted(ops))


def edit_distances(target: CanonicalGraph, others: Sequence[CanonicalGraph], seconds: float) -> list[Edits]:
    """The edit distance of each from ``target``, within ``seconds`` for all together.

    The most promising ones are searched first; each may use its share of the remaining time.
    """
    remaining = remaining_seconds()
    end = time.monotonic() + (seconds if remaining is None else min(seconds, remaining))
    distances: list[Edits] = []
    for other in others:
        check()
        # Whatever the time, the first one in the caller's order is searched.
        in_time = not distances or time.monotonic() < end
        distances.append(_bounded(target, other) if in_time else _built_anew(target, other))
    open_pairs = sorted(
        (index for index, edits in enumerate(distances) if edits.upper_bound),
        key=lambda index: distances[index].distance,
    )
    for done, index in enumerate(open_pairs):
        check()
        remaining = end - time.monotonic()
        if remaining <= 0:
            break
        share = remaining / (len(open_pairs) - done)
        distances[index] = _searched(target, others[index], distances[index].distance, share)
    return distances


def _bounded(one: CanonicalGraph, other: CanonicalGraph) -> Edits:
    """The bounds without a search; exact if they meet."""
    upper = min(_cost_of_pairing(one, other, _by_depth), _cost_of_pairing(one, other, _in_order))
    return Edits(float(upper), upper > _lower_bound(one, other))


def _built_anew(one: CanonicalGraph, other: CanonicalGraph) -> Edits:
    """The cost of relabelling all nodes and replacing all edges; takes almost no time."""
    edits = max(len(one.ops), len(other.ops)) + _edge_count(one) + _edge_count(other)
    return Edits(float(edits), upper_bound=edits > 0)


def _searched(one: CanonicalGraph, other: CanonicalGraph, best: float, seconds: float) -> Edits:
    if max(len(one.ops), len(other.ops)) > _MOST_NODES or max(len(one.edges), len(other.edges)) > _MOST_EDGES:
        return Edits(best, upper_bound=True)
    begin = time.perf_counter()
    for _, _, cost in nx.optimize_edit_paths(
        _networkx(one),
        _networkx(other),
        node_subst_cost=lambda mine, theirs: float(mine["label"] != theirs["label"]),
        edge_subst_cost=lambda mine, theirs: float(abs(mine["count"] - theirs["count"])),
        edge_del_cost=lambda edge: float(edge["count"]),
        edge_ins_cost=lambda edge: float(edge["count"]),
        upper_bound=best,
        strictly_decreasing=True,
        timeout=seconds,
    ):
        best = min(best, float(cost))
    return Edits(best, upper_bound=time.perf_counter() - begin >= seconds and best > _lower_bound(one, other))


def _networkx(graph: CanonicalGraph) -> nx.DiGraph:
    made = nx.DiGraph()
    for node, label in enumerate(_labels(graph)):
        made.add_node(node, label=label)
    for source, target, count in graph.edges:
        made.add_edge(source, target, count=count)
    return made


def _labels(graph: CanonicalGraph) -> list[str]:
    # As text, in which True and 1 differ.
    return [f"{op} {attributes!r}" for op, attributes in zip(graph.ops, graph.attributes, strict=True)]


def _lower_bound(one: CanonicalGraph, other: CanonicalGraph) -> int:
    """Nodes that no pairing can preserve, and the difference in edges."""
    common = (Counter(_labels(one)) & Counter(_labels(other))).total()
    return max(len(one.ops), len(other.ops)) - common + abs(_edge_count(one) - _edge_count(other))


def _edge_count(graph: CanonicalGraph) -> int:
    return sum(count for _, _, count in graph.edges)


def _cost_of_pairing(one: CanonicalGraph, other: CanonicalGraph, order: Order) -> int:
    """The cost of turning one graph into the other, with like nodes paired in an order, then the rest in that order."""
    mine, theirs = _labels(one), _labels(other)
    free: dict[str, list[int]] = defaultdict(list)
    for node in reversed(order(other)):
        free[theirs[node]].append(node)
    paired = {node: free[mine[node]].pop() for node in order(one) if free[mine[node]]}
    taken = set(paired.values())
    left = [node for node in order(other) if node not in taken]
    paired |= dict(zip((node for node in order(one) if node not in paired), left, strict=False))
    relabelled = sum(mine[node] != theirs[partner] for node, partner in paired.items())
    lone = len(mine) + len(theirs) - 2 * len(paired)
    wanted = {(source, target): count for source, target, count in other.edges}
    edges = 0
    for source, target, count in one.edges:
        preserved = wanted.pop((paired.get(source, -1), paired.get(target, -1)), 0)
        edges += abs(count - preserved)
    return relabelled + lone + edges + sum(wanted.values())


def _in_order(graph: CanonicalGraph) -> list[int]:
    return list(range(len(graph.ops)))


def _by_depth(graph: CanonicalGraph) -> list[int]:
    """Nodes by their longest path from a node without predecessors."""
    depths = [0] * len(graph.ops)
    waiting = Counter(target for _, target, _ in graph.edges)
    after: dict[int, list[int]] = defaultdict(list)
    for source, target, _ in graph.edges:
        after[source].append(target)
    ready = [node for node in range(len(graph.ops)) if not waiting[node]]
    while ready:
        node = ready.pop()
        for target in after[node]:
            depths[target] = max(depths[target], depths[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return sorted(range(len(graph.ops)), key=lambda node: depths[node])
