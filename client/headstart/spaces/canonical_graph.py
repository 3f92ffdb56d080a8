"""Which candidates are equivalent: the canonical graph of a candidate and its fingerprint.

Zero ops and dead nodes are pruned, identities contracted, and the nodes put into an order that does not depend on how
they were numbered, so that isomorphic candidates get the same graph and the same fingerprint. The order comes from
colour refinement with individualisation (McKay and Piperno, "Practical graph isomorphism, II", 2014, section 2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from headstart.spaces.declaration import Candidate, Graph, Node, OpRole, SearchSpace, Value, ValueOf, holds

# Node and edge visits after which no further ways to tell interchangeable nodes apart are compared: those of a colour
# are numbered as they come. That is still exact for copies of the same part; after twice as many, ties stay.
_ENOUGH_WORK = 200_000

# Nodes up to which refinement is fast from labels alone.
_SMALL = 32

# Multiplicities count parallel paths through identities; beyond this many they are taken as equal.
_MAX_MULTIPLICITY = 2**16

# Contracting identities with many neighbours multiplies edges; a graph that would get more is left uncontracted.
_MAX_CONTRACTED_EDGES = 2**16

Attributes = tuple[tuple[str, Value], ...]

_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class CanonicalGraph:
    """Nodes in canonical order. ``edges`` are (source, target, multiplicity), sorted, whichever way they point."""

    ops: tuple[str, ...]
    attributes: tuple[Attributes, ...]
    edges: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class CanonicalCandidate:
    """What identifies a candidate among its equivalents.

    ``graph`` is None in spaces without one; ``values`` are the active parameters that the graph does not express.
    """

    graph: CanonicalGraph | None
    values: tuple[tuple[str, Value], ...]
    fingerprint: str


def canonicalize(space: SearchSpace, candidate: Candidate) -> CanonicalCandidate:
    """The canonical form of a valid candidate of a space."""
    graph = candidate.graph if space.explicit_graphs else instantiate(space, candidate)
    canonical = None if graph is None else canonical_graph(graph, space.op_roles)
    expressed = space.parameters_in_template
    values = () if candidate.values.keys() <= expressed else _unexpressed(candidate, expressed)
    content = [
        None if canonical is None else [canonical.ops, canonical.attributes, canonical.edges],
        [(name, _number(value)) for name, value in values],
    ]
    digest = hashlib.sha256(_to_json(content).encode()).hexdigest()[:32]
    return CanonicalCandidate(canonical, values, digest)


def _unexpressed(candidate: Candidate, expressed: Set[str]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted((name, value) for name, value in candidate.values.items() if name not in expressed))


def instantiate(space: SearchSpace, candidate: Candidate) -> Graph | None:
    """The graph of the space's template under a candidate's values, or None where the space has no template."""
    template = space.graph_template
    if template is None:
        return None
    values = candidate.values
    kept: dict[str, int] = {}
    nodes: list[Node] = []
    for node in template.nodes:
        if isinstance(node.op, ValueOf):
            if node.op.parameter not in values:
                continue
            op = str(values[node.op.parameter])
        else:
            op = node.op
        if not node.attributes:
            kept[node.name] = len(nodes)
            nodes.append(_plain_node(op))
            continue
        attributes: dict[str, Value] = {}
        for name, source in node.attributes.items():
            if not isinstance(source, ValueOf):
                attributes[name] = source
            elif source.parameter in values:
                attributes[name] = values[source.parameter]
        kept[node.name] = len(nodes)
        nodes.append(Node(op, attributes))
    edges = space.fixed_edges
    if edges is None:
        edges = tuple(
            (kept[edge.source], kept[edge.target])
            for edge in template.edges
            if edge.source in kept and edge.target in kept and (edge.condition is None or holds(edge.condition, values))
        )
    return Graph(tuple(nodes), edges)


@lru_cache(maxsize=4096)
def _plain_node(op: str) -> Node:
    return Node(op)


def canonical_graph(graph: Graph, op_roles: Mapping[str, OpRole]) -> CanonicalGraph:
    """Prune, contract and order a valid graph."""
    roles = [op_roles.get(node.op) for node in graph.nodes]
    zeros, identities = _places(roles, OpRole.ZERO), _places(roles, OpRole.IDENTITY)
    successors, predecessors = _adjacency(graph)
    edge_count = len(graph.edges)
    for place in zeros:
        _detach(place, successors, predecessors)
    for place in identities:
        edge_count += _contract(place, successors, predecessors)
        if edge_count > _MAX_CONTRACTED_EDGES:
            return canonical_graph(graph, {op: kept for op, kept in op_roles.items() if kept is not OpRole.IDENTITY})
    rest = set(range(len(roles))).difference(zeros, identities)
    inputs, outputs = _places(roles, OpRole.INPUT), _places(roles, OpRole.OUTPUT)
    alive = _alive(rest, inputs, outputs, successors, predecessors)
    number = {node: index for index, node in enumerate(alive)}
    kept = [graph.nodes[node] for node in alive]
    labels = [(node.op, _sorted_attributes(node.attributes)) for node in kept]
    edges = [
        (number[source], number[target], count)
        for source in alive
        for target, count in successors[source].items()
        if target in number
    ]
    order = _canonical_order([_label_text(*label) for label in labels], edges)
    position = {node: index for index, node in enumerate(order)}
    return CanonicalGraph(
        ops=tuple(labels[node][0] for node in order),
        attributes=tuple(labels[node][1] for node in order),
        edges=tuple(sorted((position[source], position[target], count) for source, target, count in edges)),
    )


def _places(roles: list[OpRole | None], wanted: OpRole) -> list[int]:
    return [place for place, role in enumerate(roles) if role is wanted] if wanted in roles else []


def _sorted_attributes(attributes: Mapping[str, Value]) -> Attributes:
    return tuple(sorted((name, _number(value)) for name, value in attributes.items())) if attributes else ()


def _number(value: Value) -> Value:
    """1.0 and 1 are the same number and must hash alike."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


Adjacency = list[dict[int, int]]


def _adjacency(graph: Graph) -> tuple[Adjacency, Adjacency]:
    successors: Adjacency = [{} for _ in graph.nodes]
    predecessors: Adjacency = [{} for _ in graph.nodes]
    for source, target in graph.edges:
        after = successors[source]
        after[target] = predecessors[target][source] = (
            min(after[target] + 1, _MAX_MULTIPLICITY) if target in after else 1
        )
    return successors, predecessors


def _connect(source: int, target: int, count: int, successors: Adjacency, predecessors: Adjacency) -> None:
    total = min(successors[source].get(target, 0) + count, _MAX_MULTIPLICITY)
    successors[source][target] = predecessors[target][source] = total


def _detach(node: int, successors: Adjacency, predecessors: Adjacency) -> None:
    for source in predecessors[node]:
        del successors[source][node]
    for target in successors[node]:
        del predecessors[target][node]
    predecessors[node] = {}
    successors[node] = {}


def _contract(node: int, successors: Adjacency, predecessors: Adjacency) -> int:
    """Join what is before a node with what is after it; returns by how many edges that is more at the most."""
    before, after = predecessors[node], successors[node]
    _detach(node, successors, predecessors)
    for source, count in before.items():
        for target, further in after.items():
            _connect(source, target, count * further, successors, predecessors)
    return len(before) * len(after) - len(before) - len(after)


def _alive(
    rest: set[int], inputs: list[int], outputs: list[int], successors: Adjacency, predecessors: Adjacency
) -> list[int]:
    """Nodes on a path from an input to an output, and the inputs and outputs themselves; in their order."""
    forward = _reached(inputs, successors) if inputs else rest
    backward = _reached(outputs, predecessors) if outputs else rest
    return sorted((forward & backward).union(inputs, outputs))


def _reached(start: list[int], neighbours: Adjacency) -> set[int]:
    seen = set(start)
    waiting = list(start)
    for node in waiting:
        for neighbour in neighbours[node]:
            if neighbour not in seen:
                seen.add(neighbour)
                waiting.append(neighbour)
    return seen


def _label_text(op: str, attributes: Attributes) -> str:
    return _to_json([op, attributes]) if attributes else _op_text(op)


@lru_cache(maxsize=4096)
def _op_text(op: str) -> str:
    return _to_json([op, []])


def _canonical_order(labels: list[str], edges: list[tuple[int, int, int]]) -> list[int]:
    """Node indices in an order that every isomorphic graph would give the same labels and edges in."""
    nodes = range(len(labels))
    if len(set(labels)) == len(labels):
        return sorted(nodes, key=labels.__getitem__)
    return sorted(nodes, key=_Ordering(labels, edges).colours().__getitem__)


class _Ordering:
    """Finds a colour for every node, all different, that depends on the structure alone."""

    def __init__(self, labels: list[str], edges: list[tuple[int, int, int]]) -> None:
        self._labels = labels
        self._edges = edges
        self._incoming: list[list[tuple[int, int]]] = [[] for _ in labels]
        self._outgoing: list[list[tuple[int, int]]] = [[] for _ in labels]
        for source, target, count in edges:
            self._outgoing[source].append((target, count))
            self._incoming[target].append((source, count))
        self._work = 0

    def colours(self) -> list[int]:
        best: tuple[list[tuple[int, int, int]], list[int]] | None = None
        stack = [self._start()]
        while stack:
            colours = self._refine(stack.pop())
            cell = _first_shared_cell(colours)
            if cell is None:
                if best is None and not stack:
                    return colours
                form = sorted((colours[source], colours[target], count) for source, target, count in self._edges)
                if best is None or form < best[0]:
                    best = (form, colours)
            elif self._are_twins(cell):
                stack.append(_told_apart(colours, cell))
            elif self._work < _ENOUGH_WORK:
                stack += [_singled_out(colours, node) for node in cell]
            elif best is not None:
                break
            elif self._work < 2 * _ENOUGH_WORK:
                stack = [_told_apart(colours, cell)]
            else:
                return colours
        assert best is not None
        return best[1]

    def _start(self) -> list[int]:
        """Ranks by label; in larger graphs, to refine in few rounds, also by the longest paths to and from a node."""
        if len(self._labels) <= _SMALL:
            return _ranks(self._labels)
        order = _topological(self._incoming, self._outgoing)
        depth, height = [0] * len(order), [0] * len(order)
        for node in order:
            depth[node] = max((depth[source] + 1 for source, _ in self._incoming[node]), default=0)
        for node in reversed(order):
            height[node] = max((height[target] + 1 for target, _ in self._outgoing[node]), default=0)
        return _ranks(list(zip(self._labels, depth, height, strict=True)))

    def _are_twins(self, cell: list[int]) -> bool:
        """Whether nodes have the same neighbours: then any order of them gives the same graph."""
        incoming, outgoing = set(self._incoming[cell[0]]), set(self._outgoing[cell[0]])
        return all(set(self._incoming[node]) == incoming and set(self._outgoing[node]) == outgoing for node in cell[1:])

    def _refine(self, colours: list[int]) -> list[int]:
        """Split colours by the colours of neighbours until nothing splits; colours become ranks 0, 1, ..."""
        count = 0
        while True:
            cells = _cells(colours)
            split: list[list[int]] = []
            for colour in sorted(cells):
                cell = cells[colour]
                split += [cell] if len(cell) == 1 else self._split(cell, colours)
            colours = colours.copy()
            for rank, cell in enumerate(split):
                for node in cell:
                    colours[node] = rank
            self._work += len(self._labels) + 2 * len(self._edges)
            if len(split) in (count, len(colours)) or self._work > 2 * _ENOUGH_WORK:
                return colours
            count = len(split)

    def _split(self, cell: list[int], colours: list[int]) -> list[list[int]]:
        """Nodes of a colour by what is before and after them."""
        parts: dict[Any, list[int]] = {}
        for node in cell:
            before = sorted([(colours[source], times) for source, times in self._incoming[node]])
            after = sorted([(colours[target], times) for target, times in self._outgoing[node]])
            parts.setdefault((tuple(before), tuple(after)), []).append(node)
        return [parts[key] for key in sorted(parts)] if len(parts) > 1 else [cell]


def _cells(colours: list[int]) -> dict[int, list[int]]:
    """The nodes of each colour, in their order."""
    cells: dict[int, list[int]] = {}
    for node, colour in enumerate(colours):
        cells.setdefault(colour, []).append(node)
    return cells


def _ranks(keys: list[Any]) -> list[int]:
    rank = {key: index for index, key in enumerate(sorted(set(keys)))}
    return [rank[key] for key in keys]


def _topological(incoming: list[list[tuple[int, int]]], outgoing: list[list[tuple[int, int]]]) -> list[int]:
    waiting = [len(before) for before in incoming]
    order = [node for node, count in enumerate(waiting) if count == 0]
    for node in order:
        for target, _ in outgoing[node]:
            waiting[target] -= 1
            if waiting[target] == 0:
                order.append(target)
    return order


def _first_shared_cell(colours: list[int]) -> list[int] | None:
    """The nodes of the smallest colour that more than one node has; None where all colours differ."""
    if len(set(colours)) == len(colours):
        return None
    cells = _cells(colours)
    shared = [colour for colour, cell in cells.items() if len(cell) > 1]
    return cells[min(shared)]


def _singled_out(colours: list[int], node: int) -> list[int]:
    """One node before the others of its colour."""
    chosen = [2 * colour for colour in colours]
    chosen[node] -= 1
    return chosen


def _told_apart(colours: list[int], cell: list[int]) -> list[int]:
    """All nodes of a colour one after another."""
    chosen = [len(cell) * colour for colour in colours]
    for index, node in enumerate(cell):
        chosen[node] -= index
    return chosen
