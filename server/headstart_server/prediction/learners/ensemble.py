"""The ensemble of a task: its members, weighted and calibrated by their leave-one-out predictions."""

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
    """A fitted learner and its leave-one-out predictions [n] of the results."""

    name: str
    learner: FittedLearner
    leave_one_out: LeaveOneOut


@dataclass(frozen=True)
class EnsemblePrediction:
    """Mean and standard deviation [m] in normal scores, those of each member [members, m], and the members' weights."""

    mean: Numbers
    deviation: Numbers
    means: Numbers
    deviations: Numbers
    weights: Numbers


class Ensemble:
    """Members fitted to targets [n], weighted and calibrated by their leave-one-out predictions."""

    def __init__(self, members: list[Member], targets: Numbers) -> None:
        self.members = members
        self._means = np.stack([member.leave_one_out.means for member in members])
        self._deviations = np.maximum(np.stack([member.leave_one_out.deviations for member in members]), 1e-6)
        self.weights = ranking_weights(self._means, targets)
        mean, deviation = mixture(self._means, self._deviations, for_each_row(self.weights, self._means))
        self.errors = ConformalErrors((targets - mean) / deviation)

    def predict(self, columns: Columns, label_indices: NDArray[np.int64]) -> EnsemblePrediction:
        """Predict m candidates. ``label_indices`` [m] are their indices among the targets, -1 for candidates without.

        A candidate with a target gets the leave-one-out predictions of the members.
        """
        means, deviations = np.empty((2, len(self.members), len(label_indices)))
        labelled = label_indices >= 0
        means[:, labelled] = self._means[:, label_indices[labelled]]
        deviations[:, labelled] = self._deviations[:, label_indices[labelled]]
        if not labelled.all():
            predictions = [member.learner.predict(columns.rows(~labelled)) for member in self.members]
            means[:, ~labelled] = [mean for mean, _ in predictions]
            deviations[:, ~labelled] = np.maximum([deviation for _, deviation in predictions], 1e-6)
        weights = for_each_row(self.weights, means)
        return EnsemblePrediction(*mixture(means, deviations, weights), means, deviations, weights)
