from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_MAXIMIZE: _ClassVar[Direction]
    DIRECTION_MINIMIZE: _ClassVar[Direction]
DIRECTION_UNSPECIFIED: Direction
DIRECTION_MAXIMIZE: Direction
DIRECTION_MINIMIZE: Direction

class Task(_message.Message):
    __slots__ = ("task_id", "description", "objective", "descriptor", "meta_features", "fidelity_unit", "max_fidelity", "create_time", "update_time", "summaries")
    class DescriptorEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetaFeaturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    META_FEATURES_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_UNIT_FIELD_NUMBER: _ClassVar[int]
    MAX_FIDELITY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    description: str
    objective: Objective
    descriptor: _containers.ScalarMap[str, str]
    meta_features: _containers.ScalarMap[str, float]
    fidelity_unit: str
    max_fidelity: float
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    summaries: _containers.RepeatedCompositeFieldContainer[TaskSummary]
    def __init__(self, task_id: _Optional[str] = ..., description: _Optional[str] = ..., objective: _Optional[_Union[Objective, _Mapping]] = ..., descriptor: _Optional[_Mapping[str, str]] = ..., meta_features: _Optional[_Mapping[str, float]] = ..., fidelity_unit: _Optional[str] = ..., max_fidelity: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., summaries: _Optional[_Iterable[_Union[TaskSummary, _Mapping]]] = ...) -> None: ...

class Objective(_message.Message):
    __slots__ = ("metric", "direction")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    metric: str
    direction: Direction
    def __init__(self, metric: _Optional[str] = ..., direction: _Optional[_Union[Direction, str]] = ...) -> None: ...

class TaskSummary(_message.Message):
    __slots__ = ("search_space_id", "experiment_count", "completed_count", "incumbent")
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    INCUMBENT_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    experiment_count: int
    completed_count: int
    incumbent: Incumbent
    def __init__(self, search_space_id: _Optional[str] = ..., experiment_count: _Optional[int] = ..., completed_count: _Optional[int] = ..., incumbent: _Optional[_Union[Incumbent, _Mapping]] = ...) -> None: ...

class Incumbent(_message.Message):
    __slots__ = ("experiment_id", "objective_value")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    objective_value: float
    def __init__(self, experiment_id: _Optional[str] = ..., objective_value: _Optional[float] = ...) -> None: ...
