"""The client's cheap measurements (parameters, FLOPs, zero-cost proxies) as columns that a learner can use.

A proxy counts by its rank among those of the task's own results, as a normal score: proxies differ by orders of
magnitude, and only their order is comparable between tasks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from headstart_server.prediction.gaussian_process import Numbers

# A proxy is used from so many results with it on, and where at least this share of the results has it.
_LEAST_RESULTS = 8
_LEAST_SHARE = 0.5


class ProxyColumns:
    """Made from the proxies [n, p] of a task's results, NaN where one was not measured."""

    def __init__(self, proxies: Numbers) -> None:
        present = np.isfinite(proxies)
        enough = present.sum(axis=0) >= max(_LEAST_RESULTS, _LEAST_SHARE * len(proxies))
        self._used = [
            column for column in np.flatnonzero(enough).tolist() if np.ptp(proxies[present[:, column], column]) > 0.0
        ]
        self._known = [np.sort(proxies[present[:, column], column]) for column in self._used]

    @property
    def count(self) -> int:
        return len(self._used)

    def place(self, proxies: Numbers) -> Numbers:
        """Normal scores [m, count] of proxies [m, p], NaN where one was not measured."""
        placed = np.full((len(proxies), self.count), np.nan)
        for place, (column, known) in enumerate(zip(self._used, self._known, strict=True)):
            values = proxies[:, column]
            rank = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
            placed[:, place] = np.where(np.isfinite(values), ndtri((rank + 0.5) / (len(known) + 1)), np.nan)
        return placed

    @staticmethod
    def patterns(placed: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which columns come together: distinct patterns [k, count], and that of each row [m]."""
        patterns, of_row = np.unique(np.isfinite(placed), axis=0, return_inverse=True)
        return patterns, of_row.reshape(-1)
