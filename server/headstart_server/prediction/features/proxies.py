"""Proxies (parameters, FLOPs, zero-cost proxies), measured by the client, as columns that a learner can use.

A proxy enters as the normal score of its rank among the task's own results: proxies differ by orders of magnitude, and
only their order is comparable between tasks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from headstart_server.prediction.learners.gaussian_process import Numbers

# A proxy is used from this number of results on, if at least this share of the results has it.
_LEAST_RESULTS = 8
_LEAST_SHARE = 0.5
# Up to this number of proxies, all combinations are learned. Of more proxies these are learned: all together, the
# most common combinations, and each alone.
_FEW = 3
_MOST_COMMON = 3

Pattern = tuple[bool, ...]


class ProxyColumns:
    """Columns of the proxies [n, p] of a task's results, NaN where one was not measured."""

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

    def scores_of(self, proxies: Numbers) -> Numbers:
        """Normal scores [m, count] of proxies [m, p], NaN where one was not measured."""
        scores = np.full((len(proxies), self.count), np.nan)
        for index, (column, known) in enumerate(zip(self._used, self._known, strict=True)):
            values = proxies[:, column]
            rank = (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / 2
            scores[:, index] = np.where(np.isfinite(values), ndtri((rank + 0.5) / (len(known) + 1)), np.nan)
        return scores

    @staticmethod
    def patterns(scores: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """The patterns of measured columns: distinct patterns [k, count], and the pattern of each row [m]."""
        patterns, of_row = np.unique(np.isfinite(scores), axis=0, return_inverse=True)
        return patterns, of_row.reshape(-1)


class LearnedPatterns:
    """The combinations of proxies that members are fitted to.

    They follow from the results alone: normal scores [n, count], NaN where missing.
    """

    def __init__(self, scores: Numbers) -> None:
        present = np.isfinite(scores)
        self._count = present.shape[1]
        self._common: list[Pattern] = [(True,) * self._count]
        if self._count > _FEW and len(present):
            patterns, numbers = np.unique(present, axis=0, return_counts=True)
            order = np.argsort(-numbers, kind="stable")[:_MOST_COMMON]
            self._common += [tuple(pattern) for pattern in patterns[order].tolist()]
        # The proxy with most results comes first.
        self._singles = np.argsort(-present.sum(axis=0), kind="stable").tolist()

    def nearest(self, pattern: Pattern) -> Pattern:
        """The pattern itself if it is learned, else the largest learned pattern within it."""
        if self._count <= _FEW or not any(pattern):
            return pattern
        within = [each for each in self._common if any(each) and _within(each, pattern)]
        if within:
            return max(within, key=sum)
        first = next(index for index in self._singles if pattern[index])
        return tuple(index == first for index in range(self._count))


def _within(part: Pattern, whole: Pattern) -> bool:
    return all(there or not wanted for wanted, there in zip(part, whole, strict=True))
