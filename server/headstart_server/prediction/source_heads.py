"""What the heads of a model, one for each task it learned, say of the task at hand: one number out of many.

A head counts by its agreement with the task's own results, so a misleading source has no say.
"""

from __future__ import annotations

import numpy as np

from headstart_server.prediction.gaussian_process import LeaveOneOut, Numbers

# Agreement is measured on so many results at most; pairs grow with their square.
_AGREEMENT_RESULTS = 256


class WeightedHeads:
    """One number out of the scores [n, heads] of many heads: their mean, weighted by agreement, standardised."""

    def __init__(self, scores: Numbers, targets: Numbers) -> None:
        self._centre = scores.mean(axis=0)
        self._spread = np.maximum(scores.std(axis=0), 1e-9)
        self.weights = agreement(scores, targets)
        combined = self._mean(scores)
        self._size = max(float(combined.std()), 1e-9)

    def combine(self, scores: Numbers) -> Numbers:
        """For scores [m, heads]: [m]."""
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


class Line:
    """Targets [n] as a line over one column [n], its slope held back as by one observation of no slope."""

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
        """Means and standard deviations [m] for a column [m]."""
        design = self._design(column)
        unsure = np.einsum("ij,jk,ik->i", design, self._inverse, design)
        return design @ self._coefficients, self._error * np.sqrt(1.0 + unsure)

    @staticmethod
    def _design(column: Numbers) -> Numbers:
        return np.stack([np.ones(len(column)), column], axis=1)
