"""About how many bytes spaces and candidates take in memory, for caches whose entries clients choose.

Counted, not measured: what CPython's objects of each kind take together, at the upper end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headstart.spaces import Candidate, CanonicalCandidate, Categorical, SearchSpace, Value, ValueOf

_OBJECT, _ENTRY, _NODE, _EDGE = 300, 130, 120, 170


def bytes_of_canonical(canonical: CanonicalCandidate) -> int:
    """Bytes of a canonical form, with the values that are its key."""
    graph = canonical.graph
    size = _OBJECT + _values(canonical.values)
    if graph is not None:
        size += _NODE * len(graph.ops) + _EDGE * len(graph.edges) + sum(map(len, graph.ops))
        size += sum(_values(each) for each in graph.attributes if each)
    return size


def bytes_of_values(values: Mapping[str, Value]) -> int:
    """Bytes of the values of a candidate."""
    return _values(values.items())


def bytes_of_candidate(candidate: Candidate) -> int:
    """Bytes of a candidate as it was sent."""
    size = _OBJECT + bytes_of_values(candidate.values)
    if candidate.graph is not None:
        size += _EDGE * len(candidate.graph.edges)
        size += sum(_NODE + len(node.op) + bytes_of_values(node.attributes) for node in candidate.graph.nodes)
    return size


def bytes_of_space(space: SearchSpace) -> int:
    """Bytes of a declaration, with its lookups of choices."""
    size = _OBJECT + len(space.description)
    for parameter in space.parameters:
        size += _OBJECT
        if isinstance(parameter.domain, Categorical):
            size += 3 * _plain(parameter.domain.choices)
        if parameter.condition is not None:
            size += 3 * _plain(parameter.condition.values)
    template = space.graph_template
    if template is not None:
        for node in template.nodes:
            size += _OBJECT + sum(
                _ENTRY + len(name) + (0 if isinstance(source, ValueOf) else _plain([source]))
                for name, source in node.attributes.items()
            )
        for edge in template.edges:
            size += _OBJECT + (0 if edge.condition is None else 3 * _plain(edge.condition.values))
    return size


def _values(values: Iterable[tuple[str, Value]]) -> int:
    return sum(_ENTRY + len(name) + (len(value) if isinstance(value, str) else 0) for name, value in values)


def _plain(values: Iterable[Value]) -> int:
    return sum(_ENTRY + (len(value) if isinstance(value, str) else 0) for value in values)
