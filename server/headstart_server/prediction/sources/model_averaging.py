"""Bayesian model averaging: a Gaussian process of the task alone, and one for each source column.

All Gaussian processes have the same covariance over the features of the task's own results. The first has a constant
mean. The mean of each other one is linear in a column: the scores of candidates by a source task, or the mean of all
sources. The evidence of the results averages them (Hoeting et al., Statistical Science 1999; closed form for a linear
mean and an unknown scale: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, section 2.7, and
Gelman et al., "Bayesian Data Analysis", 2013, chapter 14). The evidence is the product of the predictive densities of
the results, each given the results before it, so a source weighs as much as it predicted the results in advance.
Without results the average is the prior, which ``expected_agreement`` learns from the past tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.special import log_ndtr

from headstart_server.prediction.learners.gaussian_process import Numbers, linspace_indices, matern, squared_distances

_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_NOISES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Prior variance of a source's slope, relative to the scale of the Gaussian process.
_SLOPE_VARIANCE = 0.3
# The prior on scales weighs as much as this number of results.
_SCALE_STRENGTH = 4.0
# The grid search of hyperparameters uses at most this number of results.
_GRID_RESULTS = 256
# Hyperparameters while there is no result.
_FIRST_LENGTH, _FIRST_NOISE = 2.0, 0.1


@dataclass(frozen=True)
class KernelParameters:
    """``length`` in units of the space's distance; ``noise`` variance relative to that of the Gaussian process."""

    length: float
    noise: float


@dataclass(frozen=True, eq=False)
class SourcePrior:
    """The prior of each source column [k].

    ``alone`` is the prior probability of the model without a source, ``weights`` [k] that of each column's model;
    together they sum to 1. ``slopes`` [k] are the expected increases of the task with a column, never negative;
    ``residuals`` [k] are the variances that a column leaves unexplained.
    """

    alone: float
    weights: Numbers
    slopes: Numbers
    residuals: Numbers

    @classmethod
    def without_sources(cls) -> SourcePrior:
        """The prior of a task without source columns."""
        return cls(1.0, np.zeros(0), np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """Means and standard deviations [1 + k, m] of a new result by each model; that of the task alone comes first."""

    means: Numbers
    deviations: Numbers


@dataclass(frozen=True, eq=False)
class _Posterior:
    """The posterior under one choice of hyperparameters.

    ``factor`` is the Cholesky factor of the covariance; ``targets`` [n] and ``columns`` [n, k] are whitened by it.
    ``evidences`` [1 + k] are logarithms. ``slopes`` [k] have ``slope_variances`` [k] relative to ``scales`` [1 + k].
    """

    factor: Numbers
    targets: Numbers
    columns: Numbers
    evidences: Numbers
    scales: Numbers
    slopes: Numbers
    slope_variances: Numbers

    @property
    def evidence(self) -> float:
        """The log evidence of the whole average."""
        return float(np.logaddexp.reduce(self.evidences))


class ModelAverage:
    """Bayesian model average fitted to features [n, d], columns [n, k] and targets [n], which are normal scores.

    n may be 0. ``distance`` is the unit of lengths. Hyperparameters are searched if none are given.
    """

    def __init__(
        self,
        features: Numbers,
        columns: Numbers,
        targets: Numbers,
        prior: SourcePrior,
        distance: float,
        hyperparameters: KernelParameters | None = None,
    ) -> None:
        self._features, self._distance, self._prior = features, distance, prior
        self._count = len(targets)
        self._offset = float(targets.mean()) if self._count else 0.0
        self._centres: Numbers = columns.mean(axis=0) if self._count else np.zeros(columns.shape[1])
        if not self._count:
            self.hyperparameters = KernelParameters(_FIRST_LENGTH, _FIRST_NOISE)
            self.weights: Numbers = np.array([prior.alone, *prior.weights])
            return
        if hyperparameters is None:
            chosen = linspace_indices(self._count, _GRID_RESULTS)
            hyperparameters = self._most_likely(features[chosen], columns[chosen], targets[chosen])
        self.hyperparameters = hyperparameters
        distances = np.sqrt(squared_distances(features, features))
        self._posterior = self._condition(distances, columns, targets, hyperparameters)
        self.weights = np.exp(self._posterior.evidences - self._posterior.evidence)

    @property
    def share_of_sources(self) -> float:
        """The posterior probability of all models with a source."""
        return float(1.0 - self.weights[0])

    def predict(self, features: Numbers, columns: Numbers) -> ModelPredictions:
        """Predictions for features [m, d] and columns [m, k]."""
        noise, prior = self.hyperparameters.noise, self._prior
        if not self._count:
            means = np.vstack([np.zeros(len(columns)), (columns * prior.slopes).T])
            spread = 1.0 + noise + _SLOPE_VARIANCE * np.square(columns)
            variances = np.vstack([np.full(len(columns), 1.0 + noise), (spread * prior.residuals).T])
            return ModelPredictions(means, np.sqrt(variances))
        posterior = self._posterior
        known = self._covariance(np.sqrt(squared_distances(self._features, features)), self.hyperparameters.length)
        white = solve_triangular(posterior.factor, known, lower=True, overwrite_b=True, check_finite=False)
        alone = self._offset + white.T @ posterior.targets
        own = np.maximum(1.0 + noise - np.square(white).sum(axis=0), 1e-9)
        rest = columns - self._centres - white.T @ posterior.columns
        means = np.vstack([alone, (alone[:, None] + rest * posterior.slopes).T])
        led = own[:, None] + posterior.slope_variances * np.square(rest)
        return ModelPredictions(means, np.sqrt(np.vstack([posterior.scales[0] * own, (posterior.scales[1:] * led).T])))

    def _covariance(self, distances: Numbers, length: float) -> Numbers:
        return matern(distances / (length * self._distance))

    def _most_likely(self, features: Numbers, columns: Numbers, targets: Numbers) -> KernelParameters:
        distances = np.sqrt(squared_distances(features, features))
        grid = [KernelParameters(length, noise) for length in _LENGTHS for noise in _NOISES]
        return max(grid, key=lambda each: self._condition(distances, columns, targets, each).evidence)

    def _condition(
        self, distances: Numbers, columns: Numbers, targets: Numbers, hyperparameters: KernelParameters
    ) -> _Posterior:
        covariance = self._covariance(distances, hyperparameters.length)
        covariance[np.diag_indices_from(covariance)] += hyperparameters.noise + 1e-8
        factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        sides = np.column_stack([targets - self._offset, columns - self._centres])
        white = solve_triangular(factor, sides, lower=True, overwrite_b=True, check_finite=False)
        own, led = white[:, 0], white[:, 1:]
        prior, size = self._prior, float(np.log(np.diag(factor)).sum())
        # The slope of a column is normal around its expectation, truncated at 0.
        remaining = own[:, None] - led * prior.slopes
        precisions = 1.0 / _SLOPE_VARIANCE + np.square(led).sum(axis=0)
        along = (led * remaining).sum(axis=0)
        squares = np.append(own @ own, np.square(remaining).sum(axis=0) - np.square(along) / precisions)
        expected = _SCALE_STRENGTH * np.append(1.0, prior.residuals)
        scales = (squares + expected) / (len(targets) + _SCALE_STRENGTH)
        evidences = -0.5 * (len(targets) + _SCALE_STRENGTH) * np.log(squares + expected)
        evidences += 0.5 * _SCALE_STRENGTH * np.log(expected) - size
        evidences[0] += np.log(prior.alone)
        means, variances = prior.slopes + along / precisions, scales[1:] / precisions
        ahead = means / np.sqrt(variances)
        evidences[1:] += np.log(np.maximum(prior.weights, 1e-300)) - 0.5 * np.log1p(
            _SLOPE_VARIANCE * (precisions - 1.0 / _SLOPE_VARIANCE)
        )
        evidences[1:] += log_ndtr(ahead) - log_ndtr(prior.slopes / np.sqrt(_SLOPE_VARIANCE * scales[1:]))
        slopes, shrunk = _truncated_at_zero(means, np.sqrt(variances), ahead)
        return _Posterior(factor, own, led, evidences, scales, slopes, shrunk / precisions)


def _truncated_at_zero(means: Numbers, deviations: Numbers, ahead: Numbers) -> tuple[Numbers, Numbers]:
    """Means of normal distributions truncated at 0, and the share of their variance that remains."""
    hazard = np.exp(-0.5 * np.square(ahead) - log_ndtr(ahead)) / np.sqrt(2.0 * np.pi)
    return means + deviations * hazard, np.clip(1.0 - hazard * (hazard + ahead), 0.02, 1.0)
