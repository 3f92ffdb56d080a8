"""What the regret curves say: areas by family, paired comparisons, and the targets.

The area of a curve is its mean over the 50 evaluations. A family's figure is the mean over its tasks of the mean over
seeds; the figure over families is their mean, so that a family of many tasks counts no more than one of few. Intervals
are 95 % of a bootstrap that draws tasks, and seeds within each; of one task, seeds. Comparisons use the runs that both
searches have: the same task, seed and history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Spread
from benchmarks.transfer_search.families import BUDGET
from benchmarks.transfer_search.work import Done, Run

Numbers = NDArray[np.float64]

POINTS = (5, 10, 20, BUDGET)
_RESAMPLES = 2_000


@dataclass(frozen=True)
class Results:
    """Curves by run."""

    curves: Mapping[Run, Numbers]

    @staticmethod
    def of(done: Mapping[Run, Done]) -> Results:
        return Results({run: np.array(each.regrets) for run, each in done.items()})

    def of_family(self, family: str) -> Results:
        return Results({run: curve for run, curve in self.curves.items() if run.family == family})

    @property
    def families(self) -> list[str]:
        return list(dict.fromkeys(run.family for run in self.curves))

    @property
    def searches(self) -> list[str]:
        return list(dict.fromkeys(run.search for run in self.curves))

    @property
    def tasks(self) -> list[str]:
        return sorted({run.task for run in self.curves})

    def seeds(self, search: str, task: str) -> set[int]:
        return {run.seed for run in self.curves if (run.search, run.task) == (search, task)}

    def common(self, searches: Sequence[str]) -> dict[str, dict[str, Numbers]]:
        """By task and search the curves (seeds, evaluations) of the seeds that all of the searches have.

        Tasks that one of them has not run are left out.
        """
        by_key = {(run.search, run.task, run.seed): curve for run, curve in self.curves.items()}
        shared: dict[str, dict[str, Numbers]] = {}
        for task in self.tasks:
            seeds = sorted(set.intersection(*(self.seeds(search, task) for search in searches)))
            if seeds:
                shared[task] = {search: np.stack([by_key[search, task, seed] for seed in seeds]) for search in searches}
        return shared


def measure(curves: Numbers, point: int | None) -> Numbers:
    """Of curves (..., evaluations): the area, or the regret after ``point`` evaluations."""
    return np.asarray(curves.mean(axis=-1) if point is None else curves[..., point - 1])


def family_spread(values: Sequence[Numbers]) -> Spread:
    """``values``: for each task those of its seeds."""
    drawn = _drawn(values)
    lower, upper = np.quantile(drawn, (0.025, 0.975))
    return Spread(_mean(values), float(lower), float(upper))


def ratio(ours: Sequence[Numbers], theirs: Sequence[Numbers]) -> Spread:
    """Of the means, paired: for each task the values of the same seeds."""
    lower, upper = np.quantile(_drawn(ours) / np.maximum(_drawn(theirs), 1e-12), (0.025, 0.975))
    return Spread(_mean(ours) / max(_mean(theirs), 1e-12), float(lower), float(upper))


def difference(families: Sequence[Sequence[Numbers]]) -> Spread:
    """The mean over families; ``families``: for each of them and each task the differences of the seeds."""
    drawn = np.mean([_drawn(values, place) for place, values in enumerate(families)], axis=0)
    lower, upper = np.quantile(drawn, (0.025, 0.975))
    return Spread(float(np.mean([_mean(values) for values in families])), float(lower), float(upper))


def _mean(values: Sequence[Numbers]) -> float:
    return float(np.mean([each.mean() for each in values]))


def _drawn(values: Sequence[Numbers], seed: int = 0) -> Numbers:
    """Means of the resamples. The same seed and shapes draw the same tasks and seeds: so pairs stay pairs."""
    generator = np.random.default_rng(seed)
    means = np.empty((_RESAMPLES, len(values)))
    for column, each in enumerate(values):
        means[:, column] = each[generator.integers(len(each), size=(_RESAMPLES, len(each)))].mean(axis=1)
    if len(values) == 1:
        return means[:, 0]
    tasks = generator.integers(len(values), size=(_RESAMPLES, len(values)))
    return np.asarray(np.take_along_axis(means, tasks, axis=1).mean(axis=1))


def described(results: Results) -> dict[str, Any]:
    """All of it, for the file of results: by family and search, and each task's areas."""
    told: dict[str, Any] = {}
    for family in results.families:
        own = results.of_family(family)
        searches = {}
        for search in own.searches:
            curves = {task: each[search] for task, each in own.common([search]).items()}
            searches[search] = {
                "seeds": sorted({len(each) for each in curves.values()}),
                "area": family_spread([measure(each, None) for each in curves.values()]),
                **{
                    f"regret_after_{point}": family_spread([measure(each, point) for each in curves.values()])
                    for point in POINTS
                },
                "area_of_tasks": {task: float(measure(each, None).mean()) for task, each in curves.items()},
            }
        told[family] = searches
    return told


def overall(results: Results, search: str, point: int | None = None) -> Spread | None:
    """The mean over the families that any search was run on; None where this one lacks one of them."""
    families = []
    for family in results.families:
        curves = results.of_family(family).common([search])
        if not curves:
            return None
        families.append([measure(each[search], point) for each in curves.values()])
    return difference(families)


def paired(results: Results, ours: str, theirs: str, point: int | None = None) -> Spread | None:
    """Ours minus theirs, mean over families; None where they have no family in common."""
    families = []
    for family in results.families:
        common = results.of_family(family).common([ours, theirs])
        if common:
            families.append([measure(each[ours] - each[theirs], point) for each in common.values()])
    return difference(families) if families else None
