"""Cache of a model version's scores by candidate; it never becomes stale, because versions never change.

The same candidate is scored several times: when it is generated, suggested, recorded, and compared with others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.runtime.lru import Lru

Numbers = NDArray[np.float64]
Score = Callable[[Sequence[CanonicalCandidate]], Numbers]


class ScoreCache:
    """Scores [heads] by model version and fingerprint; ``most`` candidates are cached. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._rows: Lru[tuple[str, str], Numbers] = Lru(most)

    def scores(self, version: str, candidates: Sequence[CanonicalCandidate], score: Score) -> Numbers:
        """Scores float [n, heads]; ``score`` is called for the missing candidates.

        It is also called for no candidates, because the number of heads is not known here.
        """
        cached = {each.fingerprint: self._rows.get((version, each.fingerprint)) for each in candidates}
        missing = list({each.fingerprint: each for each in candidates if cached[each.fingerprint] is None}.values())
        if missing or not candidates:
            scores = score(missing)
            for each, row in zip(missing, scores, strict=True):
                cached[each.fingerprint] = row
                # An error is not cached; the next call tries again.
                if np.isfinite(row).all():
                    # A copy, because a view of a row would keep the whole matrix alive.
                    self._rows.put((version, each.fingerprint), row.copy())
            if len(missing) == len(candidates):
                return scores
        return np.stack([row for each in candidates if (row := cached[each.fingerprint]) is not None])
