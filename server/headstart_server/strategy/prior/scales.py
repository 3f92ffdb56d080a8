"""Rank transform of task features for trees: each number becomes its rank, 0 to 1, among those of past tasks.

A number that some past task lacks has a second column that marks where it is missing; its rank is then the middle.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_QUANTILES = 512


@dataclass(frozen=True, eq=False)
class RankTransform:
    """``grid`` [quantiles, columns] of past values, increasing; ``missing``: columns that some past task lacks."""

    grid: Numbers
    missing: NDArray[np.int64]

    @classmethod
    def fit(cls, features: Numbers) -> RankTransform:
        """Fit to features [n, columns] of past tasks, NaN where missing."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            middle = np.nan_to_num(np.nanmedian(features, axis=0)) if len(features) else np.zeros(features.shape[1])
        absent = np.isnan(features)
        values = np.sort(np.where(absent, middle, features), axis=0)
        if len(values) > _QUANTILES:
            values = values[np.linspace(0, len(values) - 1, _QUANTILES).round().astype(np.int64)]
        return cls(values, np.flatnonzero(absent.any(axis=0)))

    def __call__(self, features: Numbers) -> NDArray[np.float32]:
        """Ranks from 0 to 1, then the marks of missing numbers: float32 [n, columns + missing]."""
        absent = np.isnan(features)
        count = max(1, len(self.grid))
        ranks = np.empty((len(features), features.shape[1] + len(self.missing)), np.float32)
        for column in range(features.shape[1]):
            known, values = self.grid[:, column], features[:, column]
            low, high = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
            ranks[:, column] = (low + high) / (2 * count)
        width = features.shape[1]
        ranks[:, :width][absent] = 0.5
        ranks[:, width:] = absent[:, self.missing]
        return ranks

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"grid": self.grid, "missing": self.missing}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> RankTransform:
        """Decode the result of ``to_arrays``."""
        return cls(arrays["grid"], arrays["missing"])
