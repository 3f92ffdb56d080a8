"""The Gaussian process that a search goes by, and how much of what other tasks say goes into it.

One process over the features of the task's own results, and beside it, for each other task that says something and for
the mean of them all, the same process with its mean led by that. They are averaged by the evidence of the results
(Bayesian model averaging: Hoeting et al., Statistical Science 1999; closed form for a linear mean: Rasmussen and
Williams, "Gaussian Processes for Machine Learning", 2006, section 2.7). The evidence is the product of what each
process says of every next result before it has seen it: another task counts as far as it told results in advance, and
one that has told none of them soon counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from headstart_server.prediction.gaussian_process import Numbers, evenly, matern, median_distance, squared_distances

_LENGTHS = (0.5, 1.0, 2.0, 4.0)
_NOISES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# How strongly another task may lead the mean: variances of its slope, relative to the process.
_SLOPES = (0.3, 3.0)
# What the process without any other task is worth before there is evidence.
_ALONE = 0.5
# A process of less weight is not asked.
_LEAST_WEIGHT = 0.01
# The grid is searched on this many results at most.
_GRID_RESULTS = 256


@dataclass(frozen=True)
class Shape:
    """``length`` in units of the median distance; ``noise`` variance relative to that of the process."""

    length: float
    noise: float


@dataclass(frozen=True)
class _Led:
    """A process led by one column: mean and variance of its slope; ``scale`` is the variance of the whole."""

    column: int
    slope: float
    unsure: float
    scale: float
    weight: float


@dataclass(frozen=True)
class _Solved:
    """One shape on some results: Cholesky factor, whitened targets [n] and columns [n, k], and the evidence for each.

    ``evidence``: log evidence without any column; ``evidences`` [slopes, k] of each, -inf where it would lead astray.
    """

    factor: Numbers
    targets: Numbers
    columns: Numbers
    evidence: float
    evidences: Numbers

    @property
    def total(self) -> float:
        return float(np.logaddexp.reduce([self.evidence, *self.evidences.ravel()]))


class SearchProcess:
    """Fitted to features [n, d] of one common scale, what others say of them [n, k], and targets [n].

    ``shape`` is searched where none is given.
    """

    def __init__(self, features: Numbers, told: Numbers, targets: Numbers, shape: Shape | None = None) -> None:
        self._others = told.shape[1]
        told = _with_mean(told)
        self._features = features
        self._distance = median_distance(features)
        self._offset = float(targets.mean())
        self._centres: Numbers = told.mean(axis=0)
        if shape is None:
            chosen = evenly(len(targets), _GRID_RESULTS)
            grid = [Shape(length, noise) for length in _LENGTHS for noise in _NOISES]
            shape = max(grid, key=lambda each: self._solve(features[chosen], told[chosen], targets[chosen], each).total)
        self.shape = shape
        self._solved = solved = self._solve(features, told, targets, shape)
        self._scale = _scale(float(solved.targets @ solved.targets), len(targets))
        weights = np.exp(solved.evidences - solved.total)
        self.shares: Numbers = weights.sum(axis=0)[: self._others] + (
            weights.sum(axis=0)[self._others :].sum() / max(self._others, 1)
        )
        self._led = list(self._worth_asking(weights))

    @property
    def share_of_others(self) -> float:
        """What all columns together are worth against the process without any, 0 to 1."""
        return float(self.shares.sum())

    def predict(self, features: Numbers, told: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """For features [m, d] and what others say [m, k]: means and standard deviations [m] of a new result without
        any of the others, and the same with them."""
        known = self._covariance(self._features, features, self.shape.length)
        white = solve_triangular(self._solved.factor, known, lower=True, check_finite=False)
        alone = self._offset + white.T @ self._solved.targets
        variance = np.maximum(1.0 + self.shape.noise - np.square(white).sum(axis=0), 1e-9)
        if not self._led:
            deviation = np.sqrt(self._scale * variance)
            return alone, deviation, alone, deviation
        rest = _with_mean(told) - self._centres - white.T @ self._solved.columns
        weights = np.array([1.0 - sum(each.weight for each in self._led), *(each.weight for each in self._led)])
        means = np.stack([alone, *(alone + rest[:, each.column] * each.slope for each in self._led)])
        variances = np.stack(
            [
                self._scale * variance,
                *(each.scale * (variance + each.unsure * np.square(rest[:, each.column])) for each in self._led),
            ]
        )
        mean = weights @ means
        spread = weights @ (variances + np.square(means - mean))
        return alone, np.sqrt(self._scale * variance), mean, np.sqrt(spread)

    def _covariance(self, left: Numbers, right: Numbers, length: float) -> Numbers:
        return matern(np.sqrt(squared_distances(left, right)) / (length * self._distance))

    def _solve(self, features: Numbers, told: Numbers, targets: Numbers, shape: Shape) -> _Solved:
        covariance = self._covariance(features, features, shape.length)
        covariance[np.diag_indices_from(covariance)] += shape.noise + 1e-8
        factor = cholesky(covariance, lower=True, check_finite=False)
        sides = np.column_stack([targets - self._offset, told - self._centres])
        white = solve_triangular(factor, sides, lower=True, check_finite=False)
        own, columns = white[:, 0], white[:, 1:]
        count, size = len(targets), float(np.log(np.diag(factor)).sum())
        square = float(own @ own)
        alone = -0.5 * count * np.log(_scale(square, count)) - size
        if not columns.shape[1]:
            return _Solved(factor, own, columns, float(alone), np.zeros((0, 0)))
        along, length = columns.T @ own, np.square(columns).sum(axis=0)
        slopes = np.array(_SLOPES)[:, None]
        scale = _scale(square - np.square(along) / (1.0 / slopes + length), count)
        led = -0.5 * (count * np.log(scale) + np.log1p(slopes * length)) - size
        led += np.log((1.0 - _ALONE) * _worth(columns.shape[1]) / len(slopes))
        return _Solved(factor, own, columns, float(alone + np.log(_ALONE)), np.where(along > 0.0, led, -np.inf))

    def _worth_asking(self, weights: Numbers) -> list[_Led]:
        """Of each slope and column with some weight [slopes, k], the process that it leads."""
        own, columns = self._solved.targets, self._solved.columns
        asked = []
        for row, column in np.argwhere(weights > _LEAST_WEIGHT).tolist():
            along, length = float(columns[:, column] @ own), float(np.square(columns[:, column]).sum())
            unsure = 1.0 / (1.0 / _SLOPES[row] + length)
            scale = float(_scale(float(own @ own) - along**2 * unsure, len(own)))
            asked.append(_Led(column, unsure * along, unsure, scale, float(weights[row, column])))
        return asked


def _with_mean(told: Numbers) -> Numbers:
    """What others say [m, k], and where there are several, their mean as one more column."""
    if told.shape[1] < 2:
        return told
    return np.column_stack([told, told.mean(axis=1)])


def _worth(columns: int) -> Numbers:
    """Of so many columns, before there is evidence; of sum 1. The mean of all is worth as much as they are together."""
    if columns < 2:
        return np.ones(columns)
    return np.append(np.full(columns - 1, 0.5 / (columns - 1)), 0.5)


def _scale(squares: Numbers | float, count: int) -> Numbers:
    """Likeliest variance of the whole; a weak prior keeps it sane for few results."""
    return np.asarray((squares + 1.0) / (count + 1.0))
