"""Features of the prior: a task's meta-features by name and the words of its descriptor.

For searches, the phase (share of the budget that is spent) and the budget are features too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task
from headstart_server.strategy.arm_statistics import ArmKey

# The most frequent ones; words that all past tasks have, or only one, are left out.
_MOST_NUMBERS, _MOST_WORDS = 256, 64

_NUMBER, _WORD = "number:", "word:"
PHASE, BUDGET = "search:phase", "search:budget"


def arm_name(key: ArmKey) -> str:
    """The name of an arm in a prior: with its own settings, or with chosen ones."""
    name, tuned = key
    return f"{'tuned' if tuned else 'default'}:{name}"


def columns_of(tasks: Sequence[Task], of_search: bool) -> tuple[str, ...]:
    """The columns that separate tasks, with phase and budget for searches."""
    numbers = Counter(name for task in tasks for name in task.meta_features)
    words = Counter(f"{name}={word}" for task in tasks for name, word in task.descriptor.items())
    separating = Counter({word: count for word, count in words.items() if 1 < count < len(tasks)})
    return (
        *(_NUMBER + name for name in _most_frequent(numbers, _MOST_NUMBERS)),
        *(_WORD + word for word in _most_frequent(separating, _MOST_WORDS)),
        *((PHASE, BUDGET) if of_search else ()),
    )


def feature_row(columns: Sequence[str], task: Task, phase: float = 0.0, budget: float = 0.0) -> NDArray[np.float64]:
    """Features [columns] of a task, NaN if it lacks a number. ``budget`` in evaluations, 0 if unknown."""
    words = {f"{name}={word}" for name, word in task.descriptor.items()}
    row = np.full(len(columns), np.nan)
    for index, column in enumerate(columns):
        if column.startswith(_NUMBER):
            row[index] = task.meta_features.get(column[len(_NUMBER) :], math.nan)
        elif column.startswith(_WORD):
            row[index] = float(column[len(_WORD) :] in words)
        elif column == PHASE:
            row[index] = phase
        elif budget > 0:
            row[index] = math.log(budget)
    return row


def _most_frequent(counts: Counter[str], most: int) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:most]
