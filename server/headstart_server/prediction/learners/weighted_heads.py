"""One score from the task heads of a model, weighted by their agreement with the task.

A head counts by how well it ranks the task's own results, so a misleading source has no influence. Among many heads
some agree by chance. Head weights are therefore computed leave-one-out: the combined score of a result never depends
on its own label.
"""

from __future__ import annotations

import numpy as np

from headstart_server.prediction.learners.gaussian_process import LeaveOneOut, Numbers

# Agreement is measured on at most this number of results, because pairs grow with its square.
_AGREEMENT_RESULTS = 256


class WeightedHeads:
    """One number from the scores [n, heads] of many heads: their mean, weighted by agreement and standardised.

    ``left_out`` [n] is that number for each training score, by weights computed without its target.
    """

    def __init__(self, scores: Numbers, targets: Numbers) -> None:
        self._centre = scores.mean(axis=0)
        self._spread = np.maximum(scores.std(axis=0), 1e-9)
        self.weights, without = agreements(scores, targets)
        standardised = (scores - self._centre) / self._spread
        combined = _mean(standardised, self.weights[None])
        self._size = max(float(combined.std()), 1e-9)
        self.left_out: Numbers = combined / self._size
        if len(without):
            self.left_out[-len(without) :] = _mean(standardised[-len(without) :], without) / self._size

    def combine(self, scores: Numbers) -> Numbers:
        """The combined score [m] of scores [m, heads]."""
        return _mean((scores - self._centre) / self._spread, self.weights[None]) / self._size


def _mean(standardised: Numbers, weights: Numbers) -> Numbers:
    """Mean of each row [m, heads] by its weights [m or 1, heads]; 0 where all weights are 0."""
    total = weights.sum(axis=1)
    return np.asarray((standardised * weights).sum(axis=1) / np.where(total > 0.0, total, 1.0))


def agreement(scores: Numbers, targets: Numbers) -> Numbers:
    """Kendall tau of each column of scores [n, heads] with targets [n], less one standard error, at least 0."""
    return agreements(scores, targets)[0]


def agreements(scores: Numbers, targets: Numbers) -> tuple[Numbers, Numbers]:
    """Agreement [heads] with the newest m targets, and agreement [m, heads] without each of them.

    Older targets take no part.
    """
    scores, targets = scores[-_AGREEMENT_RESULTS:], targets[-_AGREEMENT_RESULTS:]
    count, heads = scores.shape
    if count < 4:
        return np.zeros(heads), np.zeros((count, heads))
    wanted = np.sign(targets[:, None] - targets)
    of_wanted = np.square(wanted).sum(axis=1)
    taus, without = np.zeros(heads), np.zeros((count, heads))
    for head in range(heads):
        predicted = np.sign(scores[:, None, head] - scores[:, head])
        agreed, of_predicted = (wanted * predicted).sum(axis=1), np.square(predicted).sum(axis=1)
        # Every pair is counted twice here, and twice in the part of a single target.
        taus[head] = agreed.sum() / max(np.sqrt(of_wanted.sum() * of_predicted.sum()), 1.0)
        norms = np.sqrt((of_wanted.sum() - 2 * of_wanted) * (of_predicted.sum() - 2 * of_predicted))
        without[:, head] = (agreed.sum() - 2 * agreed) / np.maximum(norms, 1.0)
    return np.maximum(taus - standard_error(count), 0.0), np.maximum(without - standard_error(count - 1), 0.0)


def standard_error(count: int) -> float:
    """Standard error of Kendall tau between two independent rankings of ``count`` items."""
    return float(np.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1))))


class LinearRegression:
    """Linear regression of targets [n] on one column [n]; the slope is regularised by a ridge."""

    _RIDGE = 1.0

    def __init__(self, column: Numbers, targets: Numbers) -> None:
        design = self._design(column)
        self._inverse = np.linalg.inv(design.T @ design + np.diag([1e-9, self._RIDGE]))
        self._coefficients = self._inverse @ design.T @ targets
        influence = np.minimum(np.einsum("ij,jk,ik->i", design, self._inverse, design), 0.99)
        residuals = (targets - design @ self._coefficients) / (1.0 - influence)
        self._error = float(np.sqrt(np.square(residuals).mean() + 1e-12))
        self._own = LeaveOneOut(targets - residuals, np.full(len(targets), self._error))

    def leave_one_out(self) -> LeaveOneOut:
        return self._own

    def predict(self, column: Numbers) -> tuple[Numbers, Numbers]:
        """Means and standard deviations [m] for a column [m]."""
        design = self._design(column)
        leverage = np.einsum("ij,jk,ik->i", design, self._inverse, design)
        return design @ self._coefficients, self._error * np.sqrt(1.0 + leverage)

    @staticmethod
    def _design(column: Numbers) -> Numbers:
        return np.stack([np.ones(len(column)), column], axis=1)
