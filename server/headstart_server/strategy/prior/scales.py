"""What is known of tasks as columns for trees: each number by its place among those of past tasks.

A number that some task lacks has a second column, which says whether it is there; its place is then the middle.
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
class Scales:
    """``grid`` [quantiles, columns] of past values, increasing; ``missing``: columns that some past task lacks."""

    grid: Numbers
    missing: NDArray[np.int64]

    @classmethod
    def of(cls, features: Numbers) -> Scales:
        """From features [n, columns] of past tasks, NaN where missing."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            middle = np.nan_to_num(np.nanmedian(features, axis=0)) if len(features) else np.zeros(features.shape[1])
        absent = np.isnan(features)
        values = np.sort(np.where(absent, middle, features), axis=0)
        if len(values) > _QUANTILES:
            places = np.linspace(0, len(values) - 1, _QUANTILES).round().astype(np.int64)
            values = values[places]
        return cls(values, np.flatnonzero(absent.any(axis=0)))

    def place(self, features: Numbers) -> NDArray[np.float32]:
        """Places from 0 to 1, and whether what some lack is there: float32 [n, columns + missing]."""
        absent = np.isnan(features)
        count = max(1, len(self.grid))
        placed = np.empty((len(features), features.shape[1] + len(self.missing)), np.float32)
        for column in range(features.shape[1]):
            known, values = self.grid[:, column], features[:, column]
            low, high = np.searchsorted(known, values, "left"), np.searchsorted(known, values, "right")
            placed[:, column] = (low + high) / (2 * count)
        width = features.shape[1]
        placed[:, :width][absent] = 0.5
        placed[:, width:] = absent[:, self.missing]
        return placed

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"grid": self.grid, "missing": self.missing}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Scales:
        """The reverse of ``to_arrays``."""
        return cls(arrays["grid"], arrays["missing"])
