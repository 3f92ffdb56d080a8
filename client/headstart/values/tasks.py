"""Tasks and their objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from headstart.accepting import member_of


class Direction(Enum):
    MAXIMIZE = 1
    MINIMIZE = 2


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
    """The experiments of a task in one space; ``experiment_count`` includes failed and stopped ones."""

    search_space_id: str
    experiment_count: int
    completed_count: int
    incumbent: Incumbent | None = None


@dataclass(frozen=True)
class Task:
    """A task to optimise.

    ``descriptor`` are words, ``meta_features`` numbers that describe the data (a missing one is left out, never
    zero). ``max_fidelity`` is a full training in ``fidelity_unit``, 0 if the task has none. The service sets times
    and summaries; they are ignored when a task is sent.
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
