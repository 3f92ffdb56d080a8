"""Kendall's tau, fast for the sizes that are asked for by the hundred: short vectors, and many against one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

# Below this length comparing all pairs is faster than sorting.
_SHORT = 160

Numbers = NDArray[np.float64]


def kendall_tau(one: Numbers, other: Numbers) -> float | None:
    """Tau-b of two vectors [n]; None where it is not defined: below two entries, or where all are equal."""
    if len(one) < 2:
        return None
    if len(one) <= _SHORT:
        first, second = np.sign(one[:, None] - one), np.sign(other[:, None] - other)
        norm = math.sqrt(float(np.abs(first).sum()) * float(np.abs(second).sum()))
        return float((first * second).sum()) / norm if norm else None
    # Without the exact distribution of its p-value, which nobody asks for.
    tau = float(kendalltau(one, other, method="asymptotic").statistic)
    return None if math.isnan(tau) else tau


def pair_signs(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Which of each pair of entries is greater, at length one: the product of two such vectors is tau-b."""
    left, right = np.triu_indices(len(values), 1)
    signs = np.sign(values[left] - values[right]).astype(np.float32)
    norm = float(np.sqrt(np.abs(signs).sum()))
    return signs / np.float32(norm) if norm else signs
