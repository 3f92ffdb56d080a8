"""Fitted Q iteration on recorded searches (Ernst, Geurts and Wehenkel, "Tree-based batch mode reinforcement
learning", JMLR 2005).

The value of an arm at a decision is the discounted improvement that follows: its own, and that of the best arms after
it. In each iteration a forest of extremely randomised trees is fitted to the observed improvement plus the discounted
value that the previous forest gives the best arm of the next decision.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.learners.tree_ensemble import TreeEnsemble
from headstart_server.runtime import archives
from headstart_server.strategy.bandit.thompson_sampling import Belief
from headstart_server.strategy.policy.features import Features, PolicyLayout
from headstart_server.strategy.policy.trajectories import Trajectory
from headstart_server.strategy.search_state import SearchState

# Discount of an improvement at the decision before it, and the number of decisions that values are carried back.
DISCOUNT = 0.9
ITERATIONS = 10
# Decisions that a forest is grown on at most.
_MOST_STEPS = 20_000
# Share of each decision left to the bandit, so that evidence of all arms keeps coming; and the bandit's probability
# from which an arm may be preferred. If no arm reaches it, the bandit's most probable ones count.
_BANDIT_SHARE = 0.2
LEAST_SUPPORT = 0.05


@dataclass(frozen=True, eq=False)
class QFunction:
    """A learned Q function, and the policy that follows from it."""

    layout: PolicyLayout
    trees: TreeEnsemble

    def values(self, task: Task, state: SearchState, arms: Sequence[Belief]) -> NDArray[np.float32]:
        """The expected discounted improvement after each arm, float32 [arms]."""
        return self.trees.predict(self.layout.rows(task, state, arms))[:, 0]

    def probabilities(
        self, task: Task, state: SearchState, arms: Sequence[Belief], bandit: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The policy's probability of each arm, given the ``bandit``'s [arms]: mostly the best arm of those that the
        bandit takes often enough, else as the bandit.

        An arm that the bandit rarely takes is rarely recorded, so nothing would correct a wrong value of it (Laroche,
        Trichelair and Tachet des Combes, "Safe policy improvement with baseline bootstrapping", ICML 2019). Pending
        pulls lower the bandit's probability of an arm, which spreads concurrent workers.
        """
        supported = bandit >= min(LEAST_SUPPORT, bandit.max())
        values = np.where(supported, self.values(task, state, arms), -np.inf)
        best = np.flatnonzero(values >= values.max() - 1e-12)
        probabilities: NDArray[np.float64] = _BANDIT_SHARE * bandit
        probabilities[best] += (1.0 - _BANDIT_SHARE) / len(best)
        return probabilities

    def to_bytes(self) -> bytes:
        """Encode as a numpy archive of plain arrays."""
        buffer = io.BytesIO()
        names = json.dumps([self.layout.arms, self.layout.words, self.layout.numbers])
        arrays: dict[str, Any] = {"layout": np.array(names), **self.trees.to_arrays()}
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> QFunction:
        """Decode the result of ``to_bytes``."""
        with archives.opened(content) as archive:
            arrays = {name: archive[name] for name in archive.files}
        arms, words, numbers = json.loads(str(arrays.pop("layout")))
        layout = PolicyLayout(tuple((str(name), bool(tuned)) for name, tuned in arms), tuple(words), tuple(numbers))
        return cls(layout, TreeEnsemble.from_arrays(arrays))


def fit(trajectories: Sequence[Trajectory], seed: int) -> QFunction:
    """Fit to at least one step; deterministic for a seed."""
    layout = PolicyLayout.of(trajectories)
    taken, improvements, following, owners = _transitions(layout, trajectories, seed)
    values = np.zeros(len(improvements), np.float32)
    trees: TreeEnsemble | None = None
    for iteration in range(ITERATIONS):
        if trees is not None and len(following):
            best = np.full(len(improvements), -np.inf, np.float32)
            np.maximum.at(best, owners, trees.predict(following)[:, 0])
            values = np.where(np.isfinite(best), best, 0.0).astype(np.float32)
        trees = TreeEnsemble.grow(taken, (improvements + DISCOUNT * values)[:, None], seed + iteration)
    assert trees is not None
    return QFunction(layout, trees)


def _transitions(
    layout: PolicyLayout, trajectories: Sequence[Trajectory], seed: int
) -> tuple[Features, NDArray[np.float32], Features, NDArray[np.intp]]:
    """Transitions of the decisions: features of the arms taken [n, d] and their improvements [n]; features of all
    arms of the next decisions [m, d], and for each of those the index [m] of the decision before it.

    A random sample if there are very many decisions.
    """
    pairs = [(trajectory, index) for trajectory in trajectories for index in range(len(trajectory.steps))]
    if len(pairs) > _MOST_STEPS:
        drawn = np.random.default_rng(seed).choice(len(pairs), _MOST_STEPS, replace=False)
        pairs = [pairs[index] for index in sorted(drawn)]
    taken, improvements, following, owners = [], [], [], []
    for number, (trajectory, index) in enumerate(pairs):
        task, steps = trajectory.task, trajectory.steps
        step = steps[index]
        taken.append(layout.rows(task, step.state, [step.arms[step.taken]]))
        improvements.append(step.improvement)
        if index + 1 < len(steps):
            after = steps[index + 1]
            following.append(layout.rows(task, after.state, after.arms))
            owners += [number] * len(after.arms)
    width = taken[0].shape[1]
    later = np.concatenate(following) if following else np.zeros((0, width), np.float32)
    return np.concatenate(taken), np.array(improvements, np.float32), later, np.array(owners, np.intp)
