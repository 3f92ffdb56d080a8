"""Members of an ensemble, weighed together and calibrated by what each says of results that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.learners.columns import Columns
from headstart_server.prediction.learners.conformal import ConformalErrors
from headstart_server.prediction.learners.gaussian_process import LeaveOneOut, Numbers
from headstart_server.prediction.learners.members import FittedLearner
from headstart_server.prediction.learners.stacking import for_each_row, mixture, ranking_weights


@dataclass(frozen=True, eq=False)
class Member:
    """A fitted learner, with its predictions ``unseen`` [n] of each result without itself."""

    name: str
    learner: FittedLearner
    unseen: LeaveOneOut


@dataclass(frozen=True)
class EnsemblePrediction:
    """Mean and standard deviation [m] in normal scores, those of each member [members, m], and the members' weights."""

    mean: Numbers
    deviation: Numbers
    means: Numbers
    deviations: Numbers
    weights: Numbers


class Ensemble:
    """Members of an ensemble, weighed and calibrated by their predictions of held-out results."""

    def __init__(self, members: list[Member], targets: Numbers) -> None:
        self.members = members
        self._means = np.stack([member.unseen.means for member in members])
        self._deviations = np.maximum(np.stack([member.unseen.deviations for member in members]), 1e-6)
        self.weights = ranking_weights(self._means, targets)
        mean, deviation = mixture(self._means, self._deviations, for_each_row(self.weights, self._means))
        self.errors = ConformalErrors((targets - mean) / deviation)

    def predict(self, columns: Columns, indices: NDArray[np.int64]) -> EnsemblePrediction:
        """Predict candidates. ``indices`` is as in ``Queries``: of known architectures the members predict without
        their own result.
        """
        means, deviations = np.empty((2, len(self.members), len(indices)))
        again = indices >= 0
        means[:, again] = self._means[:, indices[again]]
        deviations[:, again] = self._deviations[:, indices[again]]
        if not again.all():
            predicted = [member.learner.predict(columns.rows(~again)) for member in self.members]
            means[:, ~again] = [mean for mean, _ in predicted]
            deviations[:, ~again] = np.maximum([deviation for _, deviation in predicted], 1e-6)
        weights = for_each_row(self.weights, means)
        return EnsemblePrediction(*mixture(means, deviations, weights), means, deviations, weights)
