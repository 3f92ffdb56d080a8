"""The schedule of refits: the counts of results at which hyperparameters are chosen again.

A choice holds until the next of these counts, so it depends on the recorded results alone, and every process makes the
same one.
"""

from __future__ import annotations

_GROWTH = 1.1


def last_refit(count: int) -> int:
    """The largest count of refits up to ``count``: every count up to 20, then each a tenth more than the one before."""
    refit = following = 1
    while following <= count:
        refit, following = following, max(following + 1, int(following * _GROWTH))
    return min(refit, count)
