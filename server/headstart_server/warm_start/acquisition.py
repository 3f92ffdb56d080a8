"""Which of many judged candidates to try next: those that promise most, apart from one another.

What a candidate promises is its expected improvement, averaged over the processes of the surrogate: each source may
lead to the candidate that it finds best, by its weight. A chosen or pending candidate counts as tried: the incumbent of
each process rises by the improvement that it expects, so the next choice covers what other sources find good.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart_server.prediction.service import Judged
from headstart_server.runtime.deadline import check

Numbers = NDArray[np.float64]

# Within about these distances, in root mean square standardised features, candidates are taken for much the same: when
# a task's own results tell where the good ones are, and while sources do.
NEAR, NEAR_AT_FIRST = 0.35, 0.1
# Choices after which incumbents stay, since the cost of a choice grows with the candidates.
_MOST_BELIEVED = 64


def expected_improvement(means: Numbers, deviations: Numbers, incumbent: float | Numbers) -> Numbers:
    """By how much each is expected to beat the incumbent, never negative (Jones et al., J. Glob. Opt. 1998)."""
    ahead = means - incumbent
    certain = np.maximum(deviations, 1e-9)
    z = ahead / certain
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.maximum(ahead * ndtr(z) + certain * density, 0.0))


class Acquisition:
    """The promise of candidates [m] as they are chosen one after the other."""

    def __init__(self, judged: Judged, near: float = NEAR) -> None:
        self._judged, self._near = judged, near
        self._incumbents = np.full((len(judged.weights), 1), judged.incumbent)
        self._believed = 0
        self._points = _standardised(judged.features)
        self._held = np.ones(len(judged.features))
        self._improvements = self._improvement()

    @property
    def by_process(self) -> Numbers:
        """Expected improvement [1 + k, m] by each process times its weight."""
        return np.asarray(self._improvements * self._judged.weights[:, None])

    @property
    def promise(self) -> Numbers:
        """[m]"""
        return np.asarray(self._judged.weights @ self._improvements * self._held)

    def believe(self, place: int) -> None:
        """The candidate at a place is being tried."""
        self._held *= _farness(self._points, place, self._near)
        if self._believed < _MOST_BELIEVED:
            self._believed += 1
            self._incumbents = self._incumbents + self._improvements[:, [place]]
            self._improvements = self._improvement()

    def best_first(self, pending: NDArray[np.bool_], preferred: NDArray[np.bool_] | None = None) -> Iterator[int]:
        """Places of candidates that are not ``pending`` [m]; the first is of the ``preferred`` [m] where there are any.

        A simplified local penalization (Gonzalez et al., AISTATS 2016).
        """
        left = ~pending
        for place in np.flatnonzero(pending).tolist():
            check()
            self.believe(place)
        among = left & preferred if preferred is not None and (left & preferred).any() else left
        while left.any():
            check()
            place = int(np.argmax(np.where(among, self.promise, -1.0)))
            yield place
            left[place] = False
            among = left
            self.believe(place)

    def _improvement(self) -> Numbers:
        predictions = self._judged.predictions
        return expected_improvement(predictions.means, predictions.deviations, self._incumbents)


def _standardised(features: NDArray[np.floating]) -> Numbers:
    points = np.asarray(features, np.float64)
    spread = points.std(axis=0) if len(points) else np.zeros(points.shape[1])
    varied = spread > 1e-6
    if not varied.any():
        return np.zeros((len(points), 0))
    return np.asarray((points[:, varied] - points[:, varied].mean(axis=0)) / spread[varied])


def _farness(points: Numbers, place: int, near: float) -> Numbers:
    """0 for the same as the candidate at a place, 1 for what is far from it [m]."""
    if not points.shape[1]:
        return np.ones(len(points))
    distances = np.square(points - points[place]).mean(axis=1) / near**2
    return np.asarray(1.0 - np.exp(-0.5 * distances))
