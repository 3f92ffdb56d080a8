"""Keeps what a model version says of candidates, so that few are scored again: versions never change.

A candidate is asked about when it is grown, when it is suggested, when it has been tried, and while others are compared
with it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate

Numbers = NDArray[np.float64]
Score = Callable[[Sequence[CanonicalCandidate]], Numbers]


class ScoreCache:
    """Cache of scores [heads] by model version and fingerprint, least recently used dropped beyond ``most``.
    Thread-safe.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[tuple[str, str], Numbers] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, version: str, candidates: Sequence[CanonicalCandidate], score: Score) -> Numbers:
        """float [n, heads]. ``score`` is called for the missing candidates, also if there are none, because it knows
        the number of heads.
        """
        rows: dict[str, Numbers] = {}
        with self._lock:
            for candidate in candidates:
                key = version, candidate.fingerprint
                if (row := self._rows.get(key)) is not None:
                    self._rows.move_to_end(key)
                    rows[candidate.fingerprint] = row
        missing = list({each.fingerprint: each for each in candidates if each.fingerprint not in rows}.values())
        if missing or not candidates:
            scores = score(missing)
            self._keep(version, missing, scores)
            if len(missing) == len(candidates):
                return scores
            rows.update((each.fingerprint, row) for each, row in zip(missing, scores, strict=True))
        return np.stack([rows[candidate.fingerprint] for candidate in candidates])

    def _keep(self, version: str, candidates: Sequence[CanonicalCandidate], scores: Numbers) -> None:
        with self._lock:
            for candidate, row in zip(candidates, scores, strict=True):
                # An error is not cached; the next call tries again.
                if np.isfinite(row).all():
                    # A copy, because a view of a row would keep the whole matrix alive.
                    self._rows[version, candidate.fingerprint] = row.copy()
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)
