"""Choice of one candidate for several tasks by its expected ranks, on average or on its worst task."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Objective(Enum):
    """Best weighted average rank, or best rank on the worst task."""

    WEIGHTED = 1
    WORST_CASE = 2


def choose(ranks: Numbers, weights: Sequence[float], objective: Objective) -> int:
    """The index of the best candidate by expected ranks [candidates, tasks], 0 to 1, higher is better.

    WORST_CASE ignores the weights, except to break ties.
    """
    shares = np.asarray(weights, np.float64) / float(np.sum(weights))
    mean = ranks @ shares
    if objective is Objective.WEIGHTED:
        return int(np.argmax(mean))
    worst = ranks.min(axis=1)
    return int(np.lexsort((mean, worst))[-1])


def share_beaten(values: Numbers, known: Numbers) -> Numbers:
    """The share of the known values [n] that each value [m] beats, ties counting half; higher is better in both."""
    order = np.sort(known)
    below = np.searchsorted(order, values, side="left")
    upto = np.searchsorted(order, values, side="right")
    return np.asarray((below + upto) / (2.0 * max(len(known), 1)))


def expected_on_target(ranks: Numbers, tau: float) -> Numbers:
    """Expected ranks on a target from ranks on the source: shrunk to the middle as far as the two disagree."""
    return np.asarray(0.5 + max(tau, 0.0) * (ranks - 0.5))
