"""Expected improvement of candidates under the surrogate, with local penalization for batches.

The acquisition value of a candidate is its expected improvement, averaged over the component models of the surrogate
by their weights, so a source can bring in the candidate that it ranks best. A chosen or pending candidate counts as
tried: the incumbent of each component rises by the improvement that the component expects of it, so the next choice
covers what other sources rank high.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart_server.prediction.sources.surrogate import ScoredCandidates
from headstart_server.runtime.deadline import check

Numbers = NDArray[np.float64]

# Length scale of the local penalty, in root mean square standardised features: once the task's own results locate the
# good candidates, and while only sources do.
NEAR, NEAR_AT_FIRST = 0.35, 0.1
# Choices after which incumbents stay fixed, since the cost of a choice grows with the candidates.
_MOST_INCUMBENT_UPDATES = 64


def expected_improvement(means: Numbers, deviations: Numbers, incumbent: float | Numbers) -> Numbers:
    """The expected gain of each candidate over the incumbent, never negative (Jones et al., J. Glob. Opt. 1998)."""
    ahead = means - incumbent
    positive = np.maximum(deviations, 1e-9)
    z = ahead / positive
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return np.asarray(np.maximum(ahead * ndtr(z) + positive * density, 0.0))


class Acquisition:
    """Acquisition values of candidates [m], updated as they are chosen one after the other."""

    def __init__(self, scored: ScoredCandidates, near: float = NEAR) -> None:
        self._scored, self._near = scored, near
        self._incumbents = np.full((len(scored.weights), 1), scored.incumbent)
        self._incumbent_updates = 0
        self._points = _standardised(scored.features)
        self._penalties = np.ones(len(scored.features))
        self._improvements = self._improvement()

    @property
    def by_component(self) -> Numbers:
        """Expected improvement [1 + k, m] under each component model times its weight."""
        return np.asarray(self._improvements * self._scored.weights[:, None])

    @property
    def values(self) -> Numbers:
        """Weighted expected improvement times the local penalty [m]."""
        return np.asarray(self._scored.weights @ self._improvements * self._penalties)

    def add_pending(self, index: int) -> None:
        """Count a candidate as tried."""
        self._penalties *= _local_penalty(self._points, index, self._near)
        if self._incumbent_updates < _MOST_INCUMBENT_UPDATES:
            self._incumbent_updates += 1
            self._incumbents = self._incumbents + self._improvements[:, [index]]
            self._improvements = self._improvement()

    def best_first(self, pending: NDArray[np.bool_], preferred: NDArray[np.bool_] | None = None) -> Iterator[int]:
        """Indices of the candidates that are not ``pending`` [m], in the order of choice.

        The first is one of the ``preferred`` [m] if there are any. A simplified local penalization (Gonzalez et al.,
        AISTATS 2016).
        """
        left = ~pending
        for index in np.flatnonzero(pending).tolist():
            check()
            self.add_pending(index)
        eligible = left & preferred if preferred is not None and (left & preferred).any() else left
        while left.any():
            check()
            index = int(np.argmax(np.where(eligible, self.values, -1.0)))
            yield index
            left[index] = False
            eligible = left
            self.add_pending(index)

    def _improvement(self) -> Numbers:
        predictions = self._scored.predictions
        return expected_improvement(predictions.means, predictions.deviations, self._incumbents)


def _standardised(features: NDArray[np.floating]) -> Numbers:
    points = np.asarray(features, np.float64)
    spread = points.std(axis=0) if len(points) else np.zeros(points.shape[1])
    varied = spread > 1e-6
    if not varied.any():
        return np.zeros((len(points), 0))
    return np.asarray((points[:, varied] - points[:, varied].mean(axis=0)) / spread[varied])


def _local_penalty(points: Numbers, index: int, near: float) -> Numbers:
    """Factors [m] from 0, at the candidate of this index, to 1 far from it."""
    if not points.shape[1]:
        return np.ones(len(points))
    distances = np.square(points - points[index]).mean(axis=1) / near**2
    return np.asarray(1.0 - np.exp(-0.5 * distances))
