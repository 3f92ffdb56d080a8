"""Which of many judged candidates to try next: those that promise most, apart from one another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Numbers = NDArray[np.float64]

# Within about this distance, in root mean square standardised features, candidates are taken for much the same.
_NEAR = 0.35


def expected_improvement(means: Numbers, deviations: Numbers, incumbent: float) -> Numbers:
    """By how much each of [m] is expected to beat the incumbent, never negative (Jones et al., J. Glob. Opt. 1998)."""
    ahead = means - incumbent
    certain = np.maximum(deviations, 1e-9)
    z = ahead / certain
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.maximum(ahead * ndtr(z) + certain * density, 0.0))


def apart(promise: Numbers, features: NDArray[np.floating], pending: NDArray[np.bool_]) -> Iterator[int]:
    """Places of candidates, the most promising first, each held back by how near it is to one before it.

    promise [m] is not negative, features [m, d]. ``pending``: being tried by others, so they hold back too and are not
    proposed. A simplified local penalisation (Gonzalez et al., AISTATS 2016).
    """
    points = np.asarray(features, np.float64)
    spread = points.std(axis=0)
    varied = spread > 1e-6
    points = (points[:, varied] - points[:, varied].mean(axis=0)) / spread[varied]
    held = np.asarray(promise, np.float64).copy()
    left = ~pending
    for place in np.flatnonzero(pending).tolist():
        held *= _farness(points, place)
    while left.any():
        place = int(np.argmax(np.where(left, held, -1.0)))
        yield place
        left[place] = False
        held *= _farness(points, place)


def _farness(points: Numbers, place: int) -> Numbers:
    """0 for the same as the candidate at a place, 1 for what is far from it [m]."""
    if not points.shape[1]:
        return np.ones(len(points))
    distances = np.square(points - points[place]).mean(axis=1) / _NEAR**2
    return np.asarray(1.0 - np.exp(-0.5 * distances))
