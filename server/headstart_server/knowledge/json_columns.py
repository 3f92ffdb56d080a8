"""Spaces, candidates and canonical graphs as JSON columns.

JSONB keeps numbers as decimals: 1e25 comes back as an integer, and -0.0 loses its sign. Whole floats are therefore
stored as ``{"float": "1e+25"}``. Every value of a parameter or attribute goes through ``_value_to_json`` and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.spaces import (
    Candidate,
    CanonicalCandidate,
    CanonicalGraph,
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    Graph,
    GraphTemplate,
    Integer,
    Node,
    NodeTemplate,
    OpRole,
    Ordering,
    Parameter,
    ParameterRole,
    SearchSpace,
    Value,
    ValueOf,
)

Json = Any


def _value_to_json(value: Value) -> Json:
    return {"float": repr(value)} if isinstance(value, float) and value.is_integer() else value


def _value_from_json(stored: Json) -> Value:
    value: Value = float(stored["float"]) if isinstance(stored, dict) else stored
    return value


def _values_to_json(values: Mapping[str, Value]) -> Json:
    return {name: _value_to_json(value) for name, value in values.items()}


def _values_from_json(stored: Mapping[str, Json]) -> dict[str, Value]:
    return {name: _value_from_json(value) for name, value in stored.items()}


def _pairs_to_json(pairs: tuple[tuple[str, Value], ...]) -> Json:
    return [[name, _value_to_json(value)] for name, value in pairs]


def _pairs_from_json(stored: Json) -> tuple[tuple[str, Value], ...]:
    return tuple((name, _value_from_json(value)) for name, value in stored)


def space_to_json(space: SearchSpace) -> Json:
    """The declaration without its id."""
    return {
        "description": space.description,
        "parameters": [_parameter_to_json(parameter) for parameter in space.parameters],
        "graph_template": None if space.graph_template is None else _template_to_json(space.graph_template),
        "op_roles": {op: role.name for op, role in space.op_roles.items()},
        "explicit_graphs": space.explicit_graphs,
    }


def space_from_json(search_space_id: str, stored: Json) -> SearchSpace:
    template = stored["graph_template"]
    return SearchSpace(
        search_space_id=search_space_id,
        description=stored["description"],
        parameters=tuple(_parameter_from_json(parameter) for parameter in stored["parameters"]),
        graph_template=None if template is None else _template_from_json(template),
        op_roles={op: OpRole[role] for op, role in stored["op_roles"].items()},
        explicit_graphs=stored["explicit_graphs"],
    )


def candidate_to_json(candidate: Candidate) -> Json:
    stored: dict[str, Json] = {"values": _values_to_json(candidate.values)}
    if candidate.graph is not None:
        stored["graph"] = {
            "nodes": [
                {"op": node.op, "attributes": _values_to_json(node.attributes)} for node in candidate.graph.nodes
            ],
            "edges": [list(edge) for edge in candidate.graph.edges],
        }
    return stored


def candidate_from_json(stored: Json) -> Candidate:
    graph = stored.get("graph")
    if graph is None:
        return Candidate(_values_from_json(stored["values"]))
    nodes = tuple(Node(node["op"], _values_from_json(node["attributes"])) for node in graph["nodes"])
    edges = tuple((source, target) for source, target in graph["edges"])
    return Candidate(_values_from_json(stored["values"]), Graph(nodes, edges))


def canonical_to_json(canonical: CanonicalCandidate) -> Json:
    graph = canonical.graph
    return {
        "graph": None
        if graph is None
        else [graph.ops, [_pairs_to_json(node) for node in graph.attributes], graph.edges],
        "values": _pairs_to_json(canonical.values),
    }


def node_count(canonical: CanonicalCandidate) -> int:
    """The number of nodes in the canonical graph; 0 without one."""
    return 0 if canonical.graph is None else len(canonical.graph.ops)


def canonical_from_json(fingerprint: str, stored: Json) -> CanonicalCandidate:
    values = _pairs_from_json(stored["values"])
    if stored["graph"] is None:
        return CanonicalCandidate(None, values, fingerprint)
    ops, attributes, edges = stored["graph"]
    graph = CanonicalGraph(
        ops=tuple(ops),
        attributes=tuple(_pairs_from_json(node) for node in attributes),
        edges=tuple((source, target, count) for source, target, count in edges),
    )
    return CanonicalCandidate(graph, values, fingerprint)


def _parameter_to_json(parameter: Parameter) -> Json:
    domain = parameter.domain
    if isinstance(domain, Categorical):
        stored: dict[str, Json] = {
            "kind": "categorical",
            "choices": [_value_to_json(choice) for choice in domain.choices],
        }
        if domain.ordering is not Ordering.AUTO:
            stored["ordering"] = domain.ordering.name
    else:
        kind = "integer" if isinstance(domain, Integer) else "float"
        bounds = {"lower": _value_to_json(domain.lower), "upper": _value_to_json(domain.upper)}
        stored = {"kind": kind, **bounds, "logarithmic": domain.logarithmic}
    content = {"name": parameter.name, "domain": stored, "condition": _condition_to_json(parameter.condition)}
    # Undeclared parts are omitted, so that an older space that is declared again has the same content.
    if parameter.role is not None:
        content["role"] = parameter.role.name
    if parameter.default is not None:
        content["default_value"] = _value_to_json(parameter.default)
    return content


def _parameter_from_json(stored: Json) -> Parameter:
    domain = stored["domain"]
    if domain["kind"] == "categorical":
        choices = tuple(map(_value_from_json, domain["choices"]))
        made: Categorical | Integer | Float = Categorical(choices, Ordering[domain.get("ordering", "AUTO")])
    elif domain["kind"] == "integer":
        made = Integer(domain["lower"], domain["upper"], domain["logarithmic"])
    else:
        lower, upper = (float(_value_from_json(domain[bound])) for bound in ("lower", "upper"))
        made = Float(lower, upper, domain["logarithmic"])
    role = ParameterRole[stored["role"]] if "role" in stored else None
    default = _value_from_json(stored["default_value"]) if "default_value" in stored else None
    return Parameter(stored["name"], made, _condition_from_json(stored["condition"]), role, default)


def _condition_to_json(condition: Condition | None) -> Json:
    if condition is None:
        return None
    return {"parameter": condition.parameter, "values": [_value_to_json(value) for value in condition.values]}


def _condition_from_json(stored: Json) -> Condition | None:
    return None if stored is None else Condition(stored["parameter"], tuple(map(_value_from_json, stored["values"])))


def _template_to_json(template: GraphTemplate) -> Json:
    return {
        "nodes": [
            {
                "name": node.name,
                "op": _source_to_json(node.op),
                "attributes": {name: _source_to_json(source) for name, source in node.attributes.items()},
            }
            for node in template.nodes
        ],
        "edges": [
            {"source": edge.source, "target": edge.target, "condition": _condition_to_json(edge.condition)}
            for edge in template.edges
        ],
    }


def _template_from_json(stored: Json) -> GraphTemplate:
    nodes = []
    for node in stored["nodes"]:
        op = _source_from_json(node["op"])
        attributes = {name: _source_from_json(source) for name, source in node["attributes"].items()}
        nodes.append(NodeTemplate(node["name"], op if isinstance(op, ValueOf) else str(op), attributes))
    edges = tuple(
        EdgeTemplate(edge["source"], edge["target"], _condition_from_json(edge["condition"]))
        for edge in stored["edges"]
    )
    return GraphTemplate(tuple(nodes), edges)


def _source_to_json(source: Value | ValueOf) -> Json:
    return {"parameter": source.parameter} if isinstance(source, ValueOf) else {"value": _value_to_json(source)}


def _source_from_json(stored: Mapping[str, Json]) -> Value | ValueOf:
    if "parameter" in stored:
        return ValueOf(stored["parameter"])
    return _value_from_json(stored["value"])
