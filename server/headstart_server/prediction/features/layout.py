"""The feature layout of a search space: the column of every op, node attribute and value outside the graph.

A layout follows from the search space alone and is stored with every model version, so a model can be used without
the declaration that it was trained under. Ops and attributes that no declaration names are hashed into spare columns.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headstart.spaces import Categorical, OpRole, Parameter, SearchSpace, Value, ValueOf

# Columns for ops and attributes of explicit graphs, which no declaration lists.
_HASHED_OPS = 16
_HASHED_ATTRIBUTES = 16


@dataclass(frozen=True)
class ParameterColumns:
    """The columns of one parameter outside the graph: one for each choice, or one for a number on its range.

    ``ordered`` choices have one column for their rank. In versions trained before ordered choices existed, each
    choice has one.
    """

    name: str
    choices: tuple[Value, ...] = ()
    lower: float = 0.0
    upper: float = 0.0
    logarithmic: bool = False
    conditional: bool = False
    ordered: bool = False

    @property
    def width(self) -> int:
        return (1 if self.ordered else len(self.choices) or 1) + self.conditional

    def encode(self, value: Value | None) -> list[float]:
        """The numbers of this parameter's columns; an inactive parameter has no choice, or the middle of its range."""
        numbers: list[float]
        if self.ordered:
            numbers = [0.5 if value is None else self._share_of_ranks[isinstance(value, bool), value]]
        elif self.choices:
            numbers = [
                float(value is not None and isinstance(value, bool) == isinstance(choice, bool) and value == choice)
                for choice in self.choices
            ]
        else:
            numbers = [0.5 if value is None else self._share_of_range(float(value))]
        return [*numbers, float(value is not None)] if self.conditional else numbers

    @cached_property
    def _share_of_ranks(self) -> dict[tuple[bool, Value], float]:
        last = len(self.choices) - 1
        return {
            (isinstance(choice, bool), choice): rank / last if last else 0.5 for rank, choice in enumerate(self.choices)
        }

    def _share_of_range(self, value: float) -> float:
        if self.upper <= self.lower:
            return 0.5
        if self.logarithmic and self.upper / self.lower < math.inf:
            return math.log(value / self.lower) / math.log(self.upper / self.lower)
        if self.logarithmic:
            lower, upper = math.log(self.lower), math.log(self.upper)
            return (math.log(value) - lower) / (upper - lower)
        if self.upper - self.lower < math.inf:
            return (value - self.lower) / (self.upper - self.lower)
        return (value / 2 - self.lower / 2) / (self.upper / 2 - self.lower / 2)


@dataclass(frozen=True)
class FeatureLayout:
    """The columns of a space's graphs and values.

    ``ops`` are the declared ops in order; ``hashed_ops`` columns follow them. ``attribute_width`` may be 0.
    """

    ops: tuple[str, ...]
    input_ops: tuple[str, ...]
    output_ops: tuple[str, ...]
    hashed_ops: int
    attribute_width: int
    parameters: tuple[ParameterColumns, ...]

    @property
    def has_graph(self) -> bool:
        return self.op_count > 0

    @property
    def op_count(self) -> int:
        return len(self.ops) + self.hashed_ops

    @property
    def value_width(self) -> int:
        return sum(parameter.width for parameter in self.parameters)

    @cached_property
    def _op_columns(self) -> dict[str, int]:
        return {op: index for index, op in enumerate(self.ops)}

    def op_column(self, op: str) -> int:
        index = self._op_columns.get(op)
        return len(self.ops) + stable_hash(op) % self.hashed_ops if index is None else index

    def encode_attributes(self, attributes: tuple[tuple[str, Value], ...]) -> list[float]:
        """Encode attributes in ``attribute_width`` numbers.

        A number goes, as a logarithm, into the column of its name; any other value counts in the column of its name and
        value.
        """
        numbers = [0.0] * self.attribute_width
        for name, value in attributes:
            if isinstance(value, bool) or not isinstance(value, int | float):
                numbers[stable_hash(f"{name}={value!r}") % self.attribute_width] += 1.0
            else:
                numbers[stable_hash(name) % self.attribute_width] += math.copysign(math.log1p(abs(value)), value)
        return numbers

    def encode_values(self, values: tuple[tuple[str, Value], ...]) -> list[float]:
        known = dict(values)
        return [number for parameter in self.parameters for number in parameter.encode(known.get(parameter.name))]


def feature_layout(space: SearchSpace) -> FeatureLayout:
    """The layout of a valid search space."""
    gone = {op for op, role in space.op_roles.items() if role in (OpRole.ZERO, OpRole.IDENTITY)}
    ops, attributes, expressed = _declared(space)
    if space.explicit_graphs:
        ops |= set(space.op_roles)
    hashed = _HASHED_OPS if space.explicit_graphs else int(bool(ops))
    return FeatureLayout(
        ops=tuple(sorted(ops - gone)),
        input_ops=_with_role(space, OpRole.INPUT),
        output_ops=_with_role(space, OpRole.OUTPUT),
        hashed_ops=hashed,
        attribute_width=_HASHED_ATTRIBUTES if attributes or space.explicit_graphs else 0,
        parameters=tuple(
            _parameter_columns(parameter) for parameter in space.parameters if parameter.name not in expressed
        ),
    )


def layout_to_json(layout: FeatureLayout) -> dict[str, object]:
    return {
        "ops": list(layout.ops),
        "input_ops": list(layout.input_ops),
        "output_ops": list(layout.output_ops),
        "hashed_ops": layout.hashed_ops,
        "attribute_width": layout.attribute_width,
        "parameters": [
            {
                "name": parameter.name,
                "choices": list(parameter.choices),
                "lower": parameter.lower,
                "upper": parameter.upper,
                "logarithmic": parameter.logarithmic,
                "conditional": parameter.conditional,
                # Omitted where false, so that the version before can read the layout.
                **({"ordered": True} if parameter.ordered else {}),
            }
            for parameter in layout.parameters
        ],
    }


def layout_from_json(content: Mapping[str, Any]) -> FeatureLayout:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    parameters = tuple(
        ParameterColumns(**{**parameter, "choices": tuple(parameter["choices"])})
        for parameter in fields.pop("parameters")
    )
    return FeatureLayout(parameters=parameters, **fields)


def stable_hash(text: str) -> int:
    """A hash that is the same in every process, unlike hash()."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _declared(space: SearchSpace) -> tuple[set[str], bool, set[str]]:
    """The ops of the template, whether its nodes have attributes, and the parameters it expresses."""
    template = space.graph_template
    if template is None:
        return set(), False, set()
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    ops: set[str] = set()
    expressed = {edge.condition.parameter for edge in template.edges if edge.condition is not None}
    for node in template.nodes:
        if isinstance(node.op, ValueOf):
            domain = domains[node.op.parameter]
            assert isinstance(domain, Categorical)
            ops |= {str(choice) for choice in domain.choices}
            expressed.add(node.op.parameter)
        else:
            ops.add(node.op)
        expressed |= {source.parameter for source in node.attributes.values() if isinstance(source, ValueOf)}
    return ops, any(node.attributes for node in template.nodes), expressed


def _with_role(space: SearchSpace, role: OpRole) -> tuple[str, ...]:
    return tuple(sorted(op for op, given in space.op_roles.items() if given is role))


def _parameter_columns(parameter: Parameter) -> ParameterColumns:
    domain, conditional = parameter.domain, parameter.condition is not None
    if isinstance(domain, Categorical):
        ordered = domain.ordered_choices
        return ParameterColumns(
            parameter.name, choices=ordered or domain.choices, conditional=conditional, ordered=ordered is not None
        )
    return ParameterColumns(
        parameter.name,
        lower=float(domain.lower),
        upper=float(domain.upper),
        logarithmic=domain.logarithmic,
        conditional=conditional,
    )
