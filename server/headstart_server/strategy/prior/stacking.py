"""Stacking of the prior's members, and the guard that keeps to the single best arm: both fitted on unseen tasks.

The share of a member falls with the extra cost of its choices over the best member's, in standard errors of the
difference. The non-negative least-squares stack of all members (Breiman, Stacked regressions, 1996) competes as one
more.

The guard leaves the single best arm only if the predicted gain exceeds a multiple of the members' disagreement about
it. The admissible multiples are those whose choices on unseen tasks cost at most one standard error more than those
of the cheapest multiple, since the cheapest itself would follow chance. The guard takes the smallest admissible one,
so it always keeps to the single best arm (infinity) only where other choices have been shown to cost more. A
conservative guard, for searches, takes the largest, so it is finite only where other choices have been shown to cost
less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

MULTIPLES = (0.1, 0.25, 0.5, 1.0, math.inf)


@dataclass(frozen=True, eq=False)
class Stack:
    """``shares`` [members]; ``scales`` [members] bring a member's relative losses to the scale of the truth.

    ``multiple`` of the disagreement that a gain must exceed; ``errors`` [arms]: root mean squared error of the
    relative loss on unseen tasks.
    """

    scales: Numbers
    shares: Numbers
    multiple: float
    errors: Numbers


def relative(losses: Numbers) -> Numbers:
    """Losses [..., arms] minus their mean over the arms."""
    centred: Numbers = losses - losses.mean(axis=-1, keepdims=True)
    return centred


def chosen_loss(losses: Numbers, scores: Numbers) -> Numbers:
    """Losses [rows] of the arms of lowest score."""
    picked: Numbers = losses[np.arange(len(losses)), scores.argmin(axis=1)]
    return picked


def stack(
    predictions: Sequence[Numbers],
    losses: Numbers,
    tasks: NDArray[np.int64],
    penalty: Numbers,
    conservative: bool = False,
) -> Stack:
    """Stack members by their ``predictions`` [rows, arms] for unseen rows, and the ``losses`` [rows, arms] there.

    ``tasks`` [rows] are numbered from 0: choices are compared by task, since rows of one task err together. The guard
    compares arms with the pessimism ``penalty`` [arms] added to their losses. ``conservative``: it takes the largest
    admissible multiple, else the smallest.
    """
    truth = relative(losses)
    members = np.stack([relative(of_member) for of_member in predictions])
    deviations = members.std(axis=(1, 2))
    units = np.where(deviations > 0, 1 / np.maximum(deviations, 1e-300), 0.0)
    members = members * units[:, None, None]
    shares = _shares(members, losses, truth, tasks)
    mixed = np.tensordot(shares, members, axes=1)
    # Rescale to the truth, so that a gain is in units of loss; the slope is never negative.
    slope = max(0.0, float((mixed * truth).sum() / max(float((mixed**2).sum()), 1e-300)))
    members, mixed = members * slope, mixed * slope
    errors = np.sqrt(((mixed - truth) ** 2).mean(axis=0))
    multiple = _multiple(members + penalty, shares, losses + penalty, tasks, conservative)
    return Stack(units * slope, shares, multiple, errors)


def guarded(members: Numbers, shares: Numbers, single_best: int, multiple: float) -> tuple[NDArray[np.int64], Numbers]:
    """Choose an arm for each row from predictions ``members`` [members, rows, arms]; also the predicted gains [rows].

    The gain over the single best arm is that of the arm of lowest predicted loss, whether or not it is taken.
    """
    mixed = np.tensordot(shares, members, axes=1)
    rows = np.arange(len(mixed))
    lowest = mixed.argmin(axis=1)
    gains = members[:, rows, single_best] - members[:, rows, lowest]
    gain = np.tensordot(shares, gains, axes=1)
    disagreement = np.sqrt(np.tensordot(shares, (gains - gain) ** 2, axes=1))
    if math.isinf(multiple):
        return np.full(len(mixed), single_best), gain
    return np.where(gain > multiple * disagreement, lowest, single_best), gain


def _shares(members: Numbers, losses: Numbers, truth: Numbers, tasks: NDArray[np.int64]) -> Numbers:
    from scipy.optimize import nnls

    flat = members.reshape(len(members), -1)
    fitted = nnls(flat.T, truth.ravel())[0]
    mixtures = list(np.eye(len(members)))
    spread = np.tensordot(fitted, members, axes=1).std()
    # A stack that predicts the same for every arm is left out.
    if spread > 1e-12:
        mixtures.append(fitted / spread)
    costs = _by_task([chosen_loss(losses, np.tensordot(mixture, members, axes=1)) for mixture in mixtures], tasks)
    best = int(costs.mean(axis=1).argmin())
    extra = costs - costs[best]
    noise = extra.std(axis=1) / np.sqrt(costs.shape[1])
    standard = np.where(noise > 0, extra.mean(axis=1) / np.maximum(noise, 1e-300), 0.0)
    weighed = np.exp(-(standard**2) / 2) @ np.stack(mixtures)
    shares: Numbers = weighed / weighed.sum()
    return shares


def _multiple(
    members: Numbers, shares: Numbers, losses: Numbers, tasks: NDArray[np.int64], conservative: bool
) -> float:
    single_best = int(losses.mean(axis=0).argmin())
    rows = np.arange(len(losses))
    chosen = [guarded(members, shares, single_best, multiple)[0] for multiple in MULTIPLES]
    costs = _by_task([losses[rows, arms] for arms in chosen], tasks)
    extra = costs - costs[costs.mean(axis=1).argmin()]
    noise = extra.std(axis=1) / np.sqrt(costs.shape[1])
    admissible = np.flatnonzero(extra.mean(axis=1) <= noise)
    return MULTIPLES[int(admissible[-1 if conservative else 0])]


def _by_task(costs: Sequence[Numbers], tasks: NDArray[np.int64]) -> Numbers:
    """Mean costs [choices, tasks] over the rows of each task, from costs [rows] of each choice."""
    return np.stack([np.bincount(tasks, each) for each in costs]) / np.bincount(tasks)
