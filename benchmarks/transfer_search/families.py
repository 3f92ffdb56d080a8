"""The families of tasks of protocol T: which task is new, what is on record of the others, and what a score is.

One task of a family is the target; each of the others has one cold search of 100 evaluations on record (evolution, or
candidates at random where the table holds but a pool). Values are means over the seeds of a table, in the history as in
the search, so that nobody meets noise. The regret of a score is that of protocol S (``benchmarks/strategy/tasks.py``):
0 is the best of the table, 1 the mean of a candidate at random. HPOLib's losses span orders of magnitude and are scored
by minus their logarithm; those of TaskSet lie within one order (chance is .69, most are between .4 and 1.4) and are
scored as they are.

Settings may be chosen on development runs, never on reported ones. Development runs have seeds from 100 on. Of XGBoost
they have other tasks too: its tasks in the order of the CRC-32 of their names, the first 12 reported, the next 8 for
development. The other families are too small to be split: there development differs by seeds alone. A task of XGBoost
has 24 others as history, drawn by the seed; those of a development run leave out the reported tasks.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations
from pathlib import Path
from statistics import fmean

from scipy.stats import kendalltau

from benchmarks.history import cold_search
from benchmarks.strategy.tasks import SHORT_BUDGET as BUDGET
from benchmarks.strategy.tasks import StrategyTask
from benchmarks.tables import Table
from benchmarks.tables.sets import TABLE_SETS, tables_of
from benchmarks.tables.table import NOT_IN_TABLE
from headstart.spaces import Candidate, sample
from headstart.values import ExperimentStatus, Outcome

__all__ = ["BUDGET", "FAMILIES", "Case", "Evaluated", "Past", "agreement", "cases_of"]

FAMILIES = TABLE_SETS
PAST_EVALUATIONS = 100
FIRST_DEVELOPMENT_SEED = 100
_LOGARITHMIC = ("hpolib",)
_SPLIT, _REPORTED, _DEVELOPMENT, _SOURCES = "xgboost", 12, 8, 24


class NoiselessTable(Table):
    """Another table, where every training gives the mean of its seeds, and nothing but the objective."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.task, table.space)
        self.measured = table
        self.pool = table.pool

    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        value = self.value(candidate)
        return NOT_IN_TABLE if value is None else Outcome(ExperimentStatus.COMPLETED, value)

    def value(self, candidate: Candidate) -> float | None:
        return self.measured.value(candidate)

    def distinct_values(self) -> Sequence[float]:
        return self.measured.distinct_values()


@dataclass(frozen=True)
class Evaluated:
    """``score``: higher is better, None where the evaluation failed."""

    candidate: Candidate
    score: float | None


@dataclass(frozen=True)
class Past:
    """The cold search of another task, in the order of evaluation."""

    task: StrategyTask
    evaluated: tuple[Evaluated, ...]


@dataclass(frozen=True)
class Case:
    """One search to run: the new task, the others that are on record, and the seed of both."""

    family: str
    task: StrategyTask
    sources: tuple[StrategyTask, ...]
    seed: int

    @cached_property
    def past(self) -> tuple[Past, ...]:
        return tuple(_past(source, self.seed) for source in self.sources)

    @property
    def search_seed(self) -> int:
        """Each task draws its own."""
        return self.task.seed(self.seed)


def cases_of(
    family: str, data: Path | None, seed: int, development: bool = False, tasks: int | None = None
) -> list[Case]:
    """Every task of a family as the target in turn, or the first ``tasks``. Raises MissingTable."""
    every = _tasks(family, data)
    targets, sources = every, every
    if family == _SPLIT:
        ordered = sorted(every, key=lambda task: zlib.crc32(task.name.encode()))
        targets, rest = ordered[:_REPORTED], ordered[_REPORTED:]
        if development:
            targets, sources = rest[:_DEVELOPMENT], rest
    return [Case(family, task, _others(task, sources, seed), seed) for task in targets[:tasks]]


def _others(task: StrategyTask, tasks: Sequence[StrategyTask], seed: int) -> tuple[StrategyTask, ...]:
    others = [each for each in tasks if each.name != task.name]
    if task.benchmark == _SPLIT:
        others = random.Random(f"sources/{task.name}/{seed}").sample(others, min(_SOURCES, len(others)))
    return tuple(others)


@cache
def _tasks(family: str, data: Path | None) -> tuple[StrategyTask, ...]:
    logarithmic = family in _LOGARITHMIC
    return tuple(StrategyTask(family, NoiselessTable(table), logarithmic) for table in tables_of(family, data))


@cache
def _past(task: StrategyTask, seed: int) -> Past:
    done = cold_search(task.table, seed, PAST_EVALUATIONS)
    return Past(task, tuple(Evaluated(each.candidate, task.score(each.candidate)) for each in done))


def agreement(tasks: Sequence[StrategyTask], candidates: int = 300) -> float:
    """Whether the tasks of a family agree: mean Kendall tau of the scores of random candidates, over pairs of tasks."""
    generator = random.Random(0)
    pool, space = tasks[0].table.pool, tasks[0].space
    drawn = (
        generator.sample(pool, min(candidates, len(pool)))
        if pool
        else [sample(space, generator) for _ in range(candidates)]
    )
    scores = [[task.score(candidate) for candidate in drawn] for task in tasks]
    taus = []
    for one, other in combinations(scores, 2):
        known = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
        taus.append(float(kendalltau(*zip(*known, strict=True)).statistic))
    return fmean(taus)
