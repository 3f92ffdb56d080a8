"""One candidate for several tasks: the one whose expected ranks are best, on average or where it is worst."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Objective(Enum):
    WEIGHTED = 1
    WORST_CASE = 2


def choose(ranks: Numbers, weights: Sequence[float], objective: Objective) -> int:
    """The place of the best of candidates with expected ranks [candidates, tasks], 0 to 1, higher is better.

    WORST_CASE ignores the weights; of equally bad ones the better on average is taken.
    """
    shares = np.asarray(weights, np.float64) / float(np.sum(weights))
    mean = ranks @ shares
    if objective is Objective.WEIGHTED:
        return int(np.argmax(mean))
    worst = ranks.min(axis=1)
    return int(np.lexsort((mean, worst))[-1])


def share_beaten(values: Numbers, known: Numbers) -> Numbers:
    """For each of [m] the share of the known values [n] that it beats, ties half; higher is better in both."""
    order = np.sort(known)
    below = np.searchsorted(order, values, side="left")
    upto = np.searchsorted(order, values, side="right")
    return np.asarray((below + upto) / (2.0 * max(len(known), 1)))


def carried_over(ranks: Numbers, tau: float) -> Numbers:
    """Ranks on the source as they are expected on a target: towards the middle, the less the two agree."""
    return np.asarray(0.5 + max(tau, 0.0) * (ranks - 0.5))
