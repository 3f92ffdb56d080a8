"""The values of the contract that are not search spaces: tasks, outcomes, experiments, and the service's answers.

Plain frozen data, free of protobuf: ``codec`` and ``codec_answers`` translate. Enum numbers are those of the contract.
Whether a value is right (finite, within limits) is for the service to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from headstart.accepting import member_of
from headstart.spaces.declaration import Candidate, Parameter, Value


class Direction(Enum):
    MAXIMIZE = 1
    MINIMIZE = 2


class ExperimentStatus(Enum):
    COMPLETED = 1
    FAILED = 2
    STOPPED = 3


class SuggestionOrigin(Enum):
    TRANSFERRED = 1
    GENERATED = 2
    EXPLORATION = 3
    DEFAULT = 4


class SimilarityKind(Enum):
    """DESCRIPTOR and META_FEATURES are measured from 0 to 1, the others are Kendall tau from -1 to 1."""

    DESCRIPTOR = 1
    META_FEATURES = 2
    MEASURED_AGREEMENT = 3
    PERFORMANCE_PROFILE = 4


class GateState(Enum):
    OPEN = 1
    CLOSED = 2


class StopAdvice(Enum):
    CONTINUE = 1
    STOP = 2


@dataclass(frozen=True)
class Objective:
    """``direction`` may be given by its name, "maximize" or "minimize"."""

    metric: str
    direction: Direction = Direction.MAXIMIZE

    def __post_init__(self) -> None:
        if not isinstance(self.direction, Direction):
            object.__setattr__(self, "direction", member_of(Direction, self.direction, "objective.direction"))


@dataclass(frozen=True)
class Incumbent:
    """The best completed experiment so far."""

    experiment_id: str
    objective_value: float


@dataclass(frozen=True)
class TaskSummary:
    """What has been tried on a task in one space; ``experiment_count`` includes failed and stopped experiments."""

    search_space_id: str
    experiment_count: int
    completed_count: int
    incumbent: Incumbent | None = None


@dataclass(frozen=True)
class Task:
    """What candidates are tried on.

    ``descriptor`` are words, ``meta_features`` numbers that describe the data (a missing one is left out, never zero).
    ``max_fidelity`` is a full training in ``fidelity_unit``, 0 where the task has none. The times and summaries are
    given by the service and ignored when a task is sent.
    """

    task_id: str
    objective: Objective
    description: str = ""
    descriptor: Mapping[str, str] = field(default_factory=dict)
    meta_features: Mapping[str, float] = field(default_factory=dict)
    fidelity_unit: str = ""
    max_fidelity: float = 0.0
    create_time: datetime | None = None
    update_time: datetime | None = None
    summaries: tuple[TaskSummary, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """``fidelity`` is in the task's unit."""

    fidelity: float
    value: float


@dataclass(frozen=True)
class Outcome:
    """What came of trying a candidate.

    ``objective_value`` is finite when COMPLETED; it may be None, NaN or infinite when FAILED or STOPPED. ``fidelity``
    is that of the objective value in the task's unit, None for a full training. ``status`` may be given by its name.
    """

    status: ExperimentStatus
    objective_value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    learning_curve: tuple[CurvePoint, ...] = ()
    fidelity: float | None = None
    cost_seconds: float | None = None
    proxies: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.status, ExperimentStatus):
            object.__setattr__(self, "status", member_of(ExperimentStatus, self.status, "outcome.status"))


def completed(objective_value: float, **details: object) -> Outcome:
    """The outcome of a candidate that was trained to the end; ``details`` are the other fields of Outcome."""
    return Outcome(ExperimentStatus.COMPLETED, objective_value, **details)  # type: ignore[arg-type]


def is_full_training(fidelity: float | None, max_fidelity: float) -> bool:
    """Whether a value measured at a fidelity is a final one; on a task that has no full training every value is."""
    return fidelity is None or max_fidelity == 0 or fidelity >= max_fidelity


@dataclass(frozen=True)
class Experiment:
    """``experiment_id`` is "TASK/SEARCH_SPACE/SEQUENCE"; sequences count up in the order of recording."""

    experiment_id: str
    task_id: str
    search_space_id: str
    candidate: Candidate
    fingerprint: str
    outcome: Outcome
    decision_id: str = ""
    worker_id: str = ""
    record_time: datetime | None = None

    @property
    def sequence(self) -> int:
        return int(self.experiment_id.rsplit("/", 1)[-1])


@dataclass(frozen=True)
class Record:
    """An experiment to be recorded by ``Client.record_many``. An empty ``request_id`` is drawn by the client."""

    task_id: str
    search_space_id: str
    candidate: Candidate
    outcome: Outcome
    decision_id: str = ""
    worker_id: str = ""
    request_id: str = ""


class DecisionCredit(Enum):
    """What became of an experiment's reward. The experiment is kept in any case.

    CREDITED_LATE: the decision had expired, its arm is credited all the same. UNKNOWN_DECISION, OTHER_TASK: there is no
    such decision in this namespace, or it was for another task, so that no arm is.
    """

    NONE_NAMED = 0
    CREDITED = 1
    CREDITED_LATE = 2
    UNKNOWN_DECISION = 3
    OTHER_TASK = 4


@dataclass(frozen=True)
class Recorded:
    """Answer to one record. ``already_known``: its request id had been recorded before."""

    experiment_id: str
    already_known: bool
    fingerprint: str
    incumbent: Incumbent | None
    equivalent_count: int
    decision_credit: DecisionCredit = DecisionCredit.NONE_NAMED


@dataclass(frozen=True)
class Interval:
    """``level`` is the share of true values that the interval is to cover."""

    lower: float
    upper: float
    level: float


@dataclass(frozen=True)
class Estimate:
    """A value with its uncertainty, in the unit of the task's objective."""

    mean: float
    standard_deviation: float
    interval: Interval


@dataclass(frozen=True)
class SourceEvidence:
    """Where a suggestion was good: the value in the source's own unit, and the share of its architectures it beats."""

    task_id: str
    experiment_id: str
    objective_value: float
    quantile: float


@dataclass(frozen=True)
class Suggestion:
    candidate: Candidate
    fingerprint: str
    origin: SuggestionOrigin
    prediction: Estimate | None = None
    sources: tuple[SourceEvidence, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SimilarityBasis:
    """``count``: how many words, numbers or architectures the value rests on; ``details``: what tells most."""

    kind: SimilarityKind
    value: float
    count: int
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class SimilarTask:
    """``weight`` is never negative; 0 takes no part."""

    task_id: str
    weight: float
    basis: tuple[SimilarityBasis, ...] = ()


@dataclass(frozen=True)
class Gate:
    """Whether the past takes part in an answer."""

    state: GateState
    reason: str = ""


@dataclass(frozen=True)
class WarmStart:
    """Answer of ``Client.warm_start``; ``model_version`` is empty where no model took part."""

    suggestions: tuple[Suggestion, ...]
    similar_tasks: tuple[SimilarTask, ...] = ()
    gate: Gate | None = None
    model_version: str = ""
    degraded: bool = False


@dataclass(frozen=True)
class Query:
    """One question to ``Client.predict``: a candidate and what is known of it so far."""

    candidate: Candidate
    learning_curve: tuple[CurvePoint, ...] = ()
    proxies: Mapping[str, float] = field(default_factory=dict)
    fidelity: float | None = None


@dataclass(frozen=True)
class MemberPrediction:
    """What one member of the ensemble said; the weights of the members sum to 1."""

    member: str
    mean: float
    standard_deviation: float
    weight: float


@dataclass(frozen=True)
class CurveForecast:
    curve: tuple[CurvePoint, ...]
    advice: StopAdvice
    reason: str = ""


@dataclass(frozen=True)
class Prediction:
    """``probability_of_improvement`` is None while the task has no incumbent."""

    estimate: Estimate
    probability_of_improvement: float | None = None
    members: tuple[MemberPrediction, ...] = ()
    out_of_distribution: bool = False
    curve_forecast: CurveForecast | None = None


@dataclass(frozen=True)
class Predictions:
    """Answer of ``Client.predict``, in the order of the queries; ``basis`` says what it rests on, for a person."""

    predictions: tuple[Prediction, ...]
    model_version: str = ""
    basis: str = ""
    degraded: bool = False


@dataclass(frozen=True)
class Arm:
    """A search strategy to choose from, with the ranges of its settings."""

    name: str
    hyperparameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Which arm to run next. Results recorded under ``decision_id`` are its reward, also after ``expire_time``."""

    decision_id: str
    arm: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    probability: float = 0.0
    expected_reward: float = 0.0
    reason: str = ""
    expire_time: datetime | None = None
    decided_by: str = ""


@dataclass(frozen=True)
class ArchitectureResult:
    """The best completed result of an architecture on one task."""

    task_id: str
    experiment_id: str
    objective_value: float


@dataclass(frozen=True)
class ArchitectureMatch:
    """``distance`` is by the measure asked for; an ``upper_bound`` where the time did not suffice."""

    candidate: Candidate
    fingerprint: str
    distance: float
    results: tuple[ArchitectureResult, ...] = ()
    upper_bound: bool = False


@dataclass(frozen=True)
class ArchitectureMatches:
    """Answer of ``Client.search_architectures``, nearest first."""

    matches: tuple[ArchitectureMatch, ...]
    degraded: bool = False
    embedding_version: str = ""


@dataclass(frozen=True)
class ValidationFigures:
    """On experiments that the training did not see; coverage is of the 90 % intervals, None where none were made.

    ``calibration`` is the coverage of intervals by their level, as far as it was measured.
    """

    task_id: str
    held_out_count: int
    kendall_tau: float
    interval_coverage: float | None = None
    calibration: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictor:
    """The model of a search space that serves; ``device`` is where it runs, as far as the server knows."""

    model_version: str
    kind: str
    training_size: int
    parameter_count: int
    training_seconds: float
    create_time: datetime | None = None
    validation: tuple[ValidationFigures, ...] = ()
    device: str = ""
