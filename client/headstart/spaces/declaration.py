"""Declarations of search spaces: parameters, an optional graph template, and candidates.

Plain values only. ``validation`` decides whether a declaration or a candidate is right, ``sampling`` draws
candidates, and ``canonical_graph`` decides which candidates are equivalent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

Value = str | int | float | bool

# Values of equal keys are the same value.
ValueKey = tuple[bool, Value]

# From this number on, choices that are all numbers are taken as ordered; an order of two says nothing.
_LEAST_DETECTED = 3


class Ordering(Enum):
    """Whether neighbouring choices are similar.

    AUTO: three or more choices, all of them numbers, are ordered by value; other choices are not ordered. ORDERED: as
    they are listed, whatever they are. UNORDERED: no order, numbers are names.
    """

    AUTO = 0
    ORDERED = 1
    UNORDERED = 2


@dataclass(frozen=True)
class Categorical:
    choices: tuple[Value, ...]
    ordering: Ordering = Ordering.AUTO

    @cached_property
    def ordered_choices(self) -> tuple[Value, ...] | None:
        """The choices in their order, neighbours being similar; None without an order."""
        if self.ordering is Ordering.ORDERED:
            return self.choices
        numbers = [each for each in self.choices if isinstance(each, int | float) and not isinstance(each, bool)]
        if self.ordering is Ordering.UNORDERED or not len(numbers) == len(self.choices) >= _LEAST_DETECTED:
            return None
        return tuple(sorted(numbers))

    @cached_property
    def places(self) -> Mapping[ValueKey, int]:
        """The index of each choice in their list, by its key: membership is one lookup."""
        return {value_key(choice): position for position, choice in enumerate(self.choices)}

    @cached_property
    def ranks(self) -> Mapping[ValueKey, int]:
        """The rank of each choice in their order, by its key; empty without an order."""
        return {value_key(choice): rank for rank, choice in enumerate(self.ordered_choices or ())}

    def __contains__(self, value: Value) -> bool:
        """Whether a value is one of the choices."""
        return value_key(value) in self.places


@dataclass(frozen=True)
class Integer:
    """Bounds are inclusive; a logarithmic domain has a positive lower bound."""

    lower: int
    upper: int
    logarithmic: bool = False


@dataclass(frozen=True)
class Float:
    """Bounds are inclusive; a logarithmic domain has a positive lower bound."""

    lower: float
    upper: float
    logarithmic: bool = False


Domain = Categorical | Integer | Float


@dataclass(frozen=True)
class Condition:
    """Holds when the named parameter is active and has one of the values."""

    parameter: str
    values: tuple[Value, ...]

    @cached_property
    def accepted(self) -> frozenset[ValueKey]:
        """The keys of the values."""
        return frozenset(map(value_key, self.values))


class ParameterRole(Enum):
    """The role of a parameter in a network, so that it can be adapted to another task.

    INPUT_SIZE: pixels along an edge, or the length of a sequence. INPUT_CHANNELS: channels of an image, columns of a
    table. OUTPUT_UNITS: classes, or target columns. WIDTH and DEPTH: capacity. DOWNSAMPLING: how often the resolution
    is halved; STRIDE: a factor that divides it. BATCH_SIZE: examples in a batch.
    """

    INPUT_SIZE = 1
    INPUT_CHANNELS = 2
    OUTPUT_UNITS = 3
    WIDTH = 4
    DEPTH = 5
    DOWNSAMPLING = 6
    STRIDE = 7
    BATCH_SIZE = 8


@dataclass(frozen=True)
class Parameter:
    """``default`` is the value of the domain to try first without any knowledge."""

    name: str
    domain: Domain
    condition: Condition | None = None
    role: ParameterRole | None = None
    default: Value | None = None


class OpRole(Enum):
    INPUT = 1
    OUTPUT = 2
    ZERO = 3
    IDENTITY = 4


@dataclass(frozen=True)
class ValueOf:
    """Stands in a graph template for the value of a parameter."""

    parameter: str


@dataclass(frozen=True)
class NodeTemplate:
    name: str
    op: str | ValueOf
    attributes: Mapping[str, Value | ValueOf] = field(default_factory=dict)


@dataclass(frozen=True)
class EdgeTemplate:
    source: str
    target: str
    condition: Condition | None = None


@dataclass(frozen=True)
class GraphTemplate:
    nodes: tuple[NodeTemplate, ...]
    edges: tuple[EdgeTemplate, ...]


@dataclass(frozen=True)
class SearchSpace:
    """A declaration of all candidates.

    ``op_roles`` names the ops that are not ordinary operations; with ``explicit_graphs`` candidates bring a graph of
    their own instead of instantiating ``graph_template``.
    """

    search_space_id: str
    parameters: tuple[Parameter, ...] = ()
    graph_template: GraphTemplate | None = None
    op_roles: Mapping[str, OpRole] = field(default_factory=dict)
    explicit_graphs: bool = False
    description: str = ""

    @cached_property
    def parameters_in_template(self) -> frozenset[str]:
        """Names of the parameters that the graph template expresses."""
        template = self.graph_template
        if template is None:
            return frozenset()
        names = {node.op.parameter for node in template.nodes if isinstance(node.op, ValueOf)}
        names |= {
            source.parameter
            for node in template.nodes
            for source in node.attributes.values()
            if isinstance(source, ValueOf)
        }
        names |= {edge.condition.parameter for edge in template.edges if edge.condition is not None}
        return frozenset(names)

    @cached_property
    def fixed_edges(self) -> tuple[tuple[int, int], ...] | None:
        """Pairs of node indices of the graph template if each candidate has all of its nodes and edges; else None."""
        template = self.graph_template
        if template is None:
            return None
        always = {parameter.name for parameter in self.parameters if parameter.condition is None}
        positions = {node.name: index for index, node in enumerate(template.nodes)}
        requested = {node.op.parameter for node in template.nodes if isinstance(node.op, ValueOf)}
        ends = {end for edge in template.edges for end in (edge.source, edge.target)}
        if not (
            requested <= always and ends <= positions.keys() and all(edge.condition is None for edge in template.edges)
        ):
            return None
        return tuple((positions[edge.source], positions[edge.target]) for edge in template.edges)


@dataclass(frozen=True)
class Node:
    op: str
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """``edges`` are pairs (source, target) of indices into ``nodes``."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Candidate:
    """A value for every active parameter of a space; a graph only if the space takes explicit ones."""

    values: Mapping[str, Value] = field(default_factory=dict)
    graph: Graph | None = None


def value_key(value: Value) -> ValueKey:
    """A key that distinguishes True, 1 and "1", and is equal for 1 and 1.0."""
    return isinstance(value, bool), value


def holds(condition: Condition | None, values: Mapping[str, Value]) -> bool:
    """Whether the condition is met by an assignment in which inactive parameters have no value."""
    if condition is None:
        return True
    if condition.parameter not in values:
        return False
    return value_key(values[condition.parameter]) in condition.accepted
