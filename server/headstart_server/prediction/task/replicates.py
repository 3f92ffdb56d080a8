"""Replicates: the mean of an architecture's results, and how far a further result may lie from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.conformal import ConformalErrors
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.normal_scores import Scale

# From this number of replicates on, their errors have a calibration of their own.
_ENOUGH = 10
# Replicates inform about architectures of nearly this score (bandwidth in normal scores), beside a few of the assumed
# noise.
_REACH = 0.25
_ASSUMED = 3


@dataclass(frozen=True, eq=False)
class Replicates:
    """Every result [r] of architectures with several, and the indices [r] of those among the labels."""

    indices: NDArray[np.int64]
    values: Numbers


NO_REPLICATES = Replicates(np.zeros(0, np.int64), np.zeros(0))


class ReplicateNoise:
    """Replicates of ``count`` architectures; ``noise`` is the assumed standard deviation between them."""

    def __init__(self, replicates: Replicates, scale: Scale, noise: float, count: int) -> None:
        scores = scale.to_scores(replicates.values)
        counts = np.bincount(replicates.indices, minlength=count)
        sums = np.bincount(replicates.indices, weights=scores, minlength=count)
        self._counts = np.maximum(counts, 1)
        self._assumed = noise
        means = sums / self._counts
        # The deviation of each result from the mean of its other replicates, as if it alone were off.
        apart = (scores - means[replicates.indices]) * np.sqrt(
            counts[replicates.indices] / (counts[replicates.indices] - 1)
        )
        # Architectures are compared, not results: a task has thousands of results of a thousand architectures.
        repeated = np.flatnonzero(counts)
        self._means, self._repeated = means[repeated], counts[repeated]
        self._squares = np.bincount(replicates.indices, weights=np.square(apart), minlength=count)[repeated]
        self._errors: ConformalErrors | None = None
        if len(scores) - len(repeated) >= _ENOUGH:
            noises = np.zeros(count)
            noises[repeated] = self.noise_at(self._means)
            self._errors = ConformalErrors(apart / noises[replicates.indices])

    def noise_at(self, scores: Numbers) -> Numbers:
        """Standard deviation between replicates [m] of architectures with scores [m]."""
        near = np.exp(-0.5 * np.square((scores[:, None] - self._means) / _REACH))
        total = near @ self._squares + _ASSUMED * self._assumed**2
        return np.asarray(np.sqrt(total / (near @ self._repeated + _ASSUMED)))

    def join(
        self, mean: Numbers, deviation: Numbers, seen: Numbers, indices: NDArray[np.int64], otherwise: ConformalErrors
    ) -> tuple[Numbers, Numbers, ConformalErrors]:
        """Normal predictions [m] joined with observed results [m]: mean and deviation of the next result,
        calibration.

        ``otherwise`` is the calibration if there are too few replicates for one of their own.
        """
        noise = np.square(self.noise_at(seen))
        of_mean = noise / self._counts[indices]
        share = np.square(deviation) / (np.square(deviation) + of_mean)
        joined = mean + share * (seen - mean)
        return joined, np.sqrt(share * of_mean + noise), self._errors or otherwise
