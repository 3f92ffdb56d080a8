"""What a table of measured architectures offers: its space, its task, the outcome of a candidate, and how good is good.

A table answers in microseconds what a training would take hours for. Where a wheel's files are and how its keys are
made is decided in the modules beside this one.
"""

from __future__ import annotations

import importlib.util
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from headstart.spaces import Candidate, SearchSpace
from headstart.values import Direction, ExperimentStatus, Outcome, Task

NOT_IN_TABLE = Outcome(ExperimentStatus.FAILED)


class MissingTable(RuntimeError):
    """Raised where the wheel that holds a table is not installed; the message says how to install it."""


class Table(ABC):
    """One task of a tabular benchmark.

    ``name`` is a slug, unique among all tables, and the id of ``task``. Values are in the unit of the task's objective.
    """

    def __init__(self, task: Task, space: SearchSpace) -> None:
        self.name = task.task_id
        self.task = task
        self.space = space
        self.maximize = task.objective.direction is Direction.MAXIMIZE

    # The candidates to choose from, where the table holds but a sample of the space.
    pool: Sequence[Candidate] = ()

    @abstractmethod
    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        """What one training of a candidate gave; ``generator`` draws which, where the table holds several seeds.

        A candidate that the table does not hold has FAILED.
        """

    @abstractmethod
    def value(self, candidate: Candidate) -> float | None:
        """The mean of a candidate's objective over its seeds, or None where the table does not hold it."""

    @abstractmethod
    def distinct_values(self) -> Sequence[float]:
        """The mean objective of every distinct architecture, in no particular order."""

    @cached_property
    def ranked_values(self) -> list[float]:
        """Values of the distinct architectures, best first."""
        return sorted(self.distinct_values(), reverse=self.maximize)

    @property
    def best(self) -> float:
        return self.ranked_values[0]

    @property
    def median(self) -> float:
        return self.ranked_values[len(self.ranked_values) // 2]

    def threshold(self, share: float) -> float:
        """The worst value among the best ``share`` of the distinct architectures (at least one of them)."""
        return self.ranked_values[max(1, int(share * len(self.ranked_values))) - 1]

    def at_least(self, value: float, threshold: float) -> bool:
        """Whether a value is as good as a threshold, or better."""
        return value >= threshold if self.maximize else value <= threshold

    def regret(self, value: float) -> float:
        """How far a value is from the best: 0 for the best, 1 for the median architecture."""
        return (self.best - value) / (self.best - self.median)


def wheel_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it. Raises MissingTable where there is none."""
    specification = importlib.util.find_spec(package)
    if specification is None or not specification.submodule_search_locations:
        raise MissingTable(f"the {package} tables are not installed: pip install 'headstart[bench]'")
    return Path(specification.submodule_search_locations[0])
