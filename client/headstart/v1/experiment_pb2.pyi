from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headstart.v1 import search_space_pb2 as _search_space_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExperimentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_STATUS_UNSPECIFIED: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_COMPLETED: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_FAILED: _ClassVar[ExperimentStatus]
    EXPERIMENT_STATUS_STOPPED: _ClassVar[ExperimentStatus]
EXPERIMENT_STATUS_UNSPECIFIED: ExperimentStatus
EXPERIMENT_STATUS_COMPLETED: ExperimentStatus
EXPERIMENT_STATUS_FAILED: ExperimentStatus
EXPERIMENT_STATUS_STOPPED: ExperimentStatus

class Experiment(_message.Message):
    __slots__ = ("experiment_id", "task_id", "search_space_id", "candidate", "fingerprint", "outcome", "decision_id", "worker_id", "record_time")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    task_id: str
    search_space_id: str
    candidate: _search_space_pb2.Candidate
    fingerprint: str
    outcome: Outcome
    decision_id: str
    worker_id: str
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, experiment_id: _Optional[str] = ..., task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., fingerprint: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, _Mapping]] = ..., decision_id: _Optional[str] = ..., worker_id: _Optional[str] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("status", "objective_value", "metrics", "learning_curve", "fidelity", "cost_seconds", "proxies", "seed")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ProxiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_CURVE_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    COST_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    status: ExperimentStatus
    objective_value: float
    metrics: _containers.ScalarMap[str, float]
    learning_curve: _containers.RepeatedCompositeFieldContainer[CurvePoint]
    fidelity: float
    cost_seconds: float
    proxies: _containers.ScalarMap[str, float]
    seed: int
    def __init__(self, status: _Optional[_Union[ExperimentStatus, str]] = ..., objective_value: _Optional[float] = ..., metrics: _Optional[_Mapping[str, float]] = ..., learning_curve: _Optional[_Iterable[_Union[CurvePoint, _Mapping]]] = ..., fidelity: _Optional[float] = ..., cost_seconds: _Optional[float] = ..., proxies: _Optional[_Mapping[str, float]] = ..., seed: _Optional[int] = ...) -> None: ...

class CurvePoint(_message.Message):
    __slots__ = ("fidelity", "value")
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    fidelity: float
    value: float
    def __init__(self, fidelity: _Optional[float] = ..., value: _Optional[float] = ...) -> None: ...
