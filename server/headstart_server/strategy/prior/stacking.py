"""How much each member of a prior counts, and when the prior is trusted: both by tasks the members have not seen.

A member counts by how much dearer its choices are than the best member's, in standard errors of the difference; to
them comes the non-negative least-squares stack of all (Breiman, Stacked regressions, 1996) as one more. The guard asks
that the predicted gain over the single best arm exceeds a multiple of the members' disagreement about it. Some
multiples have choices on unseen tasks that are no dearer than the cheapest multiple's by more than a standard error. It
is the smallest of them: infinite, and the single best arm always taken, only where others have been shown to be dearer.
In searches it is the largest: finite only where other choices have been shown to be cheaper. The cheapest multiple
itself would follow chance.
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
    """``scales`` and ``shares`` [members]: a member's relative losses times its scale are those of the truth.

    ``multiple`` of the disagreement that a gain must exceed; ``errors`` [arms]: root of the mean squared error of the
    relative loss on unseen tasks.
    """

    scales: Numbers
    shares: Numbers
    multiple: float
    errors: Numbers


def relative(losses: Numbers) -> Numbers:
    """Losses [..., arms] less their mean over the arms."""
    centred: Numbers = losses - losses.mean(axis=-1, keepdims=True)
    return centred


def chosen_loss(losses: Numbers, scores: Numbers) -> Numbers:
    """The losses [rows] of the arms of lowest score."""
    picked: Numbers = losses[np.arange(len(losses)), scores.argmin(axis=1)]
    return picked


def stack(
    said: Sequence[Numbers], losses: Numbers, tasks: NDArray[np.int64], caution: Numbers, careful: bool = False
) -> Stack:
    """From what members said of unseen rows, each [rows, arms], the losses there [rows, arms], and the task of each
    row, 0, 1, 2, ...: choices are compared by task, since rows of one task err together.

    The guard compares arms with ``caution`` [arms] added to their losses. ``careful``: it asks for the largest gain
    that it may, not the smallest.
    """
    truth = relative(losses)
    each = np.stack([relative(of_member) for of_member in said])
    deviations = each.std(axis=(1, 2))
    units = np.where(deviations > 0, 1 / np.maximum(deviations, 1e-300), 0.0)
    each = each * units[:, None, None]
    shares = _shares(each, losses, truth, tasks)
    mixed = np.tensordot(shares, each, axes=1)
    # On the scale of the truth, so that a gain is in units of loss; never turned around.
    slope = max(0.0, float((mixed * truth).sum() / max(float((mixed**2).sum()), 1e-300)))
    each, mixed = each * slope, mixed * slope
    errors = np.sqrt(((mixed - truth) ** 2).mean(axis=0))
    multiple = _multiple(each + caution, shares, losses + caution, tasks, careful)
    return Stack(units * slope, shares, multiple, errors)


def guarded(each: Numbers, shares: Numbers, single_best: int, multiple: float) -> tuple[NDArray[np.int64], Numbers]:
    """The arm to take for each row and the predicted gain over the single best one, of members' [members, rows, arms].

    The gain is that of the arm of lowest predicted loss, whether it is taken or not.
    """
    mixed = np.tensordot(shares, each, axes=1)
    rows = np.arange(len(mixed))
    lowest = mixed.argmin(axis=1)
    gains = each[:, rows, single_best] - each[:, rows, lowest]
    gain = np.tensordot(shares, gains, axes=1)
    disagreement = np.sqrt(np.tensordot(shares, (gains - gain) ** 2, axes=1))
    if math.isinf(multiple):
        return np.full(len(mixed), single_best), gain
    return np.where(gain > multiple * disagreement, lowest, single_best), gain


def _shares(each: Numbers, losses: Numbers, truth: Numbers, tasks: NDArray[np.int64]) -> Numbers:
    from scipy.optimize import nnls

    flat = each.reshape(len(each), -1)
    fitted = nnls(flat.T, truth.ravel())[0]
    voices = [np.eye(len(each))[place] for place in range(len(each))]
    spread = np.tensordot(fitted, each, axes=1).std()
    # Members that say the same of every arm are no voice.
    if spread > 1e-12:
        voices.append(fitted / spread)
    costs = _by_task([chosen_loss(losses, np.tensordot(voice, each, axes=1)) for voice in voices], tasks)
    best = int(costs.mean(axis=1).argmin())
    dearer = costs - costs[best]
    noise = dearer.std(axis=1) / np.sqrt(costs.shape[1])
    standard = np.where(noise > 0, dearer.mean(axis=1) / np.maximum(noise, 1e-300), 0.0)
    weighed = np.exp(-(standard**2) / 2) @ np.stack(voices)
    shares: Numbers = weighed / weighed.sum()
    return shares


def _multiple(each: Numbers, shares: Numbers, losses: Numbers, tasks: NDArray[np.int64], careful: bool) -> float:
    single_best = int(losses.mean(axis=0).argmin())
    rows = np.arange(len(losses))
    chosen = [guarded(each, shares, single_best, multiple)[0] for multiple in MULTIPLES]
    costs = _by_task([losses[rows, arms] for arms in chosen], tasks)
    dearer = costs - costs[costs.mean(axis=1).argmin()]
    noise = dearer.std(axis=1) / np.sqrt(costs.shape[1])
    possible = np.flatnonzero(dearer.mean(axis=1) <= noise)
    return MULTIPLES[int(possible[-1 if careful else 0])]


def _by_task(costs: Sequence[Numbers], tasks: NDArray[np.int64]) -> Numbers:
    """Means over the rows of each task, [choices, tasks], of costs each [rows]."""
    return np.stack([np.bincount(tasks, each) for each in costs]) / np.bincount(tasks)
