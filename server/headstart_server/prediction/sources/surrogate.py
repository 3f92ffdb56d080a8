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

# With so many results of its own a task weighs them as much as the sources; from so many on at least.
_STRENGTH_OF_SOURCES = 10.0
_FIRST_OWN = 8


def target_weight(count: int) -> float:
    """The least weight of a task's own ``count`` results against all sources, 0 to 1; it never falls as they grow.

    Nothing while there are few: whether sources are to be followed is then left to the evidence.
    """
    return count / (count + _STRENGTH_OF_SOURCES) if count >= _FIRST_OWN else 0.0


@dataclass(frozen=True, eq=False)
class Judged:
    """Candidates with features [m, d] on the scale of the space, as each of 1 + k processes predicts them.

    ``weights`` [1 + k] of sum 1; the first process is that of the task alone. ``incumbent``: the score to beat.
    ``columns`` [m, k]: what sources say, 0 for their average candidate.
    """

    features: Numbers
    columns: Numbers
    predictions: ModelPredictions
    weights: Numbers
    incumbent: float

    @property
    def mean(self) -> Numbers:
        """Of all processes [m]."""
        return np.asarray(self.weights @ self.predictions.means)

    @property
    def source_scores(self) -> Numbers:
        """What the sources say by their weights [m]: 0 for an average candidate, and where they have none."""
        weights = self.weights[1:]
        return np.asarray(self.columns @ weights) / max(float(weights.sum()), 1e-300)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """``count``: architectures of the task that it rests on, failed ones too; ``incumbent``: the score to beat.

    ``source_weights``: by task id, 0 to 1: how far its ranking agrees with the task's, as expected while there are few
    results and as measured from then on. ``sources``: the task behind each column, empty for a mean. ``seen``: how many
    past tasks showed the agreement expected of them. ``columns`` [m, k] of candidates, NaN where a source fails;
    ``features`` [m, d] of candidates on the scale of the space.
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
        """What all sources are worth by the evidence of the task's results, 0 to 1."""
        return self.average.share_of_sources

    def judge(self, candidates: Sequence[CanonicalCandidate], with_sources: bool = True) -> Judged:
        """Candidates that the task has no result of; ``with_sources`` False: by the task alone."""
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
