"""What the rewards of past searches say of their arms once noise is taken out of them.

A search pulls what it thinks little of a few times only, and single rewards vary more than arms differ, so that the
mean rewards of one search are hardly evidence. They are taken apart: a mean is that of its row (a task in a phase of its
search), plus the effect of the arm, plus how the arm deviates on that task and in that phase, plus noise. The effect of
an arm comes from all tasks; its deviations are drawn towards 0 as far as noise explains them (the model of random
effects, fitted part by part until nothing moves; Searle, Casella and McCulloch, "Variance components", 1992, chapters 3
and 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]

# Arms are taken to differ between groups by this variance at least: no past shows that they do not.
_LEAST_VARIANCE = 5e-4
_ROUNDS, _CHANGE = 100, 1e-6


@dataclass(frozen=True, eq=False)
class PooledRewards:
    """``rewards`` [rows, arms]: what an arm earns there, also where it was not pulled. ``doubt``: the variance that is
    left in how an arm deviates on a past task, a mean over arms and tasks."""

    rewards: Numbers
    doubt: float


def pool_rewards(counts: Numbers, sums: Numbers, squares: Numbers, tasks: Groups, phases: Groups) -> PooledRewards:
    """From numbers of pulls, sums of their rewards and of the squares [rows, arms]; task and phase of each row, 0, 1, ...

    Every row and every arm needs a pull.
    """
    rows, arms = np.nonzero(counts)
    cells = _Cells(rows, arms, counts[rows, arms], sums[rows, arms] / counts[rows, arms], counts.shape)
    within = squares[rows, arms] - cells.numbers * cells.means**2
    variance = max(float(within.clip(0).sum()) / max(float((cells.numbers - 1).sum()), 1.0), 1e-12)
    groupings = (tasks, phases)
    deviations: list[_Deviations] = [_Deviations.none(groups, counts.shape[1]) for groups in groupings]
    of_row, of_arm = np.zeros(counts.shape[0]), np.zeros(counts.shape[1])
    for _ in range(_ROUNDS):
        rest = cells.means - cells.of(deviations, groupings)
        weights = 1 / (deviations[0].between + variance / cells.numbers)
        of_row = _means(rows, weights, rest - of_arm[arms], counts.shape[0])
        before, of_arm = of_arm, _means(arms, weights, rest - of_row[rows], counts.shape[1])
        of_arm = of_arm - of_arm.mean()
        rest = cells.means - of_row[rows] - of_arm[arms]
        for place, groups in enumerate(groupings):
            others = [
                (each, of) for at, (each, of) in enumerate(zip(deviations, groupings, strict=True)) if at != place
            ]
            left = rest - cells.of([each for each, _ in others], [of for _, of in others])
            deviations[place] = _Deviations.fit(cells, groups, left, variance)
        if np.abs(of_arm - before).max() < _CHANGE:
            break
    whole = sum((each.values[groups] for each, groups in zip(deviations, groupings, strict=True)), of_arm)
    return PooledRewards(of_row[:, None] + whole, deviations[0].doubt)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Those of rows and arms that have pulls: of each its place, the number of pulls and their mean reward."""

    rows: Groups
    arms: Groups
    numbers: Numbers
    means: Numbers
    shape: tuple[int, ...]

    def of(self, deviations: Sequence[_Deviations], groupings: Sequence[Groups]) -> Numbers:
        total = np.zeros(len(self.rows))
        for each, groups in zip(deviations, groupings, strict=True):
            total += each.values[groups[self.rows], self.arms]
        return total


@dataclass(frozen=True, eq=False)
class _Deviations:
    """``values`` [groups, arms], drawn towards 0; ``between``: their variance; ``doubt``: what is left of it."""

    values: Numbers
    between: float
    doubt: float

    @classmethod
    def none(cls, groups: Groups, arms: int) -> _Deviations:
        return cls(np.zeros((int(groups.max()) + 1, arms)), _LEAST_VARIANCE, _LEAST_VARIANCE)

    @classmethod
    def fit(cls, cells: _Cells, groups: Groups, left: Numbers, variance: float) -> _Deviations:
        pulls = np.zeros((int(groups.max()) + 1, cells.shape[1]))
        total = np.zeros_like(pulls)
        np.add.at(pulls, (groups[cells.rows], cells.arms), cells.numbers)
        np.add.at(total, (groups[cells.rows], cells.arms), cells.numbers * left)
        plain = total / np.maximum(pulls, 1)
        # Of each arm what its deviations show beyond noise, or 0; the mean over arms.
        beyond = np.where(pulls > 0, plain**2 * pulls - variance, 0.0).sum(axis=0).clip(0)
        between = max(float((beyond / np.maximum(pulls.sum(axis=0), 1)).mean()), _LEAST_VARIANCE)
        kept = between * pulls / (between * pulls + variance)
        return cls(kept * plain, between, float((between * (1 - kept)).mean()))


def _means(groups: Groups, weights: Numbers, values: Numbers, number: int) -> Numbers:
    sums: Numbers = np.bincount(groups, weights * values, number) / np.bincount(groups, weights, number)
    return sums
