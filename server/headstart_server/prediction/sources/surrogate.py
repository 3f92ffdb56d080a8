"""The surrogate that a search goes by: how good candidates are for its task, by its own results and by past tasks.

On normal scores of the task's own results. Each process of the model average predicts on its own, so that what one
source finds good is not evened out by the others. The weight of the task's own process is never below a share that only
rises as results come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.sources.model_averaging import ModelAverage, ModelPredictions

# With the first number of results a task weighs as much as its sources; from the second on, at least.
_STRENGTH_OF_SOURCES = 10.0
_FIRST_OWN = 8


def target_weight(count: int) -> float:
    """The least weight of a task's own ``count`` results against all sources, 0 to 1; it never falls as they grow.

    It is 0 while there are few; the evidence alone then decides how far sources are followed.
    """
    return count / (count + _STRENGTH_OF_SOURCES) if count >= _FIRST_OWN else 0.0


@dataclass(frozen=True, eq=False)
class Judged:
    """Candidates with features [m, d] on the scale of the space, as predicted by each of 1 + k models.

    ``weights`` [1 + k] sum to 1; the first model is that of the task alone. ``incumbent`` is the score to beat.
    ``columns`` [m, k] are the scores by sources, 0 for their average candidate.
    """

    features: Numbers
    columns: Numbers
    predictions: ModelPredictions
    weights: Numbers
    incumbent: float

    @property
    def mean(self) -> Numbers:
        """The mean of the models [m]."""
        return np.asarray(self.weights @ self.predictions.means)

    @property
    def source_scores(self) -> Numbers:
        """The weighted score by the sources [m]: 0 for an average candidate, and if they have no weight."""
        weights = self.weights[1:]
        return np.asarray(self.columns @ weights) / max(float(weights.sum()), 1e-300)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """``count`` is the number of the task's architectures behind it, failed ones too; ``incumbent`` the score to
    beat.

    ``source_weights`` by task id, 0 to 1: the agreement of its ranking with the task's, expected while there are few
    results and measured from then on. ``sources`` is the task behind each column, empty for a mean. ``seen`` is the
    number of past tasks that showed the expected agreement. ``columns`` [m, k] of candidates are NaN where a source
    fails; ``features`` [m, d] of candidates are on the scale of the space.
    """

    average: ModelAverage
    count: int
    incumbent: float
    source_weights: Mapping[str, float]
    sources: Sequence[str]
    seen: float
    features: Callable[[Sequence[CanonicalCandidate]], Numbers]
    columns: Callable[[Sequence[CanonicalCandidate]], Numbers]

    @property
    def share_of_sources(self) -> float:
        """The posterior weight of all sources, 0 to 1."""
        return self.average.share_of_sources

    def judge(self, candidates: Sequence[CanonicalCandidate], with_sources: bool = True) -> Judged:
        """Predictions for candidates without a result; ``with_sources`` False: by the task alone."""
        features, columns = self.features(candidates), self.columns(candidates)
        heard: NDArray[np.bool_] = np.asarray(np.isfinite(columns).all(axis=1))
        columns = np.where(heard[:, None], columns, 0.0)
        predictions = self.average.predict(features, columns)
        for values in (predictions.means, predictions.deviations):
            values[1:, ~heard] = values[0, ~heard]
        return Judged(features, columns, predictions, self._weights(with_sources), self.incumbent)

    def _weights(self, with_sources: bool) -> Numbers:
        weights = self.average.weights.copy()
        own = max(target_weight(self.count), float(weights[0])) if with_sources else 1.0
        weights[1:] *= (1.0 - own) / max(float(weights[1:].sum()), 1e-300)
        weights[0] = own
        return weights
