"""The surrogate of a search: predictions of candidates for a task, from its own results and from past tasks.

It predicts normal scores of the task. Each component of the model average predicts on its own, so a candidate that one
source ranks high stays visible. The component of the task alone has at least a weight that rises with its results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.sources.columns import SourceColumns
from headstart_server.prediction.sources.model_averaging import ModelPredictions
from headstart_server.prediction.sources.surrogate_cache import FittedAverage

# From the second number of results on a task has a least weight; at the first number that is half.
_STRENGTH_OF_SOURCES = 10.0
_FIRST_OWN = 8


def target_weight(count: int) -> float:
    """The least weight of a task's own ``count`` results against all sources, 0 to 1; it never falls as they grow.

    It is 0 for few results: the evidence alone then decides how much the sources weigh.
    """
    return count / (count + _STRENGTH_OF_SOURCES) if count >= _FIRST_OWN else 0.0


@dataclass(frozen=True, eq=False)
class ScoredCandidates:
    """Candidates with features [m, d] on the scale of the space, and predictions of them by 1 + k models.

    ``weights`` [1 + k] sum to 1; the first model is that of the task alone. ``incumbent`` is the score to beat.
    ``columns`` [m, k] are the scores by sources; an average candidate scores 0.
    """

    features: Numbers
    columns: Numbers
    predictions: ModelPredictions
    weights: Numbers
    incumbent: float

    @property
    def mean(self) -> Numbers:
        """The weighted mean of the models' predictions [m]."""
        return np.asarray(self.weights @ self.predictions.means)

    @property
    def source_scores(self) -> Numbers:
        """The weighted score by the sources [m]; 0 for an average candidate, and without sources."""
        weights = self.weights[1:]
        return np.asarray(self.columns @ weights) / max(float(weights.sum()), 1e-300)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A fitted average, with the features and the source columns of further candidates.

    ``source_weights`` by task id, 0 to 1: the agreement of a source's ranking with the task's, expected while there
    are few results, measured from then on.
    """

    fitted: FittedAverage
    features: StructuralFeatures
    columns: SourceColumns
    source_weights: Mapping[str, float]

    @property
    def count(self) -> int:
        """The number of the task's architectures behind it, failed ones included."""
        return len(self.fitted.targets)

    @property
    def sources(self) -> Sequence[str]:
        """The task behind each source column; empty for a mean."""
        return self.columns.task_ids

    @property
    def support(self) -> float:
        """The number of past tasks behind the expected agreement of the sources."""
        return self.columns.support

    @property
    def share_of_sources(self) -> float:
        """The posterior weight of all sources, 0 to 1."""
        return self.fitted.average.share_of_sources

    def predict(self, candidates: Sequence[CanonicalCandidate], with_sources: bool = True) -> ScoredCandidates:
        """Predictions for candidates without a result; ``with_sources`` False gives the sources no weight."""
        features = self.fitted.scale.scaled(self.features.vectors(candidates))
        columns = self.columns.scores(candidates)
        scored: NDArray[np.bool_] = np.asarray(np.isfinite(columns).all(axis=1))
        columns = np.where(scored[:, None], columns, 0.0)
        predictions = self.fitted.average.predict(features, columns)
        for values in (predictions.means, predictions.deviations):
            values[1:, ~scored] = values[0, ~scored]
        return ScoredCandidates(features, columns, predictions, self._weights(with_sources), self.fitted.incumbent)

    def _weights(self, with_sources: bool) -> Numbers:
        weights = self.fitted.average.weights.copy()
        own = max(target_weight(self.count), float(weights[0])) if with_sources else 1.0
        weights[1:] *= (1.0 - own) / max(float(weights[1:].sum()), 1e-300)
        weights[0] = own
        return weights
