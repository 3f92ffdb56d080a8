"""Members of the prior: bagged trees that predict the losses of all arms at once, with their out-of-bag predictions.

A tree has the arms as its outputs, so that arms with few results gain from the others. Trees are grown on losses in
several forms (plain, logarithm, rank, root of the regret) and with leaves of several sizes, since no one form is best
for all histories. A bootstrap draws whole tasks (Breiman, Bagging predictors, 1996), so the predictions of a tree for
tasks that it did not draw are validation at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TREES = 64

# Size of the leaves, and whether thresholds are random: so on small leaves, the best ones on large leaves.
_LEAVES = ((2, True), (5, True), (15, False))
# Leaves grow with the history, so that a model stays at some ten megabytes.
_MOST_LEAVES = 1000


@dataclass(frozen=True, eq=False)
class PriorMember:
    """Scikit-learn ``trees``; ``out_of_bag`` [rows, arms]: means over the trees that did not draw the row's task."""

    trees: list[Any]
    out_of_bag: Numbers


def forms(losses: Numbers) -> dict[str, Numbers]:
    """Targets of the trees by form, from complete losses [rows, arms]; in each form, lower is better within a row."""
    above = losses - losses.min()
    positive = above[above > 0]
    smallest = float(np.quantile(positive, 0.01)) if len(positive) else 1.0
    ahead = losses[:, :, None] > losses[:, None, :]
    level = losses[:, :, None] == losses[:, None, :]
    return {
        "plain": losses,
        "logarithm": np.log(above + smallest),
        "rank": ahead.sum(axis=2) + 0.5 * level.sum(axis=2),
        "root": np.sqrt(losses - losses.min(axis=1, keepdims=True)),
    }


def grow_members(
    features: NDArray[np.float32], losses: Numbers, tasks: NDArray[np.int64], seed: int, trees: int = TREES
) -> Iterator[PriorMember]:
    """Grow members on features [rows, columns] and complete losses [rows, arms]; ``tasks`` [rows] count from 0."""
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    least = len(features) // _MOST_LEAVES
    for targets in forms(losses).values():
        for leaf, random in _LEAVES:
            kind, share = (ExtraTreeRegressor, 0.5) if random else (DecisionTreeRegressor, 1 / 3)

            def make(number: int, kind: Any = kind, share: float = share, leaf: int = max(leaf, least)) -> Any:
                return kind(max_features=share, min_samples_leaf=leaf, random_state=number)

            yield _grow(features, targets, tasks, make, np.random.default_rng(seed), trees)


def _grow(
    features: NDArray[np.float32],
    targets: Numbers,
    tasks: NDArray[np.int64],
    make: Callable[[int], Any],
    generator: np.random.Generator,
    trees: int,
) -> PriorMember:
    task_count = int(tasks.max()) + 1
    total, times = np.zeros_like(targets), np.zeros((len(targets), 1))
    grown = []
    for _ in range(trees):
        drawn = np.bincount(generator.integers(0, task_count, task_count), minlength=task_count)[tasks]
        inside, outside = np.flatnonzero(drawn), np.flatnonzero(drawn == 0)
        tree = make(int(generator.integers(2**31)))
        tree.fit(features[inside], targets[inside], sample_weight=drawn[inside].astype(np.float64))
        if len(outside):
            total[outside] += tree.predict(features[outside]).reshape(len(outside), -1)
            times[outside] += 1
        grown.append(tree.tree_)
    # A task that every tree drew gets the mean over rows, which favours no arm there.
    out_of_bag = np.where(times > 0, total / np.maximum(times, 1), targets.mean(axis=0))
    return PriorMember(grown, out_of_bag)
