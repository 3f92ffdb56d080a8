"""An exact Gaussian process in closed form, fitted in milliseconds, so that it can follow a running search.

The covariance is a Matern 5/2 over standardised features plus a linear term over prior columns (the scores of source
tasks), plus noise (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, chapters 2 and 4; leave-
one-out in closed form: section 5.4.2). Hyperparameters come from the marginal likelihood on a small grid, or are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular

Numbers = NDArray[np.float64]

_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_PRIOR_VARIANCES = (0.0, 1.0, 5.0, 25.0)
_NOISES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# The grid is searched on at most this number of observations.
_GRID_OBSERVATIONS = 256


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of the covariance.

    ``length`` is in units of the median distance. ``prior`` and ``noise`` are variances relative to that of the Matern
    kernel.
    """

    length: float
    prior: float
    noise: float


@dataclass(frozen=True)
class LeaveOneOut:
    """Means and standard deviations [n]: each observation, predicted from all others."""

    means: Numbers
    deviations: Numbers


class GaussianProcess:
    """Gaussian process fitted to features [n, d], prior columns [n, p] and targets [n]."""

    def __init__(
        self, features: Numbers, prior: Numbers, targets: Numbers, hyperparameters: Hyperparameters | None = None
    ) -> None:
        self._centre, self._spread, self._used = standardisation(features)
        self._features = self._standardised(features)
        self._prior = prior
        self._distance = median_distance(self._features)
        self._offset = float(targets.mean())
        residuals = targets - self._offset
        if hyperparameters is None:
            chosen = linspace_indices(len(targets), _GRID_OBSERVATIONS)
            hyperparameters = self._most_likely(self._features[chosen], prior[chosen], residuals[chosen])
        self.hyperparameters = hyperparameters
        covariance = self._covariance(self._features, prior, self._features, prior)
        # The jitter keeps nearly equal rows numerically separate, whatever the noise.
        covariance[np.diag_indices_from(covariance)] += hyperparameters.noise + 1e-8 * (1.0 + hyperparameters.prior)
        self._factor = cholesky(covariance, lower=True, overwrite_a=True)
        self._weights = cho_solve((self._factor, True), residuals)
        # The overall variance is the maximum-likelihood one; a weak prior regularises it for few observations.
        self._scale = float((residuals @ self._weights + 1.0) / (len(targets) + 1.0))
        self._residuals = residuals

    def predict(self, features: Numbers, prior: Numbers) -> tuple[Numbers, Numbers]:
        """Means and standard deviations [m] of a new observation, noise included."""
        standardised = self._standardised(features)
        cross = self._covariance(standardised, prior, self._features, self._prior)
        means = self._offset + cross @ self._weights
        whitened = solve_triangular(self._factor, cross.T, lower=True, overwrite_b=True)
        explained = np.einsum("nm,nm->m", whitened, whitened)
        own = 1.0 + self.hyperparameters.prior * np.square(prior).sum(axis=1) + self.hyperparameters.noise
        return means, np.sqrt(self._scale * np.maximum(own - explained, 1e-9))

    @property
    def noise_deviation(self) -> float:
        """Standard deviation between replicates."""
        return float(np.sqrt(self._scale * self.hyperparameters.noise))

    def leave_one_out(self) -> LeaveOneOut:
        """Leave-one-out predictions of the observations [n], noise included."""
        inverse = cho_solve((self._factor, True), np.eye(len(self._factor)))
        precision = np.diag(inverse)
        means = self._offset + self._residuals - self._weights / precision
        return LeaveOneOut(means, np.sqrt(self._scale / precision))

    def _standardised(self, features: Numbers) -> Numbers:
        return (features[:, self._used] - self._centre) / self._spread

    def _covariance(self, left: Numbers, left_prior: Numbers, right: Numbers, right_prior: Numbers) -> Numbers:
        length = self.hyperparameters.length * self._distance
        squares = squared_distances(left, right)
        covariance = matern(np.divide(np.sqrt(squares, out=squares), length, out=squares))
        if self.hyperparameters.prior:
            covariance += self.hyperparameters.prior * (left_prior @ right_prior.T)
        return covariance

    def _most_likely(self, features: Numbers, prior: Numbers, residuals: Numbers) -> Hyperparameters:
        """The grid point of highest marginal likelihood, with the maximum-likelihood scale of each."""
        distances = np.sqrt(squared_distances(features, features))
        linear = prior @ prior.T
        best: tuple[float, Hyperparameters] | None = None
        for length, variance in product(_LENGTHS, _PRIOR_VARIANCES if linear.any() else (0.0,)):
            values, vectors = np.linalg.eigh(matern(distances / (length * self._distance)) + variance * linear)
            rotated = np.square(vectors.T @ residuals)
            for noise in _NOISES:
                spectrum = np.maximum(values, 0.0) + noise
                scale = ((rotated / spectrum).sum() + 1.0) / (len(residuals) + 1.0)
                likelihood = -0.5 * (len(residuals) * np.log(scale) + np.log(spectrum).sum())
                if best is None or likelihood > best[0]:
                    best = (float(likelihood), Hyperparameters(length, variance, noise))
        assert best is not None
        return best[1]


def standardisation(features: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Means and standard deviations of the columns of features [n, d] that vary, and a mask [d] of these columns."""
    spread = features.std(axis=0)
    used = spread > 1e-6
    return features[:, used].mean(axis=0), spread[used], used


def median_distance(features: Numbers) -> float:
    """The median distance between distinct rows of features [n, d]; 1 if all rows are equal."""
    some = features[linspace_indices(len(features), _GRID_OBSERVATIONS)]
    distances = np.sqrt(squared_distances(some, some))[np.triu_indices(len(some), 1)]
    positive = distances[distances > 1e-6]
    return float(np.median(positive)) if len(positive) else 1.0


def squared_distances(left: Numbers, right: Numbers) -> Numbers:
    """Squared Euclidean distances [m, n] between rows.

    They are computed in place, because allocating memory of this size costs more than the arithmetic.
    """
    distances: Numbers = left @ (-2.0 * right.T)
    distances += np.square(left).sum(axis=1)[:, None]
    distances += np.square(right).sum(axis=1)
    return np.maximum(distances, 0.0, out=distances)


def matern(scaled: Numbers) -> Numbers:
    """The Matern 5/2 kernel (1 + r + r^2 / 3) exp(-r) for r = sqrt(5) x the scaled distances, computed in place."""
    root = np.sqrt(5.0) * scaled
    values: Numbers = root * root
    values /= 3.0
    values += root
    values += 1.0
    values *= np.exp(np.negative(root, out=root), out=root)
    return values


def linspace_indices(count: int, most: int) -> NDArray[np.int64]:
    """At most ``most`` evenly spaced indices below ``count``, the first and the last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
