"""What the rewards of past searches say of their arms once noise is taken out of them.

A search pulls what it thinks little of a few times only, and single rewards vary more than arms differ, so that mean
rewards of one search are hardly evidence. They are taken apart: a mean is that of its row (a task in a phase of its
search), plus the effect of the arm, plus how the arm deviates on that task and in that phase, plus noise. The effect of
an arm comes from all tasks; its deviations are drawn towards 0 as far as noise explains them (the model of random
effects, fitted part by part until nothing moves; Searle, Casella and McCulloch, "Variance components", 1992, chapters 3
and 7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]

# Arms are taken to differ between groups by this variance at least: no past shows that they do not. Restricted maximum
# likelihood found .001 to .004 in pasts of the benchmark.
_LEAST_VARIANCE = 2e-3
_ROUNDS, _CHANGE = 100, 1e-6


@dataclass(frozen=True, eq=False)
class PooledRewards:
    """``rewards`` [rows, arms]: what an arm earns there, also where it was not pulled. ``errors`` [arms]: the standard
    error of its effect. ``doubt``: the variance that is left in how an arm deviates on a past task, a mean over arms
    and tasks."""

    rewards: Numbers
    errors: Numbers
    doubt: float


def pool_rewards(counts: Numbers, sums: Numbers, squares: Numbers, tasks: Groups, phases: Groups) -> PooledRewards:
    """From numbers of pulls, rewards and their squares summed [rows, arms]; of each row its task and phase, from 0.

    Every row and every arm needs a pull.
    """
    rows, arms = np.nonzero(counts)
    numbers = counts[rows, arms]
    means = sums[rows, arms] / numbers
    within = float((squares[rows, arms] - numbers * means**2).clip(0).sum())
    variance = max(within / max(float((numbers - 1).sum()), 1.0), 1e-12)
    groupings = (tasks, phases)
    # What each part says of the cells that have pulls.
    parts = np.zeros((len(groupings), len(rows)))
    between, of_arm = _LEAST_VARIANCE, np.zeros(counts.shape[1])
    for _ in range(_ROUNDS):
        weights = 1 / (between + variance / numbers)
        left = means - parts.sum(axis=0)
        of_row = _means(rows, weights, left - of_arm[arms], counts.shape[0])
        before, of_arm = of_arm, _means(arms, weights, left - of_row[rows], counts.shape[1])
        of_arm = of_arm - of_arm.mean()
        fitted = []
        for place, groups in enumerate(groupings):
            parts[place] = 0.0
            left = means - of_row[rows] - of_arm[arms] - parts.sum(axis=0)
            fitted.append(_deviations(groups[rows], arms, numbers, left, variance))
            parts[place] = fitted[-1].values[groups[rows], arms]
        between = fitted[0].between
        if np.abs(of_arm - before).max() < _CHANGE:
            break
    of_task, of_phase = fitted
    return PooledRewards(
        of_row[:, None] + of_arm + of_task.values[tasks] + of_phase.values[phases],
        1 / np.sqrt(np.bincount(arms, 1 / (between + variance / numbers))),
        of_task.doubt,
    )


@dataclass(frozen=True, eq=False)
class _Deviations:
    """``values`` [groups, arms], drawn towards 0; ``between``: their variance; ``doubt``: what is left of it."""

    values: Numbers
    between: float
    doubt: float


def _deviations(groups: Groups, arms: Groups, numbers: Numbers, left: Numbers, variance: float) -> _Deviations:
    """Of cells, each with its group, its arm, its number of pulls and what its mean is left with."""
    shape = (int(groups.max()) + 1, int(arms.max()) + 1)
    pulls, total = np.zeros(shape), np.zeros(shape)
    np.add.at(pulls, (groups, arms), numbers)
    np.add.at(total, (groups, arms), numbers * left)
    plain = total / np.maximum(pulls, 1)
    # Of each arm what its deviations show beyond noise, or 0; the mean over arms.
    beyond = np.where(pulls > 0, plain**2 * pulls - variance, 0.0).sum(axis=0).clip(0)
    between = max(float((beyond / np.maximum(pulls.sum(axis=0), 1)).mean()), _LEAST_VARIANCE)
    kept = between * pulls / (between * pulls + variance)
    return _Deviations(kept * plain, between, float((between * (1 - kept)).mean()))


def _means(groups: Groups, weights: Numbers, values: Numbers, number: int) -> Numbers:
    sums: Numbers = np.bincount(groups, weights * values, number) / np.bincount(groups, weights, number)
    return sums
