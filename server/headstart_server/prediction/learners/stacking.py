"""Weights of the members of an ensemble, chosen by how well they rank held-out results together.

The weights lie on the simplex and minimise the pairwise logistic ranking loss (Burges et al., ICML 2005) of the
weighted mean of the members' held-out predictions (stacking: Wolpert, Neural Networks 1992). Every pair is weighed by
its difference. Regularisation towards equal weights fades as results come, so a few lucky guesses do not decide.
"""

from __future__ import annotations

import numpy as np

from headstart_server.prediction.learners.gaussian_process import Numbers

# Pairs grow with the square of the results; this number of results suffices to weigh a handful of members.
_RESULTS = 256
_STEPS = 60
_RATE = 2.0
# The loss of one normal score between two predictions.
_SHARPNESS = 2.0


def ranking_weights(means: Numbers, targets: Numbers) -> Numbers:
    """Non-negative weights [members] of sum 1, for held-out predictions [members, n] of targets [n]."""
    count = len(means)
    equal = np.full(count, 1.0 / count)
    chosen = np.unique(np.linspace(0, len(targets) - 1, min(_RESULTS, len(targets))).astype(np.int64))
    left, right = np.triu_indices(len(chosen), 1)
    wanted = targets[chosen][left] - targets[chosen][right]
    total = float(np.abs(wanted).sum())
    if count == 1 or total == 0.0:
        return equal
    importance = np.abs(wanted) / total
    predicted = means[:, chosen]
    margins = (predicted[:, left] - predicted[:, right]) * np.sign(wanted) * _SHARPNESS
    regularisation = 1.0 / (len(targets) * count)
    weights = equal
    for _ in range(_STEPS):
        slope = -margins @ (importance / (1.0 + np.exp(weights @ margins))) - regularisation / np.maximum(weights, 1e-6)
        # Exponentiated gradient keeps the weights on the simplex.
        weights = weights * np.exp(np.clip(-_RATE * (slope - slope @ weights), -5.0, 5.0))
        weights = weights / weights.sum()
    return weights


def for_each_row(weights: Numbers, means: Numbers) -> Numbers:
    """Weights [members, m] of the members for each row.

    A member without a prediction (NaN) has weight 0 in that row, and the others share its weight, equally if they have
    none themselves.
    """
    present = np.isfinite(means)
    shares = np.where(present, np.maximum(weights, 1e-9)[:, None], 0.0)
    return np.asarray(shares / np.maximum(shares.sum(axis=0), 1e-300))


def mixture(means: Numbers, deviations: Numbers, weights: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation [m] of the mixture of the members' predictions [members, m]; NaN has no weight."""
    predicted, spread = np.nan_to_num(means), np.nan_to_num(deviations)
    mean = (weights * predicted).sum(axis=0)
    return mean, np.sqrt((weights * (np.square(spread) + np.square(predicted - mean))).sum(axis=0))
