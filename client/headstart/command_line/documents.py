"""The values of the contract as JSON, for programs: fields are named as in the contract, in its snake_case.

What JSON cannot say itself: numbers that are not finite are the strings "NaN", "Infinity" and "-Infinity"; what is
absent is null; times are ISO 8601 in UTC; enums are the contract's names without their prefix ("COMPLETED"); values of
parameters are plain strings, numbers and truth values.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from headstart.spaces import Categorical, Graph, Integer, NodeTemplate, Ordering, Parameter, ValueOf


def print_json(value: Any) -> None:
    """One document, laid out for reading."""
    _write(json.dumps(document(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_json_line(value: Any) -> None:
    """One document on a line of its own."""
    _write(json.dumps(document(value), ensure_ascii=False, allow_nan=False))


def _write(text: str) -> None:
    """Half characters, which no encoding has, as JSON escapes them."""
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")


def document(value: Any) -> Any:
    """A value of the contract in a form that ``json.dumps`` takes."""
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: document(value[name]) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [document(each) for each in value]
    special = _SPECIAL.get(type(value))
    if special is not None:
        return special(value)
    if is_dataclass(value):
        return {field.name: document(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


# Where the values of the client are handier than the contract's messages, these lead back to its fields.


def _parameter(parameter: Parameter) -> Any:
    kind = (
        "categorical"
        if isinstance(parameter.domain, Categorical)
        else "integer"
        if isinstance(parameter.domain, Integer)
        else "float"
    )
    return {
        "name": parameter.name,
        kind: document(parameter.domain),
        "condition": document(parameter.condition),
        "role": document(parameter.role),
        "default_value": document(parameter.default),
    }


def _categorical(domain: Categorical) -> Any:
    ordering = None if domain.ordering is Ordering.AUTO else domain.ordering.name
    return {"choices": document(domain.choices), "ordering": ordering}


def _graph(graph: Graph) -> Any:
    edges = [{"source": source, "target": target} for source, target in graph.edges]
    return {"nodes": document(graph.nodes), "edges": edges}


def _node_template(node: NodeTemplate) -> Any:
    operation = {"op_parameter": node.op.parameter} if isinstance(node.op, ValueOf) else {"op": node.op}
    attributes = {
        name: {"parameter": source.parameter} if isinstance(source, ValueOf) else {"value": document(source)}
        for name, source in node.attributes.items()
    }
    return {"name": node.name, **operation, "attributes": attributes}


_SPECIAL: dict[type, Any] = {
    Parameter: _parameter,
    Categorical: _categorical,
    Graph: _graph,
    NodeTemplate: _node_template,
}
