"""When hyperparameters are chosen again: at counts of results that depend on nothing else.

What was chosen at the last of these counts holds until the next. So an answer depends on what is recorded, not on when
a process was first asked.
"""

from __future__ import annotations

_GROWTH = 1.1


def last_refit(count: int) -> int:
    """The largest count, up to this one, at which hyperparameters are chosen: each up to 20, then a tenth more."""
    refit = following = 1
    while following <= count:
        refit, following = following, max(following + 1, int(following * _GROWTH))
    return min(refit, count)
