"""Normal scores, the common scale of all tasks: higher is better, whatever the metric and its unit.

A value becomes the normal quantile of its rank among the known values, so accuracies from 10 % to 91 % and losses over
six orders of magnitude count alike. Failed runs share the lowest rank. The inverse interpolates between the
known values and extrapolates at the slope of the outermost ones, so a prediction can beat the incumbent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from headstart_server.prediction.learners.gaussian_process import Numbers

# The share of the values at either end that determines the slope beyond them.
_OUTER_SHARE = 0.1
# Predictions are mapped through the nonlinear scale at this number of equally likely points.
_POINTS = ndtri((np.arange(16) + 0.5) / 16)


def normal_scores(values: Numbers, maximize: bool) -> Numbers:
    """Normal scores of values [n], NaN for a failed run. Equal values get equal scores."""
    if not len(values):
        return np.zeros(0)
    oriented = np.where(np.isfinite(values), values if maximize else -values, -np.inf)
    return np.asarray(ndtri((rankdata(oriented) - 0.5) / len(values)))


@dataclass(frozen=True)
class Scale:
    """Maps between a task's unit and normal scores by increasing knots of scores and oriented values."""

    scores: Numbers
    oriented: Numbers
    maximize: bool

    @classmethod
    def of(cls, values: Numbers, maximize: bool) -> Scale:
        """The scale of values [n], at least one of them finite."""
        scores = normal_scores(values, maximize)
        finite = np.isfinite(values)
        oriented, first = np.unique(values[finite] if maximize else -values[finite], return_index=True)
        return cls(scores[finite][first], oriented, maximize)

    def to_unit(self, scores: Numbers) -> Numbers:
        """Values in the task's unit for normal scores of any shape."""
        inside = np.interp(scores, self.scores, self.oriented)
        above = np.maximum(scores - self.scores[-1], 0.0) * self._slope(upper=True)
        below = np.maximum(self.scores[0] - scores, 0.0) * self._slope(upper=False)
        oriented = inside + above - below
        return np.asarray(oriented if self.maximize else -oriented)

    def to_scores(self, values: Numbers) -> Numbers:
        """Normal scores for finite values in the task's unit; values beyond the knots get the outermost scores."""
        return np.asarray(np.interp(values if self.maximize else -values, self.oriented, self.scores))

    def coarse(self, knots: int = 65) -> Scale:
        """The same scale with at most ``knots`` knots, to save memory."""
        if len(self.scores) <= knots:
            return self
        chosen = np.unique(np.linspace(0, len(self.scores) - 1, knots).astype(np.int64))
        return Scale(self.scores[chosen], self.oriented[chosen], self.maximize)

    def moments(self, means: Numbers, deviations: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and standard deviation in the task's unit of normally distributed scores [n]."""
        points = self.to_unit(means[:, None] + deviations[:, None] * _POINTS)
        return points.mean(axis=1), points.std(axis=1)

    def _slope(self, upper: bool) -> float:
        if len(self.scores) < 2:
            return 0.0
        inner = max(1, round(_OUTER_SHARE * len(self.scores)))
        first, last = (-1 - inner, -1) if upper else (0, inner)
        first, last = first % len(self.scores), last % len(self.scores)
        return float((self.oriented[last] - self.oriented[first]) / (self.scores[last] - self.scores[first]))
