"""Replicates of an architecture: the mean of its results, and the spread of its next result around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.conformal import ConformalErrors
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.normal_scores import Scale

# From this number of surplus results on, replicates have a calibration of their own.
_ENOUGH = 10
# Bandwidth in normal scores: replicates inform about the noise of architectures with nearly the same score.
_BANDWIDTH = 0.25
# Number of assumed replicates, with the assumed noise.
_ASSUMED = 3


@dataclass(frozen=True, eq=False)
class Replicates:
    """Every result [r] of architectures with several, and the indices [r] of those among the labels."""

    indices: NDArray[np.int64]
    values: Numbers


NO_REPLICATES = Replicates(np.zeros(0, np.int64), np.zeros(0))


class ReplicateNoise:
    """The noise between replicates of ``count`` architectures; ``noise`` is the assumed standard deviation."""

    def __init__(self, replicates: Replicates, scale: Scale, noise: float, count: int) -> None:
        scores = scale.to_scores(replicates.values)
        counts = np.bincount(replicates.indices, minlength=count)
        sums = np.bincount(replicates.indices, weights=scores, minlength=count)
        self._counts = np.maximum(counts, 1)
        self._assumed = noise
        means = sums / self._counts
        # Deviations of each result from the mean of its other replicates, scaled to those of a single result.
        deviations = (scores - means[replicates.indices]) * np.sqrt(
            counts[replicates.indices] / (counts[replicates.indices] - 1)
        )
        # Architectures are compared, not results: a task has thousands of results of a thousand architectures.
        repeated = np.flatnonzero(counts)
        self._means, self._repeated = means[repeated], counts[repeated]
        self._squares = np.bincount(replicates.indices, weights=np.square(deviations), minlength=count)[repeated]
        self._errors: ConformalErrors | None = None
        if len(scores) - len(repeated) >= _ENOUGH:
            noises = np.zeros(count)
            noises[repeated] = self.noise_at(self._means)
            self._errors = ConformalErrors(deviations / noises[replicates.indices])

    def noise_at(self, scores: Numbers) -> Numbers:
        """Standard deviation between replicates [m] of architectures with scores [m]."""
        near = np.exp(-0.5 * np.square((scores[:, None] - self._means) / _BANDWIDTH))
        total = near @ self._squares + _ASSUMED * self._assumed**2
        return np.asarray(np.sqrt(total / (near @ self._repeated + _ASSUMED)))

    def join(
        self,
        mean: Numbers,
        deviation: Numbers,
        observed: Numbers,
        indices: NDArray[np.int64],
        otherwise: ConformalErrors,
    ) -> tuple[Numbers, Numbers, ConformalErrors]:
        """Combine normal predictions [m] with observed means [m] of architectures ``indices``, weighted by precision.

        Returns mean and deviation of the next result, and its calibration: ``otherwise`` if there are too few
        replicates for one of their own.
        """
        noise = np.square(self.noise_at(observed))
        of_mean = noise / self._counts[indices]
        share = np.square(deviation) / (np.square(deviation) + of_mean)
        joined = mean + share * (observed - mean)
        return joined, np.sqrt(share * of_mean + noise), self._errors or otherwise
