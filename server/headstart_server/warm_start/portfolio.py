"""The first proposals for a task without results: a few candidates of which each of the likely tasks finds one good.

The best on average would serve the average task; a portfolio covers them all. What is covered, the weighted sum over
tasks of the best score in the portfolio, is monotone and submodular, so that taking the largest gain first reaches at
least 1 - 1/e of the best cover (Nemhauser, Wolsey and Fisher, Mathematical Programming 1978).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Once nothing is left to cover, the best on average go on.
_AVERAGE = 1e-3


def cover(scores: Numbers, weights: Numbers, taken: NDArray[np.bool_]) -> Iterator[int]:
    """Places of candidates, the largest gain first, without those taken already, whose scores count as covered.

    scores [n, tasks]: what each task would say, 0 for its average candidate, higher is better; weights [tasks].
    """
    good: Numbers = np.nan_to_num(scores, nan=0.0)
    left = ~taken
    covered: Numbers = np.maximum(good[taken].max(axis=0, initial=0.0), 0.0)
    average = _AVERAGE * (good @ weights)
    while left.any():
        gains = np.maximum(good - covered, 0.0) @ weights + average
        place = int(np.argmax(np.where(left, gains, -np.inf)))
        yield place
        left[place] = False
        covered = np.maximum(covered, good[place])
