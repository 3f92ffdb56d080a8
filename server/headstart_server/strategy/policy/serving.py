"""Serving of the learned policy, which replaces the bandit where it gained more on unseen tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task
from headstart_server.strategy.bandit.thompson_sampling import Belief, ChosenArm
from headstart_server.strategy.policy.fitted_q import QFunction
from headstart_server.strategy.search_state import SearchState


@dataclass(frozen=True)
class ServingPolicy:
    """A version of the policy, by its number."""

    number: int
    function: QFunction

    def choose(
        self,
        task: Task,
        state: SearchState,
        beliefs: Sequence[Belief],
        bandit: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> ChosenArm:
        """Draw one arm with the policy's probabilities; ``bandit`` [arms]: the bandit's probabilities."""
        probabilities = self.function.probabilities(task, state, beliefs, bandit)
        index = int(generator.choice(len(beliefs), p=probabilities))
        taken = beliefs[index]
        best = probabilities[index] == probabilities.max()
        why = "expects most of it at this point" if best else "tries another one"
        return ChosenArm(
            taken.key,
            float(probabilities[index]),
            min(max(taken.mean, 0.0), 1.0),
            f"policy {self.number}, learned from other tasks, {why}; {taken.reason}",
            "policy",
        )
