"""Random effects of arms: rewards of past searches with the noise taken out.

A search pulls unpromising arms only a few times, and single rewards vary more than arms differ, so mean rewards of
one search are weak evidence. Each mean is modelled as that of its row (a task in a phase of its search), plus the
effect of the arm, plus the deviations of the arm on that task and in that phase, plus noise. The effect of an arm
comes from all tasks; its deviations shrink towards 0 as far as noise explains them. The parts are fitted in turn
until none moves (Searle, Casella and McCulloch, "Variance components", 1992, chapters 3 and 7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]

# Least variance of an arm between groups, since no history can show that there is none. Restricted maximum likelihood
# gave .001 to .004 on the benchmark's histories.
_LEAST_VARIANCE = 2e-3
_ROUNDS, _CHANGE = 100, 1e-6


@dataclass(frozen=True, eq=False)
class PooledRewards:
    """``rewards`` [rows, arms]: fitted rewards, also where an arm was not pulled. ``errors`` [arms]: standard errors
    of the arms' effects. ``residual_variance``: the variance left in an arm's deviation on a past task, a mean over
    arms and tasks."""

    rewards: Numbers
    errors: Numbers
    residual_variance: float


def pool_rewards(counts: Numbers, sums: Numbers, squares: Numbers, tasks: Groups, phases: Groups) -> PooledRewards:
    """Fit the model to counts of pulls, sums of rewards and of their squares [rows, arms].

    ``tasks`` and ``phases`` [rows] are numbered from 0. Every row and every arm needs a pull.
    """
    rows, arms = np.nonzero(counts)
    numbers = counts[rows, arms]
    means = sums[rows, arms] / numbers
    within = float((squares[rows, arms] - numbers * means**2).clip(0).sum())
    variance = max(within / max(float((numbers - 1).sum()), 1.0), 1e-12)
    groupings = (tasks, phases)
    # Fitted deviations by task and by phase, of the cells with pulls.
    parts = np.zeros((len(groupings), len(rows)))
    between, of_arm = _LEAST_VARIANCE, np.zeros(counts.shape[1])
    for _ in range(_ROUNDS):
        weights = 1 / (between + variance / numbers)
        left = means - parts.sum(axis=0)
        of_row = _means(rows, weights, left - of_arm[arms], counts.shape[0])
        before, of_arm = of_arm, _means(arms, weights, left - of_row[rows], counts.shape[1])
        of_arm = of_arm - of_arm.mean()
        fitted = []
        for index, groups in enumerate(groupings):
            parts[index] = 0.0
            left = means - of_row[rows] - of_arm[arms] - parts.sum(axis=0)
            fitted.append(_deviations(groups[rows], arms, numbers, left, variance))
            parts[index] = fitted[-1].values[groups[rows], arms]
        between = fitted[0].between
        if np.abs(of_arm - before).max() < _CHANGE:
            break
    of_task, of_phase = fitted
    return PooledRewards(
        of_row[:, None] + of_arm + of_task.values[tasks] + of_phase.values[phases],
        1 / np.sqrt(np.bincount(arms, 1 / (between + variance / numbers))),
        of_task.residual_variance,
    )


@dataclass(frozen=True, eq=False)
class _Deviations:
    """``values`` [groups, arms], shrunk to 0; ``between``: their variance; ``residual_variance``: the rest of it."""

    values: Numbers
    between: float
    residual_variance: float


def _deviations(groups: Groups, arms: Groups, numbers: Numbers, left: Numbers, variance: float) -> _Deviations:
    """Fit deviations to cells: each with its group, arm, number of pulls, and the remainder of its mean."""
    shape = (int(groups.max()) + 1, int(arms.max()) + 1)
    pulls, total = np.zeros(shape), np.zeros(shape)
    np.add.at(pulls, (groups, arms), numbers)
    np.add.at(total, (groups, arms), numbers * left)
    plain = total / np.maximum(pulls, 1)
    # Variance of each arm's deviations beyond noise, at least 0; then the mean over arms.
    beyond = np.where(pulls > 0, plain**2 * pulls - variance, 0.0).sum(axis=0).clip(0)
    between = max(float((beyond / np.maximum(pulls.sum(axis=0), 1)).mean()), _LEAST_VARIANCE)
    shrinkage = between * pulls / (between * pulls + variance)
    return _Deviations(shrinkage * plain, between, float((between * (1 - shrinkage)).mean()))


def _means(groups: Groups, weights: Numbers, values: Numbers, number: int) -> Numbers:
    sums: Numbers = np.bincount(groups, weights * values, number) / np.bincount(groups, weights, number)
    return sums
