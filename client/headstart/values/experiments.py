"""Experiments: what a search records and reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from headstart.accepting import member_of
from headstart.spaces.declaration import Candidate
from headstart.values.tasks import Incumbent


class ExperimentStatus(Enum):
    COMPLETED = 1
    FAILED = 2
    STOPPED = 3


@dataclass(frozen=True)
class CurvePoint:
    """``fidelity`` is in the task's unit."""

    fidelity: float
    value: float


@dataclass(frozen=True)
class Outcome:
    """The result of an evaluation.

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
    """The outcome of a full training; ``details`` are the other fields of Outcome."""
    return Outcome(ExperimentStatus.COMPLETED, objective_value, **details)  # type: ignore[arg-type]


def is_full_training(fidelity: float | None, max_fidelity: float) -> bool:
    """Whether a value at a fidelity is a final one; on a task without a full training every value is."""
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
    """An experiment for ``Client.record_many``. The client draws an empty ``request_id``."""

    task_id: str
    search_space_id: str
    candidate: Candidate
    outcome: Outcome
    decision_id: str = ""
    worker_id: str = ""
    request_id: str = ""


class DecisionCredit(Enum):
    """The attribution of an experiment's reward. The experiment is recorded in any case.

    CREDITED_LATE: the decision had expired, and its arm is credited all the same. UNKNOWN_DECISION, OTHER_TASK: the
    decision does not exist in this namespace, or belongs to another task, so no arm is credited.
    """

    NONE_NAMED = 0
    CREDITED = 1
    CREDITED_LATE = 2
    UNKNOWN_DECISION = 3
    OTHER_TASK = 4


@dataclass(frozen=True)
class Recorded:
    """The answer to one record. ``already_known``: its request id was recorded before."""

    experiment_id: str
    already_known: bool
    fingerprint: str
    incumbent: Incumbent | None
    equivalent_count: int
    decision_credit: DecisionCredit = DecisionCredit.NONE_NAMED
