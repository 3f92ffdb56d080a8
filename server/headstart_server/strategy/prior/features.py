"""What a prior of strategies knows of a task: its meta-features by name, and the words of its descriptor.

In a search it also knows where it stands: the phase (share of the budget that is spent) and the budget itself.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task

# The commonest; of words, those that some past tasks have and others have not.
_MOST_NUMBERS, _MOST_WORDS = 256, 64

_NUMBER, _WORD = "number:", "word:"
PHASE, BUDGET = "search:phase", "search:budget"


def columns_of(tasks: Sequence[Task], of_search: bool) -> tuple[str, ...]:
    """The columns that tell tasks apart, with phase and budget where searches are learned from."""
    numbers = Counter(name for task in tasks for name in task.meta_features)
    words = Counter(f"{name}={word}" for task in tasks for name, word in task.descriptor.items())
    telling = Counter({word: count for word, count in words.items() if 1 < count < len(tasks)})
    return (
        *(_NUMBER + name for name in _commonest(numbers, _MOST_NUMBERS)),
        *(_WORD + word for word in _commonest(telling, _MOST_WORDS)),
        *((PHASE, BUDGET) if of_search else ()),
    )


def feature_row(columns: Sequence[str], task: Task, phase: float = 0.0, budget: float = 0.0) -> NDArray[np.float64]:
    """[columns], NaN where the task lacks a number. ``budget`` in evaluations, 0 where unknown."""
    words = {f"{name}={word}" for name, word in task.descriptor.items()}
    row = np.full(len(columns), np.nan)
    for place, column in enumerate(columns):
        if column.startswith(_NUMBER):
            row[place] = task.meta_features.get(column[len(_NUMBER) :], math.nan)
        elif column.startswith(_WORD):
            row[place] = float(column[len(_WORD) :] in words)
        elif column == PHASE:
            row[place] = phase
        elif budget > 0:
            row[place] = math.log(budget)
    return row


def _commonest(counts: Counter[str], most: int) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]
