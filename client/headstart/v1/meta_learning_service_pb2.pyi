from google.protobuf import timestamp_pb2 as _timestamp_pb2
from headstart.v1 import experiment_pb2 as _experiment_pb2
from headstart.v1 import search_space_pb2 as _search_space_pb2
from headstart.v1 import task_pb2 as _task_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SuggestionOrigin(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUGGESTION_ORIGIN_UNSPECIFIED: _ClassVar[SuggestionOrigin]
    SUGGESTION_ORIGIN_TRANSFERRED: _ClassVar[SuggestionOrigin]
    SUGGESTION_ORIGIN_GENERATED: _ClassVar[SuggestionOrigin]
    SUGGESTION_ORIGIN_EXPLORATION: _ClassVar[SuggestionOrigin]
    SUGGESTION_ORIGIN_DEFAULT: _ClassVar[SuggestionOrigin]

class SimilarityKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIMILARITY_KIND_UNSPECIFIED: _ClassVar[SimilarityKind]
    SIMILARITY_KIND_DESCRIPTOR: _ClassVar[SimilarityKind]
    SIMILARITY_KIND_META_FEATURES: _ClassVar[SimilarityKind]
    SIMILARITY_KIND_MEASURED_AGREEMENT: _ClassVar[SimilarityKind]
    SIMILARITY_KIND_PERFORMANCE_PROFILE: _ClassVar[SimilarityKind]

class GateState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GATE_STATE_UNSPECIFIED: _ClassVar[GateState]
    GATE_STATE_OPEN: _ClassVar[GateState]
    GATE_STATE_CLOSED: _ClassVar[GateState]

class StopAdvice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_ADVICE_UNSPECIFIED: _ClassVar[StopAdvice]
    STOP_ADVICE_CONTINUE: _ClassVar[StopAdvice]
    STOP_ADVICE_STOP: _ClassVar[StopAdvice]

class DecisionCredit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_CREDIT_UNSPECIFIED: _ClassVar[DecisionCredit]
    DECISION_CREDIT_CREDITED: _ClassVar[DecisionCredit]
    DECISION_CREDIT_CREDITED_LATE: _ClassVar[DecisionCredit]
    DECISION_CREDIT_UNKNOWN_DECISION: _ClassVar[DecisionCredit]
    DECISION_CREDIT_OTHER_TASK: _ClassVar[DecisionCredit]

class MultiTaskObjective(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MULTI_TASK_OBJECTIVE_UNSPECIFIED: _ClassVar[MultiTaskObjective]
    MULTI_TASK_OBJECTIVE_WEIGHTED: _ClassVar[MultiTaskObjective]
    MULTI_TASK_OBJECTIVE_WORST_CASE: _ClassVar[MultiTaskObjective]
SUGGESTION_ORIGIN_UNSPECIFIED: SuggestionOrigin
SUGGESTION_ORIGIN_TRANSFERRED: SuggestionOrigin
SUGGESTION_ORIGIN_GENERATED: SuggestionOrigin
SUGGESTION_ORIGIN_EXPLORATION: SuggestionOrigin
SUGGESTION_ORIGIN_DEFAULT: SuggestionOrigin
SIMILARITY_KIND_UNSPECIFIED: SimilarityKind
SIMILARITY_KIND_DESCRIPTOR: SimilarityKind
SIMILARITY_KIND_META_FEATURES: SimilarityKind
SIMILARITY_KIND_MEASURED_AGREEMENT: SimilarityKind
SIMILARITY_KIND_PERFORMANCE_PROFILE: SimilarityKind
GATE_STATE_UNSPECIFIED: GateState
GATE_STATE_OPEN: GateState
GATE_STATE_CLOSED: GateState
STOP_ADVICE_UNSPECIFIED: StopAdvice
STOP_ADVICE_CONTINUE: StopAdvice
STOP_ADVICE_STOP: StopAdvice
DECISION_CREDIT_UNSPECIFIED: DecisionCredit
DECISION_CREDIT_CREDITED: DecisionCredit
DECISION_CREDIT_CREDITED_LATE: DecisionCredit
DECISION_CREDIT_UNKNOWN_DECISION: DecisionCredit
DECISION_CREDIT_OTHER_TASK: DecisionCredit
MULTI_TASK_OBJECTIVE_UNSPECIFIED: MultiTaskObjective
MULTI_TASK_OBJECTIVE_WEIGHTED: MultiTaskObjective
MULTI_TASK_OBJECTIVE_WORST_CASE: MultiTaskObjective

class WarmStartRequest(_message.Message):
    __slots__ = ("task_id", "search_space_id", "count", "pool", "exploration_share", "seed")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    EXPLORATION_SHARE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    search_space_id: str
    count: int
    pool: _containers.RepeatedCompositeFieldContainer[_search_space_pb2.Candidate]
    exploration_share: float
    seed: int
    def __init__(self, task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., count: _Optional[int] = ..., pool: _Optional[_Iterable[_Union[_search_space_pb2.Candidate, _Mapping]]] = ..., exploration_share: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class WarmStartResponse(_message.Message):
    __slots__ = ("suggestions", "similar_tasks", "gate", "model_version", "degraded")
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    SIMILAR_TASKS_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    suggestions: _containers.RepeatedCompositeFieldContainer[Suggestion]
    similar_tasks: _containers.RepeatedCompositeFieldContainer[SimilarTask]
    gate: Gate
    model_version: str
    degraded: bool
    def __init__(self, suggestions: _Optional[_Iterable[_Union[Suggestion, _Mapping]]] = ..., similar_tasks: _Optional[_Iterable[_Union[SimilarTask, _Mapping]]] = ..., gate: _Optional[_Union[Gate, _Mapping]] = ..., model_version: _Optional[str] = ..., degraded: bool = ...) -> None: ...

class Suggestion(_message.Message):
    __slots__ = ("candidate", "fingerprint", "prediction", "origin", "sources", "reason")
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    candidate: _search_space_pb2.Candidate
    fingerprint: str
    prediction: Estimate
    origin: SuggestionOrigin
    sources: _containers.RepeatedCompositeFieldContainer[SourceEvidence]
    reason: str
    def __init__(self, candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., fingerprint: _Optional[str] = ..., prediction: _Optional[_Union[Estimate, _Mapping]] = ..., origin: _Optional[_Union[SuggestionOrigin, str]] = ..., sources: _Optional[_Iterable[_Union[SourceEvidence, _Mapping]]] = ..., reason: _Optional[str] = ...) -> None: ...

class SourceEvidence(_message.Message):
    __slots__ = ("task_id", "experiment_id", "objective_value", "quantile")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_VALUE_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    experiment_id: str
    objective_value: float
    quantile: float
    def __init__(self, task_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., objective_value: _Optional[float] = ..., quantile: _Optional[float] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("mean", "standard_deviation", "interval")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    mean: float
    standard_deviation: float
    interval: Interval
    def __init__(self, mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("lower", "upper", "level")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    lower: float
    upper: float
    level: float
    def __init__(self, lower: _Optional[float] = ..., upper: _Optional[float] = ..., level: _Optional[float] = ...) -> None: ...

class SimilarTask(_message.Message):
    __slots__ = ("task_id", "weight", "basis")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    weight: float
    basis: _containers.RepeatedCompositeFieldContainer[SimilarityBasis]
    def __init__(self, task_id: _Optional[str] = ..., weight: _Optional[float] = ..., basis: _Optional[_Iterable[_Union[SimilarityBasis, _Mapping]]] = ...) -> None: ...

class SimilarityBasis(_message.Message):
    __slots__ = ("kind", "value", "count", "details")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    kind: SimilarityKind
    value: float
    count: int
    details: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, kind: _Optional[_Union[SimilarityKind, str]] = ..., value: _Optional[float] = ..., count: _Optional[int] = ..., details: _Optional[_Iterable[str]] = ...) -> None: ...

class Gate(_message.Message):
    __slots__ = ("state", "reason")
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    state: GateState
    reason: str
    def __init__(self, state: _Optional[_Union[GateState, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class PredictPerformanceRequest(_message.Message):
    __slots__ = ("task_id", "search_space_id", "queries", "interval_level")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LEVEL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    search_space_id: str
    queries: _containers.RepeatedCompositeFieldContainer[PredictionQuery]
    interval_level: float
    def __init__(self, task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[PredictionQuery, _Mapping]]] = ..., interval_level: _Optional[float] = ...) -> None: ...

class PredictionQuery(_message.Message):
    __slots__ = ("candidate", "learning_curve", "proxies", "fidelity")
    class ProxiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_CURVE_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    candidate: _search_space_pb2.Candidate
    learning_curve: _containers.RepeatedCompositeFieldContainer[_experiment_pb2.CurvePoint]
    proxies: _containers.ScalarMap[str, float]
    fidelity: float
    def __init__(self, candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., learning_curve: _Optional[_Iterable[_Union[_experiment_pb2.CurvePoint, _Mapping]]] = ..., proxies: _Optional[_Mapping[str, float]] = ..., fidelity: _Optional[float] = ...) -> None: ...

class PredictPerformanceResponse(_message.Message):
    __slots__ = ("predictions", "model_version", "basis", "degraded")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    model_version: str
    basis: str
    degraded: bool
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., model_version: _Optional[str] = ..., basis: _Optional[str] = ..., degraded: bool = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("estimate", "probability_of_improvement", "members", "out_of_distribution", "curve_forecast")
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_OF_IMPROVEMENT_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_DISTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    CURVE_FORECAST_FIELD_NUMBER: _ClassVar[int]
    estimate: Estimate
    probability_of_improvement: float
    members: _containers.RepeatedCompositeFieldContainer[MemberPrediction]
    out_of_distribution: bool
    curve_forecast: CurveForecast
    def __init__(self, estimate: _Optional[_Union[Estimate, _Mapping]] = ..., probability_of_improvement: _Optional[float] = ..., members: _Optional[_Iterable[_Union[MemberPrediction, _Mapping]]] = ..., out_of_distribution: bool = ..., curve_forecast: _Optional[_Union[CurveForecast, _Mapping]] = ...) -> None: ...

class MemberPrediction(_message.Message):
    __slots__ = ("member", "mean", "standard_deviation", "weight")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    member: str
    mean: float
    standard_deviation: float
    weight: float
    def __init__(self, member: _Optional[str] = ..., mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., weight: _Optional[float] = ...) -> None: ...

class CurveForecast(_message.Message):
    __slots__ = ("curve", "advice", "reason")
    CURVE_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    curve: _containers.RepeatedCompositeFieldContainer[_experiment_pb2.CurvePoint]
    advice: StopAdvice
    reason: str
    def __init__(self, curve: _Optional[_Iterable[_Union[_experiment_pb2.CurvePoint, _Mapping]]] = ..., advice: _Optional[_Union[StopAdvice, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class RecordExperimentRequest(_message.Message):
    __slots__ = ("request_id", "task_id", "search_space_id", "candidate", "outcome", "decision_id", "worker_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_id: str
    search_space_id: str
    candidate: _search_space_pb2.Candidate
    outcome: _experiment_pb2.Outcome
    decision_id: str
    worker_id: str
    def __init__(self, request_id: _Optional[str] = ..., task_id: _Optional[str] = ..., search_space_id: _Optional[str] = ..., candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., outcome: _Optional[_Union[_experiment_pb2.Outcome, _Mapping]] = ..., decision_id: _Optional[str] = ..., worker_id: _Optional[str] = ...) -> None: ...

class RecordExperimentResponse(_message.Message):
    __slots__ = ("experiment_id", "already_known", "fingerprint", "incumbent", "equivalent_count", "decision_credit")
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ALREADY_KNOWN_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    INCUMBENT_FIELD_NUMBER: _ClassVar[int]
    EQUIVALENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DECISION_CREDIT_FIELD_NUMBER: _ClassVar[int]
    experiment_id: str
    already_known: bool
    fingerprint: str
    incumbent: _task_pb2.Incumbent
    equivalent_count: int
    decision_credit: DecisionCredit
    def __init__(self, experiment_id: _Optional[str] = ..., already_known: bool = ..., fingerprint: _Optional[str] = ..., incumbent: _Optional[_Union[_task_pb2.Incumbent, _Mapping]] = ..., equivalent_count: _Optional[int] = ..., decision_credit: _Optional[_Union[DecisionCredit, str]] = ...) -> None: ...

class RecordExperimentsRequest(_message.Message):
    __slots__ = ("chunk", "records")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    chunk: int
    records: _containers.RepeatedCompositeFieldContainer[RecordExperimentRequest]
    def __init__(self, chunk: _Optional[int] = ..., records: _Optional[_Iterable[_Union[RecordExperimentRequest, _Mapping]]] = ...) -> None: ...

class RecordExperimentsResponse(_message.Message):
    __slots__ = ("chunk", "recorded_count", "already_known_count", "uncredited_count")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    RECORDED_COUNT_FIELD_NUMBER: _ClassVar[int]
    ALREADY_KNOWN_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNCREDITED_COUNT_FIELD_NUMBER: _ClassVar[int]
    chunk: int
    recorded_count: int
    already_known_count: int
    uncredited_count: int
    def __init__(self, chunk: _Optional[int] = ..., recorded_count: _Optional[int] = ..., already_known_count: _Optional[int] = ..., uncredited_count: _Optional[int] = ...) -> None: ...

class SelectStrategyRequest(_message.Message):
    __slots__ = ("request_id", "task_id", "arms", "slots", "spent_budget", "total_budget")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SPENT_BUDGET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BUDGET_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    task_id: str
    arms: _containers.RepeatedCompositeFieldContainer[Arm]
    slots: int
    spent_budget: float
    total_budget: float
    def __init__(self, request_id: _Optional[str] = ..., task_id: _Optional[str] = ..., arms: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., slots: _Optional[int] = ..., spent_budget: _Optional[float] = ..., total_budget: _Optional[float] = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("name", "hyperparameters")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    name: str
    hyperparameters: _containers.RepeatedCompositeFieldContainer[_search_space_pb2.Parameter]
    def __init__(self, name: _Optional[str] = ..., hyperparameters: _Optional[_Iterable[_Union[_search_space_pb2.Parameter, _Mapping]]] = ...) -> None: ...

class SelectStrategyResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("decision_id", "arm", "hyperparameters", "probability", "expected_reward", "reason", "expire_time", "decided_by")
    class HyperparametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _search_space_pb2.ParameterValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_search_space_pb2.ParameterValue, _Mapping]] = ...) -> None: ...
    DECISION_ID_FIELD_NUMBER: _ClassVar[int]
    ARM_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_REWARD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    decision_id: str
    arm: str
    hyperparameters: _containers.MessageMap[str, _search_space_pb2.ParameterValue]
    probability: float
    expected_reward: float
    reason: str
    expire_time: _timestamp_pb2.Timestamp
    decided_by: str
    def __init__(self, decision_id: _Optional[str] = ..., arm: _Optional[str] = ..., hyperparameters: _Optional[_Mapping[str, _search_space_pb2.ParameterValue]] = ..., probability: _Optional[float] = ..., expected_reward: _Optional[float] = ..., reason: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decided_by: _Optional[str] = ...) -> None: ...

class TransferArchitectureRequest(_message.Message):
    __slots__ = ("search_space_id", "candidate", "source_task_id", "target_task_ids", "objective", "target_weights")
    class TargetWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SEARCH_SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_TASK_IDS_FIELD_NUMBER: _ClassVar[int]
    OBJECTIVE_FIELD_NUMBER: _ClassVar[int]
    TARGET_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    search_space_id: str
    candidate: _search_space_pb2.Candidate
    source_task_id: str
    target_task_ids: _containers.RepeatedScalarFieldContainer[str]
    objective: MultiTaskObjective
    target_weights: _containers.ScalarMap[str, float]
    def __init__(self, search_space_id: _Optional[str] = ..., candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., source_task_id: _Optional[str] = ..., target_task_ids: _Optional[_Iterable[str]] = ..., objective: _Optional[_Union[MultiTaskObjective, str]] = ..., target_weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class TransferArchitectureResponse(_message.Message):
    __slots__ = ("architectures", "proposal")
    ARCHITECTURES_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    architectures: _containers.RepeatedCompositeFieldContainer[TransferredArchitecture]
    proposal: MultiTaskProposal
    def __init__(self, architectures: _Optional[_Iterable[_Union[TransferredArchitecture, _Mapping]]] = ..., proposal: _Optional[_Union[MultiTaskProposal, _Mapping]] = ...) -> None: ...

class MultiTaskProposal(_message.Message):
    __slots__ = ("candidate", "fingerprint", "expected_ranks", "reason")
    class ExpectedRanksEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_RANKS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    candidate: _search_space_pb2.Candidate
    fingerprint: str
    expected_ranks: _containers.ScalarMap[str, float]
    reason: str
    def __init__(self, candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., fingerprint: _Optional[str] = ..., expected_ranks: _Optional[_Mapping[str, float]] = ..., reason: _Optional[str] = ...) -> None: ...

class TransferredArchitecture(_message.Message):
    __slots__ = ("target_task_id", "candidate", "changes", "transferability", "transferability_basis", "plan", "fingerprint")
    TARGET_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    TRANSFERABILITY_FIELD_NUMBER: _ClassVar[int]
    TRANSFERABILITY_BASIS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    target_task_id: str
    candidate: _search_space_pb2.Candidate
    changes: _containers.RepeatedCompositeFieldContainer[ArchitectureChange]
    transferability: Estimate
    transferability_basis: str
    plan: FineTuningPlan
    fingerprint: str
    def __init__(self, target_task_id: _Optional[str] = ..., candidate: _Optional[_Union[_search_space_pb2.Candidate, _Mapping]] = ..., changes: _Optional[_Iterable[_Union[ArchitectureChange, _Mapping]]] = ..., transferability: _Optional[_Union[Estimate, _Mapping]] = ..., transferability_basis: _Optional[str] = ..., plan: _Optional[_Union[FineTuningPlan, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class ArchitectureChange(_message.Message):
    __slots__ = ("parameter", "before", "after", "reason")
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    parameter: str
    before: _search_space_pb2.ParameterValue
    after: _search_space_pb2.ParameterValue
    reason: str
    def __init__(self, parameter: _Optional[str] = ..., before: _Optional[_Union[_search_space_pb2.ParameterValue, _Mapping]] = ..., after: _Optional[_Union[_search_space_pb2.ParameterValue, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class FineTuningPlan(_message.Message):
    __slots__ = ("stages", "reason", "new_head")
    STAGES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEW_HEAD_FIELD_NUMBER: _ClassVar[int]
    stages: _containers.RepeatedCompositeFieldContainer[FineTuningStage]
    reason: str
    new_head: bool
    def __init__(self, stages: _Optional[_Iterable[_Union[FineTuningStage, _Mapping]]] = ..., reason: _Optional[str] = ..., new_head: bool = ...) -> None: ...

class FineTuningStage(_message.Message):
    __slots__ = ("epochs", "frozen_share", "layer_decay")
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    FROZEN_SHARE_FIELD_NUMBER: _ClassVar[int]
    LAYER_DECAY_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    frozen_share: float
    layer_decay: float
    def __init__(self, epochs: _Optional[int] = ..., frozen_share: _Optional[float] = ..., layer_decay: _Optional[float] = ...) -> None: ...
