from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headstart.v1 import experiment_pb2 as _experiment_pb2
from headstart.v1 import meta_learning_service_pb2 as _meta_learning_service_pb2
from headstart.v1 import search_space_pb2 as _search_space_pb2
from headstart.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExperimentOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_ORDER_UNSPECIFIED: _ClassVar[ExperimentOrder]
    EXPERIMENT_ORDER_RECORDING: _ClassVar[ExperimentOrder]
    EXPERIMENT_ORDER_OBJECTIVE_VALUE: _ClassVar[ExperimentOrder]
    EXPERIMENT_ORDER_RECORD_TIME: _ClassVar[ExperimentOrder]

class ArchitectureMeasure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ARCHITECTURE_MEASURE_UNSPECIFIED: _ClassVar[ArchitectureMeasure]
    ARCHITECTURE_MEASURE_EMBEDDING: _ClassVar[ArchitectureMeasure]
    ARCHITECTURE_MEASURE_OP_DISTRIBUTION: _ClassVar[ArchitectureMeasure]
    ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE: _ClassVar[ArchitectureMeasure]
EXPERIMENT_ORDER_UNSPECIFIED: ExperimentOrder
EXPERIMENT_ORDER_RECORDING: ExperimentOrder
EXPERIMENT_ORDER_OBJECTIVE_VALUE: ExperimentOrder
EXPERIMENT_ORDER_RECORD_TIME: ExperimentOrder
ARCHITECTURE_MEASURE_UNSPECIFIED: ArchitectureMeasure
ARCHITECTURE_MEASURE_EMBEDDING: ArchitectureMeasure
ARCHITECTURE_MEASURE_OP_DISTRIBUTION: ArchitectureMeasure
ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE: ArchitectureMeasure

class CreateSearchSpaceRequest(_message.Message):
    __slots__ = ("request_id", "search_space")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    search_space: _search_space_pb2.SearchSpace
    def __init__(self, request_id: _Optional[str] = ..., search_space: _Optional[_Union[_search_space_pb2.SearchSpace, _Mapping]] = ...) -> None: ...

class CreateSearchSpaceResponse(_message.Message):
    __slots__ = ("search_space", "warnings")
    SEARCH_SPACE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    search_space: _search_space_pb2.SearchSpace
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, search_space: _Optional[_Union[_search_space_pb2.SearchSpace, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSearchSpaceRequest(_message.Message):
    __slots__ = ("search_space_id",)
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    def __init__(self, search_space_id: _Optional[str] = ...) -> None: ...

class GetSearchSpaceResponse(_message.Message):
    __slots__ = ("search_space",)
    SEARCH_SPACE_FIELD_NUMBER: _ClassVar[int]
    search_space: _search_space_pb2.SearchSpace
    def __init__(self, search_space: _Optional[_Union[_search_space_pb2.SearchSpace, _Mapping]] = ...) -> None: ...

class ListSearchSpacesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSearchSpacesResponse(_message.Message):
    __slots__ = ("search_spaces", "next_page_token")
    SEARCH_SPACES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    search_spaces: _containers.RepeatedCompositeFieldContainer[_search_space_pb2.SearchSpace]
    next_page_token: str
    def __init__(self, search_spaces: _Optional[_Iterable[_Union[_search_space_pb2.SearchSpace, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CreateTaskRequest(_message.Message):
    __slots__ = ("request_id", "task")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task: _task_pb2.Task
    def __init__(self, request_id: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class CreateTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    next_page_token: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateTaskRequest(_message.Message):
    __slots__ = ("request_id", "task")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task: _task_pb2.Task
    def __init__(self, request_id: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class UpdateTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class DeleteTaskRequest(_message.Message):
    __slots__ = ("request_id", "task_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_id: str
    def __init__(self, request_id: _Optional[str] = ..., task_id: _Optional[str] = ...) -> None: ...

class DeleteTaskResponse(_message.Message):
    __slots__ = ("deleted_experiment_count",)
    DELETED_EXPERIMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_experiment_count: int
    def __init__(self, deleted_experiment_count: _Optional[int] = ...) -> None: ...

class GetExperimentRequest(_message.Message):
    __slots__ = ("experiment_id",)
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    def __init__(self, experiment_id: _Optional[str] = ...) -> None: ...

class GetExperimentResponse(_message.Message):
    __slots__ = ("experiment",)
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    experiment: _experiment_pb2.Experiment
    def __init__(self, experiment: _Optional[_Union[_experiment_pb2.Experiment, _Mapping]] = ...) -> None: ...

class ListExperimentsRequest(_message.Message):
    __slots__ = ("task_id", "search_space_id", "page_size", "page_token", "after_sequence", "filter", "order_by", "descending")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    search_space_id: str
    page_size: int
    page_token: str
    after_sequence: int
    filter: ExperimentFilter
    order_by: ExperimentOrder
    descending: bool
    def __init__(self, task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., after_sequence: _Optional[int] = ..., filter: _Optional[_Union[ExperimentFilter, _Mapping]] = ..., order_by: _Optional[_Union[ExperimentOrder, str]] = ..., descending: bool = ...) -> None: ...

class ExperimentFilter(_message.Message):
    __slots__ = ("statuses", "min_objective_value", "max_objective_value", "min_node_count", "max_node_count", "proxies", "recorded_from", "recorded_before")
    class ProxiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: NumberRange
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[NumberRange, _Mapping]] = ...) -> None: ...
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    MIN_OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    MAX_OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    MIN_NODE_COUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_NODE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FROM_FIELD_NUMBER: _ClassVar[int]
    RECORDED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    statuses: _containers.RepeatedScalarFieldContainer[_experiment_pb2.ExperimentStatus]
    min_objective_value: float
    max_objective_value: float
    min_node_count: int
    max_node_count: int
    proxies: _containers.MessageMap[str, NumberRange]
    recorded_from: _timestamp_pb2.Timestamp
    recorded_before: _timestamp_pb2.Timestamp
    def __init__(self, statuses: _Optional[_Iterable[_Union[_experiment_pb2.ExperimentStatus, str]]] = ..., min_objective_value: _Optional[float] = ..., max_objective_value: _Optional[float] = ..., min_node_count: _Optional[int] = ..., max_node_count: _Optional[int] = ..., proxies: _Optional[_Mapping[str, NumberRange]] = ..., recorded_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class NumberRange(_message.Message):
    __slots__ = ("lower", "upper")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class ListExperimentsResponse(_message.Message):
    __slots__ = ("experiments", "next_page_token", "last_sequence")
    EXPERIMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    experiments: _containers.RepeatedCompositeFieldContainer[_experiment_pb2.Experiment]
    next_page_token: str
    last_sequence: int
    def __init__(self, experiments: _Optional[_Iterable[_Union[_experiment_pb2.Experiment, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class SearchArchitecturesRequest(_message.Message):
    __slots__ = ("search_space_id", "candidate", "count", "measure", "time_limit_seconds")
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    TIME_LIMIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    candidate: _search_space_pb2.Candidate
    count: int
    measure: ArchitectureMeasure
    time_limit_seconds: float
    def __init__(self, search_space_id: _Optional[str] = ..., candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., count: _Optional[int] = ..., measure: _Optional[_Union[ArchitectureMeasure, str]] = ..., time_limit_seconds: _Optional[float] = ...) -> None: ...

class SearchArchitecturesResponse(_message.Message):
    __slots__ = ("matches", "degraded", "embedding_version")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_VERSION_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[ArchitectureMatch]
    degraded: bool
    embedding_version: str
    def __init__(self, matches: _Optional[_Iterable[_Union[ArchitectureMatch, _Mapping]]] = ..., degraded: bool = ..., embedding_version: _Optional[str] = ...) -> None: ...

class ArchitectureMatch(_message.Message):
    __slots__ = ("candidate", "fingerprint", "distance", "results", "upper_bound")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    UPPER_BOUND_FIELD_NUMBER: _ClassVar[int]
    candidate: _search_space_pb2.Candidate
    fingerprint: str
    distance: float
    results: _containers.RepeatedCompositeFieldContainer[ArchitectureResult]
    upper_bound: bool
    def __init__(self, candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., fingerprint: _Optional[str] = ..., distance: _Optional[float] = ..., results: _Optional[_Iterable[_Union[ArchitectureResult, _Mapping]]] = ..., upper_bound: bool = ...) -> None: ...

class ArchitectureResult(_message.Message):
    __slots__ = ("task_id", "experiment_id", "objective_value")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    experiment_id: str
    objective_value: float
    def __init__(self, task_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., objective_value: _Optional[float] = ...) -> None: ...

class SearchTasksRequest(_message.Message):
    __slots__ = ("task_id", "search_space_id", "count")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    search_space_id: str
    count: int
    def __init__(self, task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class SearchTasksResponse(_message.Message):
    __slots__ = ("tasks",)
    TASKS_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_meta_learning_service_pb2.SimilarTask]
    def __init__(self, tasks: _Optional[_Iterable[_Union[_meta_learning_service_pb2.SimilarTask, _Mapping]]] = ...) -> None: ...

class ListTaskClustersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTaskClustersResponse(_message.Message):
    __slots__ = ("clusters", "next_page_token")
    CLUSTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    clusters: _containers.RepeatedCompositeFieldContainer[TaskCluster]
    next_page_token: str
    def __init__(self, clusters: _Optional[_Iterable[_Union[TaskCluster, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class TaskCluster(_message.Message):
    __slots__ = ("name", "task_ids", "description", "positions", "medoid_task_id", "silhouette", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    MEDOID_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SILHOUETTE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    task_ids: _containers.RepeatedScalarFieldContainer[str]
    description: str
    positions: _containers.RepeatedCompositeFieldContainer[TaskPosition]
    medoid_task_id: str
    silhouette: float
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., task_ids: _Optional[_Iterable[str]] = ..., description: _Optional[str] = ..., positions: _Optional[_Iterable[_Union[TaskPosition, _Mapping]]] = ..., medoid_task_id: _Optional[str] = ..., silhouette: _Optional[float] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskPosition(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class GetPredictorRequest(_message.Message):
    __slots__ = ("search_space_id",)
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    def __init__(self, search_space_id: _Optional[str] = ...) -> None: ...

class GetPredictorResponse(_message.Message):
    __slots__ = ("model_version", "kind", "training_size", "parameter_count", "training_seconds", "create_time", "validation", "device")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SIZE_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_COUNT_FIELD_NUMBER: _ClassVar[int]
    TRAINING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    kind: str
    training_size: int
    parameter_count: int
    training_seconds: float
    create_time: _timestamp_pb2.Timestamp
    validation: _containers.RepeatedCompositeFieldContainer[ValidationFigures]
    device: str
    def __init__(self, model_version: _Optional[str] = ..., kind: _Optional[str] = ..., training_size: _Optional[int] = ..., parameter_count: _Optional[int] = ..., training_seconds: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., validation: _Optional[_Iterable[_Union[ValidationFigures, _Mapping]]] = ..., device: _Optional[str] = ...) -> None: ...

class ValidationFigures(_message.Message):
    __slots__ = ("task_id", "held_out_count", "kendall_tau", "interval_coverage", "calibration")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_COUNT_FIELD_NUMBER: _ClassVar[int]
    KENDALL_TAU_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    held_out_count: int
    kendall_tau: float
    interval_coverage: float
    calibration: _containers.RepeatedCompositeFieldContainer[IntervalCoverage]
    def __init__(self, task_id: _Optional[str] = ..., held_out_count: _Optional[int] = ..., kendall_tau: _Optional[float] = ..., interval_coverage: _Optional[float] = ..., calibration: _Optional[_Iterable[_Union[IntervalCoverage, _Mapping]]] = ...) -> None: ...

class IntervalCoverage(_message.Message):
    __slots__ = ("level", "coverage")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    level: float
    coverage: float
    def __init__(self, level: _Optional[float] = ..., coverage: _Optional[float] = ...) -> None: ...

class ExplainTaskRequest(_message.Message):
    __slots__ = ("task_id", "search_space_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    search_space_id: str
    def __init__(self, task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ...) -> None: ...

class ExplainTaskResponse(_message.Message):
    __slots__ = ("similar_tasks", "gate", "explanation", "suggestions", "history")
    SIMILAR_TASKS_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    similar_tasks: _containers.RepeatedCompositeFieldContainer[_meta_learning_service_pb2.SimilarTask]
    gate: _meta_learning_service_pb2.Gate
    explanation: str
    suggestions: _containers.RepeatedCompositeFieldContainer[_meta_learning_service_pb2.Suggestion]
    history: _containers.RepeatedCompositeFieldContainer[SourceWeights]
    def __init__(self, similar_tasks: _Optional[_Iterable[_Union[_meta_learning_service_pb2.SimilarTask, _Mapping]]] = ..., gate: _Optional[_Union[_meta_learning_service_pb2.Gate, _Mapping]] = ..., explanation: _Optional[str] = ..., suggestions: _Optional[_Iterable[_Union[_meta_learning_service_pb2.Suggestion, _Mapping]]] = ..., history: _Optional[_Iterable[_Union[SourceWeights, _Mapping]]] = ...) -> None: ...

class SourceWeights(_message.Message):
    __slots__ = ("completed_count", "own_share", "weights")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    COMPLETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    OWN_SHARE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    completed_count: int
    own_share: float
    weights: _containers.ScalarMap[str, float]
    def __init__(self, completed_count: _Optional[int] = ..., own_share: _Optional[float] = ..., weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ListDecisionsRequest(_message.Message):
    __slots__ = ("task_id", "page_size", "page_token")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    page_size: int
    page_token: str
    def __init__(self, task_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDecisionsResponse(_message.Message):
    __slots__ = ("decisions", "next_page_token")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[RecordedDecision]
    next_page_token: str
    def __init__(self, decisions: _Optional[_Iterable[_Union[RecordedDecision, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RecordedDecision(_message.Message):
    __slots__ = ("decision", "decide_time", "experiment_count", "reward_sum", "spent_budget", "total_budget", "observation_count", "stagnation")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DECIDE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REWARD_SUM_FIELD_NUMBER: _ClassVar[int]
    SPENT_BUDGET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BUDGET_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_COUNT_FIELD_NUMBER: _ClassVar[int]
    STAGNATION_FIELD_NUMBER: _ClassVar[int]
    decision: _meta_learning_service_pb2.Decision
    decide_time: _timestamp_pb2.Timestamp
    experiment_count: int
    reward_sum: float
    spent_budget: float
    total_budget: float
    observation_count: int
    stagnation: int
    def __init__(self, decision: _Optional[_Union[_meta_learning_service_pb2.Decision, _Mapping]] = ..., decide_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., experiment_count: _Optional[int] = ..., reward_sum: _Optional[float] = ..., spent_budget: _Optional[float] = ..., total_budget: _Optional[float] = ..., observation_count: _Optional[int] = ..., stagnation: _Optional[int] = ...) -> None: ...

class ExplainStrategiesRequest(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class ExplainStrategiesResponse(_message.Message):
    __slots__ = ("arms", "models")
    ARMS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    arms: _containers.RepeatedCompositeFieldContainer[ArmStatistics]
    models: _containers.RepeatedCompositeFieldContainer[StrategyModel]
    def __init__(self, arms: _Optional[_Iterable[_Union[ArmStatistics, _Mapping]]] = ..., models: _Optional[_Iterable[_Union[StrategyModel, _Mapping]]] = ...) -> None: ...

class ArmStatistics(_message.Message):
    __slots__ = ("arm", "tuned", "pull_count", "mean_reward", "recent_reward", "pending_count", "other_pull_count", "other_mean_reward")
    ARM_FIELD_NUMBER: _ClassVar[int]
    TUNED_FIELD_NUMBER: _ClassVar[int]
    PULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_REWARD_FIELD_NUMBER: _ClassVar[int]
    RECENT_REWARD_FIELD_NUMBER: _ClassVar[int]
    PENDING_COUNT_FIELD_NUMBER: _ClassVar[int]
    OTHER_PULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    OTHER_MEAN_REWARD_FIELD_NUMBER: _ClassVar[int]
    arm: str
    tuned: bool
    pull_count: int
    mean_reward: float
    recent_reward: float
    pending_count: int
    other_pull_count: int
    other_mean_reward: float
    def __init__(self, arm: _Optional[str] = ..., tuned: bool = ..., pull_count: _Optional[int] = ..., mean_reward: _Optional[float] = ..., recent_reward: _Optional[float] = ..., pending_count: _Optional[int] = ..., other_pull_count: _Optional[int] = ..., other_mean_reward: _Optional[float] = ...) -> None: ...

class StrategyModel(_message.Message):
    __slots__ = ("kind", "number", "state", "figures", "task_count", "create_time")
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    number: int
    state: str
    figures: _containers.ScalarMap[str, float]
    task_count: int
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[str] = ..., number: _Optional[int] = ..., state: _Optional[str] = ..., figures: _Optional[_Mapping[str, float]] = ..., task_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
