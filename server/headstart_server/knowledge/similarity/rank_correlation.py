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
    """Tau-b of two vectors [n]; None if undefined: below two entries, or if all are equal."""
    if len(one) < 2:
        return None
    if len(one) <= _SHORT:
        first, second = np.sign(one[:, None] - one), np.sign(other[:, None] - other)
        norm = math.sqrt(float(np.abs(first).sum()) * float(np.abs(second).sum()))
        return float((first * second).sum()) / norm if norm else None
    # Without the exact distribution of its p-value, which is not needed.
    tau = float(kendalltau(one, other, method="asymptotic").statistic)
    return None if math.isnan(tau) else tau


def kendall_taus(one: Numbers, others: Numbers) -> Numbers:
    """Tau-b of a vector [n] with each column of others [n, m], over the entries that both have (not NaN); [m].

    0 where it is undefined.
    """
    left, right = np.triu_indices(len(one), 1)
    first = np.sign(one[left] - one[right]).astype(np.float32)
    second = np.sign(others[left] - others[right]).astype(np.float32)
    both = np.isfinite(second) & np.isfinite(first)[:, None]
    first, second = np.nan_to_num(first), np.where(both, second, np.float32(0.0))
    norms = np.sqrt((np.abs(first) @ both.astype(np.float32)) * np.abs(second).sum(axis=0, dtype=np.float64))
    taus: Numbers = np.divide(first @ second, norms, out=np.zeros(len(norms)), where=norms > 0)
    return taus


def pair_signs(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The sign of each pair of entries, as a vector of length one: the product of two such vectors is tau-b."""
    left, right = np.triu_indices(len(values), 1)
    signs = np.sign(values[left] - values[right]).astype(np.float32)
    norm = float(np.sqrt(np.abs(signs).sum()))
    return signs / np.float32(norm) if norm else signs
