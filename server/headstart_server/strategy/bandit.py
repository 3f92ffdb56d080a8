"""Chooses among arms: Thompson sampling on rewards between 0 and 1, with what the past taught as a prior.

A reward is the chance that a result beats others (``rewards``), so an arm is judged by how often it leads to one that
is better than all before, not by its average result. The belief about an arm is a Beta distribution in which a reward r
counts as r of a success and 1 - r of a failure (Agrawal and Goyal, "Analysis of Thompson sampling for the multi-armed
bandit problem", COLT 2012, section 2), and later pulls count more (``rewards.DISCOUNT``).

A pull that is still pending counts as a failure. For workers who ask at the same time that is more than a spread: the
expected best of several pulls is largest where each is the best one under the condition that all others fail
(the greedy choice for a monotone submodular function), and to have failed is what a pull without reward says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart_server.strategy.arm_statistics import ArmKey, ArmStatistics

# How many pulls on this task the experience of all other tasks together may weigh as.
_OTHER_TASKS_PULLS = 4.0
# Posterior draws of one choice, and of all choices of a call together.
_DRAWS, _FEWEST_DRAWS, _DRAWS_OF_CALL = 1000, 100, 32_000


@dataclass(frozen=True)
class Belief:
    """Beta(successes, failures) over an arm's reward, and so many pulls of it that have no result yet."""

    name: str
    tuned: bool
    successes: float
    failures: float
    pending: int
    reason: str

    @property
    def key(self) -> ArmKey:
        return self.name, self.tuned

    @property
    def mean(self) -> float:
        return self.successes / (self.successes + self.failures)


@dataclass(frozen=True)
class Expectation:
    """What past tasks let expect of an arm here: its mean reward, and how many pulls that weighs as."""

    mean: float
    pulls: float
    reason: str


@dataclass(frozen=True)
class Choice:
    """``probability`` with which the policy takes this arm; ``expected_reward`` without the pending pulls."""

    key: ArmKey
    probability: float
    expected_reward: float
    reason: str
    decided_by: str = "bandit"


def draws_for(slots: int) -> int:
    """How many posterior draws each of so many choices may take."""
    return max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS_OF_CALL // slots))


def belief(arm: ArmStatistics, expected: Expectation | None = None) -> Belief:
    """From results here, and what is expected of it: without a model, the mean over other tasks, else nothing."""
    if expected is None and arm.other_pulls:
        expected = Expectation(
            arm.other_reward_sum / arm.other_pulls,
            min(float(arm.other_pulls), _OTHER_TASKS_PULLS),
            f"mean reward {arm.other_reward_sum / arm.other_pulls:.2f} over {arm.other_pulls} results on other tasks",
        )
    mean, pulls = (expected.mean, expected.pulls) if expected is not None else (0.5, 0.0)
    if arm.pulls:
        reason = f"mean reward {arm.reward_sum / arm.weight:.2f} over {arm.pulls} results on this task"
    else:
        reason = expected.reason if expected is not None else "not tried yet"
    return Belief(
        arm.name,
        arm.tuned,
        # One success and one failure: neutral, and never certain.
        1.0 + mean * pulls + arm.reward_sum,
        1.0 + (1.0 - mean) * pulls + arm.weight - arm.reward_sum,
        arm.pending,
        f"{reason}; {arm.pending} pending" if arm.pending else reason,
    )


def choose(beliefs: Sequence[Belief], generator: np.random.Generator, draws: int = _DRAWS) -> Choice:
    """Draw one arm of several; its probability is known to about 1 / sqrt(draws)."""
    probabilities = choice_probabilities(beliefs, generator, draws)
    index = int(generator.choice(len(beliefs), p=probabilities))
    taken = beliefs[index]
    return Choice(taken.key, float(probabilities[index]), taken.mean, taken.reason)


def choice_probabilities(beliefs: Sequence[Belief], generator: np.random.Generator, draws: int = _DRAWS) -> np.ndarray:
    """With which each arm is taken, float64 [arms]: how often its draw is the highest."""
    successes = np.array([each.successes for each in beliefs])
    failures = np.array([each.failures + each.pending for each in beliefs])
    drawn = generator.beta(successes, failures, size=(draws, len(beliefs)))
    return np.bincount(drawn.argmax(axis=1), minlength=len(beliefs)) / draws
