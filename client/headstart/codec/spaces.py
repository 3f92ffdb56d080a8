"""Between protobuf and search spaces: values, parameters, graphs, candidates and whole declarations.

Both ends use these functions: the client to ask, the server's edge to read. Reading a message whose structure is wrong
(a value of no kind, a parameter without domain, an unspecified enum) raises InvalidInput with the path of the field.
What a value means (bounds, cycles, limits) is checked in ``spaces.validation``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from numbers import Integral, Real
from typing import TypeVar, cast

from headstart.accepting import candidate_of, of_kind
from headstart.spaces.declaration import (
    Candidate,
    Categorical,
    Condition,
    Domain,
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
from headstart.spaces.validation import InvalidInput, Violation
from headstart.v1 import search_space_pb2

# Field names in paths come from the caller and are cut to this length.
_SHOWN_LENGTH = 63

_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**63 - 1

EnumType = TypeVar("EnumType", bound=Enum)


def invalid(field: str, description: str) -> InvalidInput:
    return InvalidInput([Violation(field, description)])


def entry(field: str, name: str) -> str:
    return f"{field}[{name[:_SHOWN_LENGTH]}]"


def enum_from_proto(kind: type[EnumType], number: int, field: str) -> EnumType:
    """The member of an enum whose numbers are those of the contract."""
    try:
        return kind(number)
    except ValueError:
        names = ", ".join(member.name for member in kind)
        raise invalid(field, f"must be one of {names}") from None


def value_to_proto(value: Value, field: str = "value") -> search_space_pb2.ParameterValue:
    """Accepts numbers of other libraries (NumPy); raises InvalidInput for anything that is not a value."""
    if isinstance(value, str):
        return search_space_pb2.ParameterValue(string_value=value)
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return search_space_pb2.ParameterValue(bool_value=bool(value))
    if isinstance(value, float):
        return search_space_pb2.ParameterValue(float_value=value)
    if isinstance(value, Integral):
        if not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
            raise invalid(field, "integers have at most 64 bits")
        return search_space_pb2.ParameterValue(integer_value=int(value))
    if isinstance(value, Real):
        return search_space_pb2.ParameterValue(float_value=float(value))
    raise invalid(field, f"must be a string, an integer, a number or a bool, got {type(value).__name__}")


def value_from_proto(message: search_space_pb2.ParameterValue, field: str = "value") -> Value:
    kind = message.WhichOneof("kind")
    if kind is None:
        raise invalid(field, "needs a string_value, integer_value, float_value or bool_value")
    value: Value = getattr(message, kind)
    return value


def values_to_proto(values: Mapping[str, Value], field: str = "values") -> dict[str, search_space_pb2.ParameterValue]:
    # A text needs no check, and building the path of an entry takes longer than writing the text.
    return {
        name: search_space_pb2.ParameterValue(string_value=value)
        if type(value) is str
        else value_to_proto(value, entry(field, name))
        for name, value in values.items()
    }


def values_from_proto(
    messages: Mapping[str, search_space_pb2.ParameterValue], field: str = "values"
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, message in messages.items():
        kind = message.WhichOneof("kind")
        if kind is None:
            value_from_proto(message, entry(field, name))
        else:
            values[name] = getattr(message, kind)
    return values


def graph_to_proto(graph: Graph, field: str = "graph") -> search_space_pb2.Graph:
    for index, (source, target) in enumerate(graph.edges):
        if not (0 <= source < len(graph.nodes) and 0 <= target < len(graph.nodes)):
            raise invalid(f"{field}.edges[{index}]", f"({source}, {target}) names a node that is not there")
    return search_space_pb2.Graph(
        nodes=[
            search_space_pb2.Node(
                op=node.op, attributes=values_to_proto(node.attributes, f"{field}.nodes[{index}].attributes")
            )
            for index, node in enumerate(graph.nodes)
        ],
        edges=[search_space_pb2.Edge(source=source, target=target) for source, target in graph.edges],
    )


def graph_from_proto(message: search_space_pb2.Graph, field: str = "graph") -> Graph:
    nodes = tuple(
        Node(node.op, values_from_proto(node.attributes, f"{field}.nodes[{index}].attributes"))
        for index, node in enumerate(message.nodes)
    )
    return Graph(nodes, tuple((edge.source, edge.target) for edge in message.edges))


def candidate_to_proto(candidate: Candidate, field: str = "candidate") -> search_space_pb2.Candidate:
    """A mapping stands for a candidate's values. Raises InvalidInput for anything else."""
    candidate = candidate_of(candidate, field)
    return search_space_pb2.Candidate(
        values=values_to_proto(candidate.values, f"{field}.values"),
        graph=None if candidate.graph is None else graph_to_proto(candidate.graph, f"{field}.graph"),
    )


def candidate_from_proto(message: search_space_pb2.Candidate, field: str = "candidate") -> Candidate:
    graph = graph_from_proto(message.graph, f"{field}.graph") if message.HasField("graph") else None
    return Candidate(values_from_proto(message.values, f"{field}.values"), graph)


def condition_to_proto(condition: Condition | None, field: str = "condition") -> search_space_pb2.Condition | None:
    if condition is None:
        return None
    return search_space_pb2.Condition(
        parameter=condition.parameter, values=_list_to_proto(condition.values, f"{field}.values")
    )


def condition_from_proto(message: search_space_pb2.Condition, field: str = "condition") -> Condition:
    return Condition(message.parameter, _list_from_proto(message.values, f"{field}.values"))


def parameter_to_proto(parameter: Parameter, field: str = "parameter") -> search_space_pb2.Parameter:
    of_kind(parameter, Parameter, field)
    message = search_space_pb2.Parameter(
        name=parameter.name, condition=condition_to_proto(parameter.condition, f"{field}.condition")
    )
    domain = parameter.domain
    if isinstance(domain, Categorical):
        # An empty message must be set too, so that the error is about its choices, not its domain.
        message.categorical.SetInParent()
        message.categorical.choices.extend(_list_to_proto(domain.choices, f"{field}.categorical.choices"))
        message.categorical.ordering = cast("search_space_pb2.Ordering", domain.ordering.value)
    elif isinstance(domain, Integer):
        for bound, name in ((domain.lower, "lower"), (domain.upper, "upper")):
            if not _SMALLEST_INTEGER <= bound <= _LARGEST_INTEGER:
                raise invalid(f"{field}.integer.{name}", "integers have at most 64 bits")
        message.integer.CopyFrom(
            search_space_pb2.IntegerDomain(lower=domain.lower, upper=domain.upper, logarithmic=domain.logarithmic)
        )
    else:
        of_kind(domain, Float, f"{field}.domain")
        message.float.CopyFrom(
            search_space_pb2.FloatDomain(lower=domain.lower, upper=domain.upper, logarithmic=domain.logarithmic)
        )
    if parameter.role is not None:
        message.role = cast("search_space_pb2.ParameterRole", parameter.role.value)
    if parameter.default is not None:
        message.default_value.CopyFrom(value_to_proto(parameter.default, f"{field}.default_value"))
    return message


def parameter_from_proto(message: search_space_pb2.Parameter, field: str = "parameter") -> Parameter:
    condition = condition_from_proto(message.condition, f"{field}.condition") if message.HasField("condition") else None
    role = enum_from_proto(ParameterRole, message.role, f"{field}.role") if message.role else None
    default = None
    if message.HasField("default_value"):
        default = value_from_proto(message.default_value, f"{field}.default_value")
    return Parameter(message.name, _domain_from_proto(message, field), condition, role, default)


def _domain_from_proto(message: search_space_pb2.Parameter, field: str) -> Domain:
    kind = message.WhichOneof("domain")
    if kind == "categorical":
        return Categorical(
            _list_from_proto(message.categorical.choices, f"{field}.categorical.choices"),
            enum_from_proto(Ordering, message.categorical.ordering, f"{field}.categorical.ordering"),
        )
    if kind == "integer":
        return Integer(message.integer.lower, message.integer.upper, message.integer.logarithmic)
    if kind == "float":
        return Float(message.float.lower, message.float.upper, message.float.logarithmic)
    raise invalid(field, "needs a categorical, integer or float domain")


def parameters_from_proto(
    messages: Iterable[search_space_pb2.Parameter], field: str = "parameters"
) -> tuple[Parameter, ...]:
    return tuple(parameter_from_proto(message, f"{field}[{index}]") for index, message in enumerate(messages))


def space_to_proto(space: SearchSpace, field: str = "search_space") -> search_space_pb2.SearchSpace:
    template = of_kind(space, SearchSpace, field).graph_template
    return search_space_pb2.SearchSpace(
        search_space_id=space.search_space_id,
        description=space.description,
        parameters=[
            parameter_to_proto(parameter, f"{field}.parameters[{index}]")
            for index, parameter in enumerate(space.parameters)
        ],
        graph_template=None if template is None else _template_to_proto(template, f"{field}.graph_template"),
        op_roles={op: cast("search_space_pb2.OpRole", role.value) for op, role in space.op_roles.items()},
        explicit_graphs=space.explicit_graphs,
    )


def space_from_proto(message: search_space_pb2.SearchSpace, field: str = "search_space") -> SearchSpace:
    template = None
    if message.HasField("graph_template"):
        template = _template_from_proto(message.graph_template, f"{field}.graph_template")
    return SearchSpace(
        search_space_id=message.search_space_id,
        parameters=parameters_from_proto(message.parameters, f"{field}.parameters"),
        graph_template=template,
        op_roles={
            op: enum_from_proto(OpRole, role, entry(f"{field}.op_roles", op)) for op, role in message.op_roles.items()
        },
        explicit_graphs=message.explicit_graphs,
        description=message.description,
    )


def _template_to_proto(template: GraphTemplate, field: str) -> search_space_pb2.GraphTemplate:
    return search_space_pb2.GraphTemplate(
        nodes=[_node_to_proto(node, f"{field}.nodes[{index}]") for index, node in enumerate(template.nodes)],
        edges=[
            search_space_pb2.EdgeTemplate(
                source=edge.source,
                target=edge.target,
                condition=condition_to_proto(edge.condition, f"{field}.edges[{index}].condition"),
            )
            for index, edge in enumerate(template.edges)
        ],
    )


def _node_to_proto(node: NodeTemplate, field: str) -> search_space_pb2.NodeTemplate:
    message = search_space_pb2.NodeTemplate(name=node.name)
    if isinstance(node.op, ValueOf):
        message.op_parameter = node.op.parameter
    else:
        message.op = node.op
    for name, source in node.attributes.items():
        if isinstance(source, ValueOf):
            message.attributes[name].parameter = source.parameter
        else:
            message.attributes[name].value.CopyFrom(value_to_proto(source, entry(f"{field}.attributes", name)))
    return message


def _template_from_proto(message: search_space_pb2.GraphTemplate, field: str) -> GraphTemplate:
    return GraphTemplate(
        nodes=tuple(_node_from_proto(node, f"{field}.nodes[{index}]") for index, node in enumerate(message.nodes)),
        edges=tuple(
            EdgeTemplate(
                edge.source,
                edge.target,
                condition_from_proto(edge.condition, f"{field}.edges[{index}].condition")
                if edge.HasField("condition")
                else None,
            )
            for index, edge in enumerate(message.edges)
        ),
    )


def _node_from_proto(message: search_space_pb2.NodeTemplate, field: str) -> NodeTemplate:
    operation = message.WhichOneof("operation")
    if operation is None:
        raise invalid(field, "needs an op or an op_parameter")
    attributes: dict[str, Value | ValueOf] = {}
    for name, attribute in message.attributes.items():
        path = entry(f"{field}.attributes", name)
        source = attribute.WhichOneof("source")
        if source is None:
            raise invalid(path, "needs a value or a parameter")
        attributes[name] = (
            ValueOf(attribute.parameter) if source == "parameter" else value_from_proto(attribute.value, path)
        )
    return NodeTemplate(message.name, message.op if operation == "op" else ValueOf(message.op_parameter), attributes)


def _list_to_proto(values: Iterable[Value], field: str) -> list[search_space_pb2.ParameterValue]:
    return [value_to_proto(value, f"{field}[{index}]") for index, value in enumerate(values)]


def _list_from_proto(messages: Iterable[search_space_pb2.ParameterValue], field: str) -> tuple[Value, ...]:
    return tuple(value_from_proto(message, f"{field}[{index}]") for index, message in enumerate(messages))
