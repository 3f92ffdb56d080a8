"""Bayesian optimization with a Gaussian process over parameters and graph counts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

from headstart.search.history import History
from headstart.search.model_based.acquisition import (
    Numbers,
    expected_improvement,
    most_promising,
    normal_scores,
    training_set,
)
from headstart.search.model_based.features import Columns, Encoder, encoder_of
from headstart.spaces import Candidate, sample

# Numbers of trials that the model, and its length scales, are fitted to.
_MOST_TRIALS = 400
_MOST_FOR_SCALES = 128
_FIRST_FIT = 8

_JITTER = 1e-6
_LEAST_LOG_NOISE, _GREATEST_LOG_NOISE = -9.0, 0.0
_SQRT_5 = 5.0**0.5


@dataclass(frozen=True)
class GaussianProcess:
    """The candidate of the highest expected improvement under a Gaussian process.

    Snoek et al., "Practical Bayesian optimization of machine learning algorithms", NeurIPS 2012: a Matern 5/2 kernel
    with a length scale for each parameter and each kind of graph counts. The first ``initial`` trials are random;
    ``pool`` candidates are compared. ``margin`` is added to the best score before an improvement is measured, in
    standard deviations of all scores: a larger margin searches more widely.
    """

    initial: int = 10
    pool: int = 96
    margin: float = 0.0

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if len(history) < self.initial or not history.best(1):
            return sample(history.space, generator)
        encoder = encoder_of(history.space)
        trials = training_set(history, _MOST_TRIALS)
        columns = encoder.trials(trials)
        model = _Model(columns, normal_scores(trials), encoder.groups, _hyperparameters(history, encoder))
        best = float(model.predict(columns)[0].max()) + self.margin
        return most_promising(
            history,
            encoder,
            lambda columns_: expected_improvement(*model.predict(columns_), best),
            self.pool,
            generator,
        )


def _hyperparameters(history: History, encoder: Encoder) -> Numbers:
    """Hyperparameters of the first trials; their number grows in steps, and each step is fitted once."""
    conclusive = [trial for trial in history.trials[: 2 * _MOST_FOR_SCALES] if trial.conclusive]
    count = _fit_size(len(conclusive))
    known = _fitted.get(history)
    if known is None or known[0] != count:
        trials = conclusive[:count]
        columns = encoder.trials(trials)
        known = (count, _fit(_distances(columns.astype(np.float64), encoder.groups), normal_scores(trials)))
        _fitted[history] = known
    return known[1]


_fitted: WeakKeyDictionary[History, tuple[int, Numbers]] = WeakKeyDictionary()


def _fit_size(count: int) -> int:
    size = _FIRST_FIT
    while (larger := max(size + 4, size * 5 // 4)) <= min(count, _MOST_FOR_SCALES):
        size = larger
    return min(size, count)


class _Model:
    """A Gaussian process with the given log weights of groups and log noise. ``columns``: [trials, width]."""

    def __init__(self, columns: Columns, scores: Numbers, groups: Sequence[slice], theta: Numbers) -> None:
        self._scale = np.zeros(columns.shape[1])
        for weight, group in zip(np.exp(theta[:-1]), groups, strict=True):
            self._scale[group] = np.sqrt(weight)
        self._scaled = columns * self._scale
        correlation = _matern(_pairwise(self._scaled, self._scaled))
        correlation[np.diag_indices_from(correlation)] += np.exp(theta[-1]) + _JITTER
        self._factor = np.linalg.cholesky(correlation)
        self._mean = float(scores.mean())
        self._solution = cho_solve((self._factor, True), scores - self._mean, check_finite=False)
        # The maximum-likelihood variance, in closed form.
        self._variance = max(1e-9, float((scores - self._mean) @ self._solution) / len(scores))

    def predict(self, columns: Columns) -> tuple[Numbers, Numbers]:
        correlation = _matern(_pairwise(columns * self._scale, self._scaled))
        mean = self._mean + correlation @ self._solution
        explained = solve_triangular(self._factor, correlation.T, lower=True, check_finite=False)
        variance = self._variance * np.maximum(1e-9, 1.0 - np.einsum("ij,ij->j", explained, explained))
        return mean, np.sqrt(variance)


def _pairwise(left: Numbers, right: Numbers) -> Numbers:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2.0 * left @ right.T
    return np.asarray(np.maximum(squares, 0.0))


def _distances(columns: Numbers, groups: Sequence[slice]) -> Numbers:
    """Squared distances within each group of columns [groups, trials, trials]."""
    return np.stack([_pairwise(columns[:, group], columns[:, group]) for group in groups])


def _matern(squares: Numbers) -> Numbers:
    distance = _SQRT_5 * np.sqrt(squares)
    return np.asarray((1.0 + distance + distance**2 / 3.0) * np.exp(-distance))


def _fit(distances: Numbers, scores: Numbers) -> Numbers:
    """The most probable log weights of the groups (squared inverse length scales) and log noise."""
    groups, count = distances.shape[0], len(scores)
    centred = scores - scores.mean()
    spread = np.maximum(distances.reshape(groups, -1).mean(axis=1), 1e-9)
    # In the prior, all groups together put a typical pair one length scale apart.
    prior = np.concatenate([-np.log(spread * groups), [np.log(0.05)]])
    bounds = [(value - 6.0, value + 4.0) for value in prior[:-1]] + [(_LEAST_LOG_NOISE, _GREATEST_LOG_NOISE)]
    if count < 3 or not centred.any():
        return prior

    def loss(theta: Numbers) -> tuple[float, Numbers]:
        weights, noise = np.exp(theta[:-1]), np.exp(theta[-1])
        distance = _SQRT_5 * np.sqrt(np.tensordot(weights, distances, 1))
        decay = np.exp(-distance)
        correlation = (1.0 + distance + distance**2 / 3.0) * decay
        correlation[np.diag_indices(count)] += noise + _JITTER
        factor = np.linalg.cholesky(correlation)
        inverse = cho_solve((factor, True), np.eye(count), check_finite=False)
        solution = inverse @ centred
        fit = float(centred @ solution)
        value = 0.5 * count * np.log(fit / count) + float(np.log(np.diag(factor)).sum())
        slope = 0.5 * (inverse - np.outer(solution, solution) * (count / fit))
        # d correlation / d squares = -5/6 (1 + distance) decay
        by_square = slope * (-5.0 / 6.0) * (1.0 + distance) * decay
        gradient = np.empty_like(theta)
        gradient[:-1] = weights * np.tensordot(distances, by_square, 2)
        gradient[-1] = noise * np.trace(slope)
        apart = (theta - prior) / 2.0
        return value + 0.5 * float(apart @ apart), gradient + apart / 2.0

    optimum = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 20})
    return np.asarray(optimum.x)
