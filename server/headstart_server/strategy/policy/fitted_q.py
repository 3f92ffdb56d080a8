"""A policy learned from recorded searches: fitted Q iteration (Ernst, Geurts and Wehenkel, "Tree-based batch mode
reinforcement learning", JMLR 2005).

The value of an arm at a decision is the improvement that follows, its own and what the best arms after it bring, later
ones counting less. A forest of extremely randomised trees is fitted again and again to the improvement seen plus the
value that the forest before it gives the best arm of the next decision.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
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

# What an improvement counts for at the decision before it, and how often values are carried a decision back.
DISCOUNT = 0.9
ITERATIONS = 10
# Decisions that a forest is grown on.
_MOST_STEPS = 20_000
# What of each decision is left to the bandit, so that evidence does not dry up, and with which probability the bandit
# itself takes an arm that the policy may prefer. Where no arm has it, the bandit's favourites count.
_BANDITS_SHARE = 0.2
LEAST_SUPPORT = 0.05

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class QFunction:
    layout: PolicyLayout
    trees: TreeEnsemble

    def values(self, task: Task, state: SearchState, arms: Sequence[Belief]) -> NDArray[np.float32]:
        """What is expected to follow each arm, float32 [arms]."""
        return self.trees.predict(self.layout.rows(task, state, arms))[:, 0]

    def probabilities(
        self, task: Task, state: SearchState, arms: Sequence[Belief], bandit: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """With which the policy takes each arm, given with which the bandit does: mostly the best one of those that the
        bandit takes often enough, for the rest as the bandit.

        What the bandit hardly takes is hardly ever recorded, so that nothing could speak against an arm whose value is
        wrong (Laroche, Trichelair and Tachet des Combes, "Safe policy improvement with baseline bootstrapping", ICML
        2019). Pending pulls lower what the bandit gives an arm, which spreads workers who ask at once.
        """
        supported = bandit >= min(LEAST_SUPPORT, bandit.max())
        values = np.where(supported, self.values(task, state, arms), -np.inf)
        best = np.flatnonzero(values >= values.max() - 1e-12)
        found: NDArray[np.float64] = _BANDITS_SHARE * bandit
        found[best] += (1.0 - _BANDITS_SHARE) / len(best)
        return found

    def to_bytes(self) -> bytes:
        """A numpy archive of plain arrays."""
        buffer = io.BytesIO()
        names = json.dumps([self.layout.arms, self.layout.words, self.layout.numbers])
        arrays: dict[str, Any] = {"layout": np.array(names), **self.trees.to_arrays()}
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> QFunction:
        """The reverse of ``to_bytes``."""
        with archives.opened(content) as archive:
            arrays = {name: archive[name] for name in archive.files}
        arms, words, numbers = json.loads(str(arrays.pop("layout")))
        layout = PolicyLayout(tuple((str(name), bool(tuned)) for name, tuned in arms), tuple(words), tuple(numbers))
        return cls(layout, TreeEnsemble.from_arrays(arrays))


def fit(trajectories: Sequence[Trajectory], seed: int, progress: Progress | None = None) -> QFunction:
    """From at least one step. Equal for equal seeds; ``progress`` is told iterations done and in all."""
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
        if progress is not None:
            progress(iteration + 1, ITERATIONS)
    assert trees is not None
    return QFunction(layout, trees)


def _transitions(
    layout: PolicyLayout, trajectories: Sequence[Trajectory], seed: int
) -> tuple[Features, NDArray[np.float32], Features, NDArray[np.intp]]:
    """Rows of the arms taken [n, d], their improvements [n], rows of all arms of the decisions after them [m, d], and
    the numbers of the decisions before those [m]. Of very many decisions, some drawn at random.
    """
    places = [(each, index) for each, found in enumerate(trajectories) for index in range(len(found.steps))]
    if len(places) > _MOST_STEPS:
        drawn = np.random.default_rng(seed).choice(len(places), _MOST_STEPS, replace=False)
        places = [places[index] for index in sorted(drawn)]
    taken, improvements, following, owners = [], [], [], []
    for number, (each, index) in enumerate(places):
        task, steps = trajectories[each].task, trajectories[each].steps
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
