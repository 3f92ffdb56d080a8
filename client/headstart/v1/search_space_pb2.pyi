from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ParameterRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PARAMETER_ROLE_UNSPECIFIED: _ClassVar[ParameterRole]
    PARAMETER_ROLE_INPUT_SIZE: _ClassVar[ParameterRole]
    PARAMETER_ROLE_INPUT_CHANNELS: _ClassVar[ParameterRole]
    PARAMETER_ROLE_OUTPUT_UNITS: _ClassVar[ParameterRole]
    PARAMETER_ROLE_WIDTH: _ClassVar[ParameterRole]
    PARAMETER_ROLE_DEPTH: _ClassVar[ParameterRole]
    PARAMETER_ROLE_DOWNSAMPLING: _ClassVar[ParameterRole]
    PARAMETER_ROLE_STRIDE: _ClassVar[ParameterRole]
    PARAMETER_ROLE_BATCH_SIZE: _ClassVar[ParameterRole]

class Ordering(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDERING_UNSPECIFIED: _ClassVar[Ordering]
    ORDERING_ORDERED: _ClassVar[Ordering]
    ORDERING_UNORDERED: _ClassVar[Ordering]

class OpRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OP_ROLE_UNSPECIFIED: _ClassVar[OpRole]
    OP_ROLE_INPUT: _ClassVar[OpRole]
    OP_ROLE_OUTPUT: _ClassVar[OpRole]
    OP_ROLE_ZERO: _ClassVar[OpRole]
    OP_ROLE_IDENTITY: _ClassVar[OpRole]
PARAMETER_ROLE_UNSPECIFIED: ParameterRole
PARAMETER_ROLE_INPUT_SIZE: ParameterRole
PARAMETER_ROLE_INPUT_CHANNELS: ParameterRole
PARAMETER_ROLE_OUTPUT_UNITS: ParameterRole
PARAMETER_ROLE_WIDTH: ParameterRole
PARAMETER_ROLE_DEPTH: ParameterRole
PARAMETER_ROLE_DOWNSAMPLING: ParameterRole
PARAMETER_ROLE_STRIDE: ParameterRole
PARAMETER_ROLE_BATCH_SIZE: ParameterRole
ORDERING_UNSPECIFIED: Ordering
ORDERING_ORDERED: Ordering
ORDERING_UNORDERED: Ordering
OP_ROLE_UNSPECIFIED: OpRole
OP_ROLE_INPUT: OpRole
OP_ROLE_OUTPUT: OpRole
OP_ROLE_ZERO: OpRole
OP_ROLE_IDENTITY: OpRole

class SearchSpace(_message.Message):
    __slots__ = ("search_space_id", "description", "parameters", "graph_template", "op_roles", "explicit_graphs", "create_time")
    class OpRolesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: OpRole
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[OpRole, str]] = ...) -> None: ...
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    GRAPH_TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    OP_ROLES_FIELD_NUMBER: _ClassVar[int]
    EXPLICIT_GRAPHS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    description: str
    parameters: _containers.RepeatedCompositeFieldContainer[Parameter]
    graph_template: GraphTemplate
    op_roles: _containers.ScalarMap[str, OpRole]
    explicit_graphs: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, search_space_id: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Parameter, _Mapping]]] = ..., graph_template: _Optional[_Union[GraphTemplate, _Mapping]] = ..., op_roles: _Optional[_Mapping[str, OpRole]] = ..., explicit_graphs: bool = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "categorical", "integer", "float", "condition", "role", "default_value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CATEGORICAL_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    FLOAT_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    categorical: CategoricalDomain
    integer: IntegerDomain
    float: FloatDomain
    condition: Condition
    role: ParameterRole
    default_value: ParameterValue
    def __init__(self, name: _Optional[str] = ..., categorical: _Optional[_Union[CategoricalDomain, _Mapping]] = ..., integer: _Optional[_Union[IntegerDomain, _Mapping]] = ..., float: _Optional[_Union[FloatDomain, _Mapping]] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ..., role: _Optional[_Union[ParameterRole, str]] = ..., default_value: _Optional[_Union[ParameterValue, _Mapping]] = ...) -> None: ...

class CategoricalDomain(_message.Message):
    __slots__ = ("choices", "ordering")
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    ORDERING_FIELD_NUMBER: _ClassVar[int]
    choices: _containers.RepeatedCompositeFieldContainer[ParameterValue]
    ordering: Ordering
    def __init__(self, choices: _Optional[_Iterable[_Union[ParameterValue, _Mapping]]] = ..., ordering: _Optional[_Union[Ordering, str]] = ...) -> None: ...

class IntegerDomain(_message.Message):
    __slots__ = ("lower", "upper", "logarithmic")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    LOGARITHMIC_FIELD_NUMBER: _ClassVar[int]
    lower: int
    upper: int
    logarithmic: bool
    def __init__(self, lower: _Optional[int] = ..., upper: _Optional[int] = ..., logarithmic: bool = ...) -> None: ...

class FloatDomain(_message.Message):
    __slots__ = ("lower", "upper", "logarithmic")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    LOGARITHMIC_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    logarithmic: bool
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ..., logarithmic: bool = ...) -> None: ...

class Condition(_message.Message):
    __slots__ = ("parameter", "values")
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    parameter: str
    values: _containers.RepeatedCompositeFieldContainer[ParameterValue]
    def __init__(self, parameter: _Optional[str] = ..., values: _Optional[_Iterable[_Union[ParameterValue, _Mapping]]] = ...) -> None: ...

class ParameterValue(_message.Message):
    __slots__ = ("string_value", "integer_value", "float_value", "bool_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INTEGER_VALUE_FIELD_NUMBER: _ClassVar[int]
    FLOAT_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    integer_value: int
    float_value: float
    bool_value: bool
    def __init__(self, string_value: _Optional[str] = ..., integer_value: _Optional[int] = ..., float_value: _Optional[float] = ..., bool_value: bool = ...) -> None: ...

class GraphTemplate(_message.Message):
    __slots__ = ("nodes", "edges")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeTemplate]
    edges: _containers.RepeatedCompositeFieldContainer[EdgeTemplate]
    def __init__(self, nodes: _Optional[_Iterable[_Union[NodeTemplate, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[EdgeTemplate, _Mapping]]] = ...) -> None: ...

class NodeTemplate(_message.Message):
    __slots__ = ("name", "op", "op_parameter", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: AttributeTemplate
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[AttributeTemplate, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    OP_PARAMETER_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    op: str
    op_parameter: str
    attributes: _containers.MessageMap[str, AttributeTemplate]
    def __init__(self, name: _Optional[str] = ..., op: _Optional[str] = ..., op_parameter: _Optional[str] = ..., attributes: _Optional[_Mapping[str, AttributeTemplate]] = ...) -> None: ...

class AttributeTemplate(_message.Message):
    __slots__ = ("value", "parameter")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    value: ParameterValue
    parameter: str
    def __init__(self, value: _Optional[_Union[ParameterValue, _Mapping]] = ..., parameter: _Optional[str] = ...) -> None: ...

class EdgeTemplate(_message.Message):
    __slots__ = ("source", "target", "condition")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    condition: Condition
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., condition: _Optional[_Union[Condition, _Mapping]] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("values", "graph")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ParameterValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ParameterValue, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    GRAPH_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, ParameterValue]
    graph: Graph
    def __init__(self, values: _Optional[_Mapping[str, ParameterValue]] = ..., graph: _Optional[_Union[Graph, _Mapping]] = ...) -> None: ...

class Graph(_message.Message):
    __slots__ = ("nodes", "edges")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("op", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ParameterValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ParameterValue, _Mapping]] = ...) -> None: ...
    OP_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    op: str
    attributes: _containers.MessageMap[str, ParameterValue]
    def __init__(self, op: _Optional[str] = ..., attributes: _Optional[_Mapping[str, ParameterValue]] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: int
    target: int
    def __init__(self, source: _Optional[int] = ..., target: _Optional[int] = ...) -> None: ...
