"""Which candidates are equivalent: the canonical graph of a candidate and its fingerprint.

Zero ops and dead nodes are pruned, identities contracted, and the nodes put into an order that does not depend on how
they were numbered, so that isomorphic candidates get the same graph and the same fingerprint. The order comes from
colour refinement with individualisation (McKay and Piperno, "Practical graph isomorphism, II", 2014, section 2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from headstart.spaces.declaration import Candidate, Graph, Node, OpRole, SearchSpace, Value, ValueOf, holds

# Leaves of the individualisation tree before the order falls back on colour refinement alone. Only graphs with many
# interchangeable parts that are not plain twins come near it.
_MAX_LEAVES = 256

# Multiplicities count parallel paths through identities; beyond this many they are taken as equal.
_MAX_MULTIPLICITY = 2**16

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
    values = tuple(sorted((name, value) for name, value in candidate.values.items() if name not in expressed))
    content = [
        None if canonical is None else [canonical.ops, canonical.attributes, canonical.edges],
        [(name, _number(value)) for name, value in values],
    ]
    digest = hashlib.sha256(_to_json(content).encode()).hexdigest()[:32]
    return CanonicalCandidate(canonical, values, digest)


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
        attributes: dict[str, Value] = {}
        for name, source in node.attributes.items():
            if not isinstance(source, ValueOf):
                attributes[name] = source
            elif source.parameter in values:
                attributes[name] = values[source.parameter]
        kept[node.name] = len(nodes)
        nodes.append(Node(op, attributes))
    edges = tuple(
        (kept[edge.source], kept[edge.target])
        for edge in template.edges
        if edge.source in kept and edge.target in kept and holds(edge.condition, values)
    )
    return Graph(tuple(nodes), edges)


def canonical_graph(graph: Graph, op_roles: Mapping[str, OpRole]) -> CanonicalGraph:
    """Prune, contract and order a valid graph."""
    roles = [op_roles.get(node.op) for node in graph.nodes]
    successors, predecessors = _adjacency(graph)
    for node, role in enumerate(roles):
        if role is OpRole.ZERO:
            _detach(node, successors, predecessors)
    for node, role in enumerate(roles):
        if role is OpRole.IDENTITY:
            _contract(node, successors, predecessors)
    gone = {node for node, role in enumerate(roles) if role in (OpRole.ZERO, OpRole.IDENTITY)}
    alive = _alive(len(roles), roles, gone, successors, predecessors)
    number = {node: index for index, node in enumerate(alive)}
    labels: list[tuple[str, Attributes]] = [
        (
            graph.nodes[node].op,
            tuple(sorted((name, _number(value)) for name, value in graph.nodes[node].attributes.items())),
        )
        for node in alive
    ]
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
        _connect(source, target, 1, successors, predecessors)
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


def _contract(node: int, successors: Adjacency, predecessors: Adjacency) -> None:
    before, after = predecessors[node], successors[node]
    _detach(node, successors, predecessors)
    for source, count in before.items():
        for target, further in after.items():
            _connect(source, target, count * further, successors, predecessors)


def _alive(
    node_count: int, roles: list[OpRole | None], gone: set[int], successors: Adjacency, predecessors: Adjacency
) -> list[int]:
    """Nodes on a path from an input to an output, and the inputs and outputs themselves."""
    inputs = [node for node in range(node_count) if roles[node] is OpRole.INPUT]
    outputs = [node for node in range(node_count) if roles[node] is OpRole.OUTPUT]
    rest = [node for node in range(node_count) if node not in gone]
    forward = _reached(inputs, successors) if inputs else set(rest)
    backward = _reached(outputs, predecessors) if outputs else set(rest)
    ends = {*inputs, *outputs}
    return [node for node in rest if node in ends or (node in forward and node in backward)]


def _reached(start: list[int], neighbours: Adjacency) -> set[int]:
    seen = set(start)
    waiting = list(start)
    while waiting:
        for node in neighbours[waiting.pop()]:
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def _label_text(op: str, attributes: Attributes) -> str:
    return _to_json([op, attributes]) if attributes else _op_text(op)


@lru_cache(maxsize=4096)
def _op_text(op: str) -> str:
    return _to_json([op, []])


def _canonical_order(labels: list[str], edges: list[tuple[int, int, int]]) -> list[int]:
    """Node indices in an order that every isomorphic graph would give the same labels and edges in."""
    incoming: list[list[tuple[int, int]]] = [[] for _ in labels]
    outgoing: list[list[tuple[int, int]]] = [[] for _ in labels]
    for source, target, count in edges:
        outgoing[source].append((target, count))
        incoming[target].append((source, count))
    rank = {label: index for index, label in enumerate(sorted(set(labels)))}
    start = _refine([rank[label] for label in labels], incoming, outgoing)
    best: tuple[list[tuple[int, int, int]], list[int]] | None = None
    stack, leaves = [start], 0
    while stack:
        colours = stack.pop()
        cell = _first_shared_cell(colours)
        if cell is None:
            leaves += 1
            if leaves > _MAX_LEAVES:
                return sorted(range(len(labels)), key=start.__getitem__)
            form = sorted((colours[source], colours[target], count) for source, target, count in edges)
            if best is None or form < best[0]:
                best = (form, colours)
            continue
        twins = all(incoming[node] == incoming[cell[0]] and outgoing[node] == outgoing[cell[0]] for node in cell)
        for node in cell[:1] if twins else cell:
            chosen = [2 * colour for colour in colours]
            chosen[node] -= 1
            stack.append(_refine(chosen, incoming, outgoing))
    assert best is not None
    return sorted(range(len(labels)), key=best[1].__getitem__)


def _first_shared_cell(colours: list[int]) -> list[int] | None:
    cells: dict[int, list[int]] = {}
    for node, colour in enumerate(colours):
        cells.setdefault(colour, []).append(node)
    shared = [colour for colour, cell in cells.items() if len(cell) > 1]
    return cells[min(shared)] if shared else None


def _refine(
    colours: list[int], incoming: list[list[tuple[int, int]]], outgoing: list[list[tuple[int, int]]]
) -> list[int]:
    """Split colours by the colours of neighbours until nothing splits; colours become ranks 0, 1, ..."""
    count = 0
    while True:
        signatures = [
            (
                colour,
                tuple(sorted([(colours[source], times) for source, times in before])),
                tuple(sorted([(colours[target], times) for target, times in after])),
            )
            for colour, before, after in zip(colours, incoming, outgoing, strict=True)
        ]
        rank = {signature: index for index, signature in enumerate(sorted(set(signatures)))}
        colours = [rank[signature] for signature in signatures]
        if len(rank) in (count, len(colours)):
            return colours
        count = len(rank)
