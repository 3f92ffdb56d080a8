"""Thompson sampling over arms: rewards between 0 and 1, with a prior from past tasks.

A reward is the chance that a result beats others (``rewards``), so an arm is judged by how often it leads to a new
best result, not by its average result. The belief about the mean reward of an arm is normal; its width follows the
variance of rewards on this task (Honda and Takemura, "Optimality of Thompson sampling for Gaussian bandits depends on
priors", AISTATS 2014), and later pulls count more (``attribution.DISCOUNT``). The belief is narrowed for arms with
rewards here, since a search is short and late knowledge is of little use (Chapelle and Li, "An empirical evaluation
of Thompson sampling", NIPS 2011, section 3).

A pending pull counts as one without reward. This does more than spread concurrent workers: the expected best of
several pulls is largest where each is the best under the condition that all others fail (the greedy choice for a
monotone submodular function), and a pull without reward is a failed one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.strategy.arm_statistics import ArmKey, ArmStatistics

# Pulls on this task that the rewards of all other tasks together count as at most.
_OTHER_TASKS_PULLS = 10.0
# An unknown arm has a high mean and a deviation above that of rewards, so that each is tried.
_UNKNOWN_MEAN, _UNKNOWN_PULLS, _UNKNOWN_DEVIATION = 0.5, 1.0, 0.3
# Variance of single rewards: a prior of so much, worth so many pulls, and a floor.
_FIRST_VARIANCE, _FIRST_PULLS, _LEAST_VARIANCE = 0.05, 2.0, 0.003
# Width of the belief about an arm with rewards on this task, as a share of its posterior deviation.
_BOLD_WIDTH = 0.5
# Posterior draws of one choice, at most and at least, and of all choices of a call together.
_DRAWS, _FEWEST_DRAWS, _DRAWS_OF_CALL = 1000, 100, 32_000


@dataclass(frozen=True)
class Belief:
    """A normal belief about the mean reward of an arm, worth ``pulls`` pulls; ``pending`` ones have no result yet."""

    name: str
    tuned: bool
    mean: float
    deviation: float
    pulls: float
    pending: int
    reason: str = ""

    @property
    def key(self) -> ArmKey:
        return self.name, self.tuned


@dataclass(frozen=True)
class Expectation:
    """The mean reward that past tasks predict for an arm here, and the pulls that this counts as."""

    mean: float
    pulls: float
    reason: str


@dataclass(frozen=True)
class ChosenArm:
    """``probability`` of this arm under the policy; ``expected_reward`` without the pending pulls."""

    key: ArmKey
    probability: float
    expected_reward: float
    reason: str
    decided_by: str = "bandit"


def draws_for(slots: int) -> int:
    """Posterior draws for each of so many choices."""
    return max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS_OF_CALL // slots))


def reward_variance(arms: Iterable[ArmStatistics]) -> float:
    """Variance of the rewards of one arm on this task, pooled over all arms."""
    squares, pulls = _FIRST_VARIANCE * _FIRST_PULLS, _FIRST_PULLS
    for arm in arms:
        if arm.weight:
            squares += max(arm.reward_square_sum - arm.reward_sum**2 / arm.weight, 0.0)
            pulls += arm.weight
    return max(squares / pulls, _LEAST_VARIANCE)


def belief(arm: ArmStatistics, variance: float, expected: Expectation | None = None) -> Belief:
    """Combine rewards here with the expectation: from a prior if given, else the mean over other tasks, if any."""
    if expected is None and arm.other_pulls:
        expected = Expectation(
            arm.other_reward_sum / arm.other_pulls,
            min(float(arm.other_pulls), _OTHER_TASKS_PULLS),
            f"mean reward {arm.other_reward_sum / arm.other_pulls:.2f} over {arm.other_pulls} results on other tasks",
        )
    extra_deviation = 0.0
    if expected is None:
        extra_deviation = 0.0 if arm.weight else _UNKNOWN_DEVIATION
        expected = Expectation(_UNKNOWN_MEAN, _UNKNOWN_PULLS, "not tried yet")
    reason, width = expected.reason, 1.0
    if arm.weight:
        width = _BOLD_WIDTH
        reason = f"mean reward {arm.reward_sum / arm.weight:.2f} over {arm.pulls} results on this task"
    weight = arm.weight + expected.pulls
    return Belief(
        arm.name,
        arm.tuned,
        (arm.reward_sum + expected.mean * expected.pulls) / weight,
        width * math.sqrt(variance / weight) + extra_deviation,
        weight,
        arm.pending,
        f"{reason}; {arm.pending} pending" if arm.pending else reason,
    )


def choose(beliefs: Sequence[Belief], probabilities: NDArray[np.float64], generator: np.random.Generator) -> ChosenArm:
    """Draw one arm with these probabilities."""
    index = int(generator.choice(len(beliefs), p=probabilities))
    taken = beliefs[index]
    expected = min(max(taken.mean, 0.0), 1.0)
    return ChosenArm(taken.key, float(probabilities[index]), expected, taken.reason)


def choice_probabilities(
    beliefs: Sequence[Belief], generator: np.random.Generator, draws: int = _DRAWS
) -> NDArray[np.float64]:
    """Probability of each arm [arms]: the share of draws in which it is highest; error about 1 / sqrt(draws)."""
    pulls = np.array([each.pulls for each in beliefs])
    # Pending pulls count as pulls without reward.
    share = pulls / (pulls + np.array([each.pending for each in beliefs]))
    means = np.array([each.mean for each in beliefs]) * share
    deviations = np.array([each.deviation for each in beliefs]) * np.sqrt(share)
    drawn = generator.normal(means, deviations, size=(draws, len(beliefs)))
    counts: NDArray[np.float64] = np.bincount(drawn.argmax(axis=1), minlength=len(beliefs)) / draws
    return counts
