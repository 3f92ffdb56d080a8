"""Bounds the cost of a description: which rows and columns are looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]

# Rows and columns for statistics, and for models and pairs of columns.
STATISTICS_ROWS, STATISTICS_COLUMNS = 10_000, 1_000
MODEL_ROWS, MODEL_COLUMNS = 2_000, 100


def some(count: int, limit: int, generator: np.random.Generator) -> Indices:
    """At most ``limit`` of the indices below ``count``, in order."""
    if count <= limit:
        return np.arange(count)
    return np.sort(generator.choice(count, limit, replace=False))


def some_of_each(labels: NDArray[Any], limit: int, generator: np.random.Generator) -> Indices:
    """The same with classes in their shares, but a few of each, so that rare ones are not lost."""
    if len(labels) <= limit:
        return np.arange(len(labels))
    classes, codes = np.unique(labels, return_inverse=True)
    share = limit / len(labels)
    least = max(1, min(6, limit // len(classes)))
    chosen = []
    for code in range(len(classes)):
        members = np.flatnonzero(codes == code)
        chosen.append(generator.permutation(members)[: max(least, round(share * len(members)))])
    return np.sort(np.concatenate(chosen))
