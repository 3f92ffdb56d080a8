"""Predictions for one task from its own results: a model version is adapted in milliseconds, never trained again.

Members: "gaussian_process" over structural features with a prior mean from the heads of the graph network,
"graph_network", the heads alone on the task's scale, and "k_nearest". A head counts by its agreement with the task's
own results (Kendall tau less one standard error, never below 0), so a misleading source has no say. Members are
weighed by what they say of results they have not seen (stacking of predictive distributions: Yao et al., Bayesian
Analysis 2018, section 3), and the width of the intervals comes from the errors of the whole on those results (split
conformal prediction with leave-one-out residuals: Barber et al., "Predictive inference with the jackknife+", 2021).
All of it happens on normal scores; answers are carried back to the unit of the task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import t as student_t

from headstart_server.prediction.gaussian_process import GaussianProcess, Hyperparameters, LeaveOneOut, Numbers
from headstart_server.prediction.nearest import NearestNeighbours
from headstart_server.prediction.normal_scores import Scale, normal_scores

AnyFloats = NDArray[np.floating]

GRAPH_NETWORK = "graph_network"
GAUSSIAN_PROCESS = "gaussian_process"
K_NEAREST = "k_nearest"

# Agreement is measured on so many results at most; pairs grow with their square.
_AGREEMENT_RESULTS = 256
_STACKING_STEPS = 50
# Errors that are taken as seen before any is: those of a t distribution with few degrees of freedom.
_ASSUMED_ERRORS = np.abs(student_t.ppf((np.arange(8) + 0.5) / 8, df=4))
# Level at which standard deviations and chances are calibrated.
_REFERENCE_LEVEL = 0.9


@dataclass(frozen=True)
class MemberEstimates:
    """What one member says [m], in the task's unit, and its weight; weights of all members sum to 1."""

    member: str
    means: Numbers
    deviations: Numbers
    weight: float


@dataclass(frozen=True)
class Estimates:
    """Arrays [m] in the task's unit. ``improvement`` is the chance to beat the incumbent; None where there is none."""

    means: Numbers
    deviations: Numbers
    lower: Numbers
    upper: Numbers
    improvement: Numbers | None
    members: tuple[MemberEstimates, ...]
    out_of_distribution: NDArray[np.bool_]


class AdaptedPredictor:
    """Fitted to the labelled architectures of one task; at least two of ``values`` are finite.

    features [n, d] are structural; scores [n, heads] come from a model that had not seen the task's value of that
    architecture, or are None before any model exists: then the nearest neighbours answer alone.
    """

    def __init__(
        self,
        features: AnyFloats,
        scores: Numbers | None,
        values: Numbers,
        maximize: bool,
        hyperparameters: Hyperparameters | None = None,
    ) -> None:
        known: Numbers = np.asarray(features, np.float64)
        self._scale = Scale.of(values, maximize)
        self._best = float(self._scale.scores[-1])
        targets = normal_scores(values, maximize)
        self._nearest = NearestNeighbours(known, targets)
        self.hyperparameters: Hyperparameters | None = None
        self.agreement: Numbers = np.zeros(0)
        self._heads: _WeightedHeads | None = None
        self._process: GaussianProcess | None = None
        members: list[tuple[str, LeaveOneOut]] = []
        if scores is not None:
            self._heads = _WeightedHeads(scores, targets)
            self.agreement = self._heads.weights
            prior = self._heads.combine(scores)
            self._line = _Line(prior, targets)
            self._process = GaussianProcess(known, prior[:, None], targets, hyperparameters)
            self.hyperparameters = self._process.hyperparameters
            members = [
                (GRAPH_NETWORK, self._line.leave_one_out()),
                (GAUSSIAN_PROCESS, self._process.leave_one_out()),
            ]
        members.append((K_NEAREST, self._nearest.leave_one_out()))
        self.names = tuple(name for name, _ in members)
        means = np.stack([told.means for _, told in members])
        deviations = np.maximum(np.stack([told.deviations for _, told in members]), 1e-6)
        self._unseen_means, self._unseen_deviations = means, deviations
        self._targets = targets
        self._noise = max((self._process or self._nearest).noise_deviation, 1e-3)
        self.weights = _stacking_weights(means, deviations, targets)
        mean, deviation = _mixture(means, deviations, self.weights)
        self._errors = np.sort(np.abs(targets - mean) / deviation)
        self._widening = self._half_width(_REFERENCE_LEVEL) / float(ndtri(0.5 + _REFERENCE_LEVEL / 2))

    def predict(
        self, features: AnyFloats, scores: Numbers | None, level: float, known: NDArray[np.int64] | None = None
    ) -> Estimates:
        """For features [m, d] and scores [m, heads]; intervals are to cover ``level`` of the values.

        ``known`` [m] is the place among the fitted architectures of one that has a result already, -1 for others. For
        those the members say what they would without that result, and the result itself is then joined to it.
        """
        asked: Numbers = np.asarray(features, np.float64)
        told = self._members(asked, scores)
        means = np.stack([mean for mean, _ in told])
        deviations = np.maximum(np.stack([deviation for _, deviation in told]), 1e-6)
        again = np.flatnonzero(known >= 0) if known is not None else np.zeros(0, np.int64)
        places = known[again] if known is not None else again
        means[:, again], deviations[:, again] = self._unseen_means[:, places], self._unseen_deviations[:, places]
        mean, deviation = _mixture(means, deviations, self.weights)
        mean[again], deviation[again] = self._joined(mean[again], deviation[again], self._targets[places])
        half = self._half_width(level) * deviation
        bounds = np.sort([self._scale.to_unit(mean - half), self._scale.to_unit(mean + half)], axis=0)
        unit_mean, unit_deviation = self._scale.moments(mean, deviation * self._widening)
        members = []
        for name, weight, one_mean, one_deviation in zip(self.names, self.weights, means, deviations, strict=True):
            members.append(MemberEstimates(name, *self._scale.moments(one_mean, one_deviation), float(weight)))
        return Estimates(
            means=np.clip(unit_mean, bounds[0], bounds[1]),
            deviations=unit_deviation,
            lower=bounds[0],
            upper=bounds[1],
            improvement=ndtr((mean - self._best) / (deviation * self._widening)),
            members=tuple(members),
            out_of_distribution=self._nearest.unlike_known(asked),
        )

    def _members(self, features: Numbers, scores: Numbers | None) -> list[tuple[Numbers, Numbers]]:
        if self._heads is None or self._process is None:
            return [self._nearest.predict(features)]
        assert scores is not None
        prior = self._heads.combine(scores)
        return [
            self._line.predict(prior),
            self._process.predict(features, prior[:, None]),
            self._nearest.predict(features),
        ]

    def _joined(self, mean: Numbers, deviation: Numbers, seen: Numbers) -> tuple[Numbers, Numbers]:
        """A normal prediction joined with one noisy result: mean and deviation of the next result."""
        noise = self._noise**2
        share = np.square(deviation) / (np.square(deviation) + noise)
        return mean + share * (seen - mean), np.sqrt(share * noise + noise)

    def _half_width(self, level: float) -> float:
        """Half of an interval's width in standard deviations, so that ``level`` of the errors seen lie inside."""
        errors = np.sort(np.concatenate([self._errors, _ASSUMED_ERRORS * _assumed_share(len(self._errors))]))
        seen = float(np.quantile(errors, min(1.0, level * (len(errors) + 1) / len(errors))))
        return max(seen, 1e-3)


def _assumed_share(count: int) -> float:
    """Few results say little about rare errors: their lack widens the assumed ones as Student's t does."""
    return float(student_t.ppf(0.95, df=max(count - 1, 1)) / ndtri(0.95))


class _WeightedHeads:
    """One number out of the scores of many heads: their mean, weighted by agreement with the targets, standardised."""

    def __init__(self, scores: Numbers, targets: Numbers) -> None:
        self._centre = scores.mean(axis=0)
        self._spread = np.maximum(scores.std(axis=0), 1e-9)
        self.weights = agreement(scores, targets)
        combined = self._mean(scores)
        self._size = max(float(combined.std()), 1e-9)

    def combine(self, scores: Numbers) -> Numbers:
        return self._mean(scores) / self._size

    def _mean(self, scores: Numbers) -> Numbers:
        total = float(self.weights.sum())
        if total <= 0.0:
            return np.zeros(len(scores))
        return np.asarray((scores - self._centre) / self._spread @ (self.weights / total))


def agreement(scores: Numbers, targets: Numbers) -> Numbers:
    """Kendall tau of each column of scores [n, heads] with targets [n], less one standard error, never below 0."""
    scores, targets = scores[-_AGREEMENT_RESULTS:], targets[-_AGREEMENT_RESULTS:]
    count = len(targets)
    if count < 3:
        return np.zeros(scores.shape[1])
    left, right = np.triu_indices(count, 1)
    wanted = np.sign(targets[left] - targets[right])
    told = np.sign(scores[left] - scores[right])
    norm = np.sqrt(np.square(wanted).sum() * np.square(told).sum(axis=0))
    tau = (wanted @ told) / np.maximum(norm, 1.0)
    error = np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    return np.asarray(np.maximum(tau - error, 0.0))


class _Line:
    """Targets as a line over one column, its slope held back as by one observation of no slope."""

    _HELD_BACK = 1.0

    def __init__(self, column: Numbers, targets: Numbers) -> None:
        design = self._design(column)
        self._inverse = np.linalg.inv(design.T @ design + np.diag([1e-9, self._HELD_BACK]))
        self._coefficients = self._inverse @ design.T @ targets
        influence = np.minimum(np.einsum("ij,jk,ik->i", design, self._inverse, design), 0.99)
        residuals = (targets - design @ self._coefficients) / (1.0 - influence)
        self._error = float(np.sqrt(np.square(residuals).mean() + 1e-12))
        self._own = LeaveOneOut(targets - residuals, np.full(len(targets), self._error))

    def leave_one_out(self) -> LeaveOneOut:
        return self._own

    def predict(self, column: Numbers) -> tuple[Numbers, Numbers]:
        design = self._design(column)
        unsure = np.einsum("ij,jk,ik->i", design, self._inverse, design)
        return design @ self._coefficients, self._error * np.sqrt(1.0 + unsure)

    @staticmethod
    def _design(column: Numbers) -> Numbers:
        return np.stack([np.ones(len(column)), column], axis=1)


def _stacking_weights(means: Numbers, deviations: Numbers, targets: Numbers) -> Numbers:
    """Weights [members] of highest likelihood of the mixture; one result's worth of equal weights keeps all in."""
    logarithms = -0.5 * np.square((targets - means) / deviations) - np.log(deviations)
    likelihoods = np.exp(logarithms - logarithms.max(axis=0))
    weights = np.full(len(means), 1.0 / len(means))
    for _ in range(_STACKING_STEPS):
        shares = weights[:, None] * likelihoods
        shares /= shares.sum(axis=0)
        weights = (shares.sum(axis=1) + 1.0 / len(means)) / (len(targets) + 1.0)
    return weights


def _mixture(means: Numbers, deviations: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    mean = weights @ means
    return mean, np.sqrt(weights @ (np.square(deviations) + np.square(means - mean)))
