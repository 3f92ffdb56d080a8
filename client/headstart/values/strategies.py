"""The values of the contract about strategies: decisions with what they earned, what is known of each arm.

Plain frozen data, free of protobuf: ``codec_strategies`` translates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from headstart.spaces.declaration import Parameter, Value


@dataclass(frozen=True)
class Arm:
    """A search strategy to choose from, with the ranges of its settings."""

    name: str
    hyperparameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The arm to run next. Results recorded under ``decision_id`` are its reward, also after ``expire_time``."""

    decision_id: str
    arm: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    probability: float = 0.0
    expected_reward: float = 0.0
    reason: str = ""
    expire_time: datetime | None = None
    decided_by: str = ""


@dataclass(frozen=True)
class RecordedDecision:
    """A decision, the state in which it was taken, and its results.

    ``reward_sum`` is over ``experiment_count`` experiments recorded under it, each 0 to 1. Budgets are in
    evaluations, a total of 0 is unknown. ``stagnation`` is the number of the ``observation_count`` experiments after
    the best one.
    """

    decision: Decision
    decide_time: datetime
    experiment_count: int
    reward_sum: float
    spent_budget: float
    total_budget: float
    observation_count: int
    stagnation: int


@dataclass(frozen=True)
class ArmStatistics:
    """Statistics of an arm on a task, and on the others of its namespace; ``tuned``: with settings that the service
    chose.
    """

    arm: str
    tuned: bool
    pull_count: int
    mean_reward: float
    recent_reward: float
    pending_count: int
    other_pull_count: int
    other_mean_reward: float


@dataclass(frozen=True)
class StrategyModel:
    """A model learned from the decisions of all tasks; ``figures`` are validation figures, by name."""

    kind: str
    number: int
    state: str
    figures: Mapping[str, float] = field(default_factory=dict)
    task_count: int = 0
    create_time: datetime | None = None


@dataclass(frozen=True)
class StrategyExplanation:
    arms: tuple[ArmStatistics, ...] = ()
    models: tuple[StrategyModel, ...] = ()
