"""Canonical graphs and fingerprints: equivalent candidates have equal ones.

Zero ops and dead nodes are pruned, identities are contracted, and the nodes are put into an order that does not
depend on their numbering. Isomorphic candidates therefore have the same graph and the same fingerprint.
``canonical_order`` finds the order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

from headstart.spaces.canonical_order import canonical_order
from headstart.spaces.declaration import Candidate, Graph, Node, OpRole, SearchSpace, Value, ValueOf, holds

# Multiplicities count parallel paths through identities; beyond this number they count as equal.
_MAX_MULTIPLICITY = 2**16

# Contracting identities with many neighbours multiplies edges; a graph that would exceed this is left uncontracted.
_MAX_CONTRACTED_EDGES = 2**16

Attributes = tuple[tuple[str, Value], ...]

_to_json = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True)
class CanonicalGraph:
    """Nodes in canonical order. ``edges`` are (source, target, multiplicity), sorted."""

    ops: tuple[str, ...]
    attributes: tuple[Attributes, ...]
    edges: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class CanonicalCandidate:
    """The identity of a candidate, equal for equivalent ones.

    ``graph`` is None in spaces without one; ``values`` are the active parameters that the graph does not express.
    """

    graph: CanonicalGraph | None
    values: tuple[tuple[str, Value], ...]
    fingerprint: str


def canonicalize(
    space: SearchSpace, candidate: Candidate, checkpoint: Callable[[], None] | None = None
) -> CanonicalCandidate:
    """The canonical form of a valid candidate of a space.

    ``checkpoint`` is called every few milliseconds, and may end the work with an exception.
    """
    graph = candidate.graph if space.explicit_graphs else instantiate(space, candidate)
    canonical = None if graph is None else canonical_graph(graph, space.op_roles, checkpoint)
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
    """The graph of the space's template for a candidate's values, or None without a template."""
    template = space.graph_template
    if template is None:
        return None
    values = candidate.values
    indices: dict[str, int] = {}
    nodes: list[Node] = []
    for node in template.nodes:
        if isinstance(node.op, ValueOf):
            if node.op.parameter not in values:
                continue
            op = str(values[node.op.parameter])
        else:
            op = node.op
        if not node.attributes:
            indices[node.name] = len(nodes)
            nodes.append(_plain_node(op))
            continue
        attributes: dict[str, Value] = {}
        for name, source in node.attributes.items():
            if not isinstance(source, ValueOf):
                attributes[name] = source
            elif source.parameter in values:
                attributes[name] = values[source.parameter]
        indices[node.name] = len(nodes)
        nodes.append(Node(op, attributes))
    edges = space.fixed_edges
    if edges is None:
        edges = tuple(
            (indices[edge.source], indices[edge.target])
            for edge in template.edges
            if edge.source in indices
            and edge.target in indices
            and (edge.condition is None or holds(edge.condition, values))
        )
    return Graph(tuple(nodes), edges)


@lru_cache(maxsize=4096)
def _plain_node(op: str) -> Node:
    return Node(op)


def canonical_graph(
    graph: Graph, op_roles: Mapping[str, OpRole], checkpoint: Callable[[], None] | None = None
) -> CanonicalGraph:
    """Prune, contract and order a valid graph."""
    roles = [op_roles.get(node.op) for node in graph.nodes]
    zeros, identities = _places(roles, OpRole.ZERO), _places(roles, OpRole.IDENTITY)
    successors, predecessors = _adjacency(graph)
    edge_count = len(graph.edges)
    for row in zeros:
        _detach(row, successors, predecessors)
    for row in identities:
        # Checked before contraction: one identity can have a thousand neighbours on either side.
        edge_count += _more_edges(row, successors, predecessors)
        if edge_count > _MAX_CONTRACTED_EDGES:
            others = {op: cached for op, cached in op_roles.items() if cached is not OpRole.IDENTITY}
            return canonical_graph(graph, others, checkpoint)
        _contract(row, successors, predecessors)
    rest = set(range(len(roles))).difference(zeros, identities)
    inputs, outputs = _places(roles, OpRole.INPUT), _places(roles, OpRole.OUTPUT)
    alive = _alive(rest, inputs, outputs, successors, predecessors)
    number = {node: index for index, node in enumerate(alive)}
    cached = [graph.nodes[node] for node in alive]
    labels = [(node.op, _sorted_attributes(node.attributes)) for node in cached]
    edges = [
        (number[source], number[target], count)
        for source in alive
        for target, count in successors[source].items()
        if target in number
    ]
    order = canonical_order([_label_text(*label) for label in labels], edges, checkpoint)
    position = {node: index for index, node in enumerate(order)}
    return CanonicalGraph(
        ops=tuple(labels[node][0] for node in order),
        attributes=tuple(labels[node][1] for node in order),
        edges=tuple(sorted((position[source], position[target], count) for source, target, count in edges)),
    )


def _places(roles: list[OpRole | None], wanted: OpRole) -> list[int]:
    return [index for index, role in enumerate(roles) if role is wanted] if wanted in roles else []


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


def _more_edges(node: int, successors: Adjacency, predecessors: Adjacency) -> int:
    """The largest number of edges that contracting an identity adds."""
    before, after = len(predecessors[node]), len(successors[node])
    return before * after - before - after


def _contract(node: int, successors: Adjacency, predecessors: Adjacency) -> None:
    """Connect the predecessors of a node to its successors."""
    before, after = predecessors[node], successors[node]
    _detach(node, successors, predecessors)
    for source, count in before.items():
        for target, further in after.items():
            _connect(source, target, count * further, successors, predecessors)


def _alive(
    rest: set[int], inputs: list[int], outputs: list[int], successors: Adjacency, predecessors: Adjacency
) -> list[int]:
    """Nodes on a path from an input to an output, and the inputs and outputs themselves, in their order."""
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
