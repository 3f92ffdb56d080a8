"""Chooses among arms: Thompson sampling on rewards between 0 and 1, with what the past taught as a prior.

A reward is the chance that a result beats others (``rewards``), so an arm is judged by how often it leads to one that
is better than all before, not by its average result. The belief about the mean reward of an arm is a normal
distribution whose width comes from how much rewards on this task vary (Honda and Takemura, "Optimality of Thompson
sampling for Gaussian bandits depends on priors", AISTATS 2014), with later pulls counting more (``rewards.DISCOUNT``).
It is taken to be narrower where an arm has earned rewards here, since a search is short and what is learned late is of
little use (Chapelle and Li, "An empirical evaluation of Thompson sampling", NIPS 2011, section 3).

A pull that is still pending counts as one without reward. For workers who ask at the same time that is more than a
spread: the expected best of several pulls is largest where each is the best one under the condition that all others
fail (the greedy choice for a monotone submodular function), and to have failed is what a pull without reward says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.strategy.arm_statistics import ArmKey, ArmStatistics

# How many pulls on this task the experience of all other tasks together may weigh as.
_OTHER_TASKS_PULLS = 10.0
# An arm that nothing is known of: a high mean, and more doubt than rewards vary, so that each is tried.
_UNKNOWN_MEAN, _UNKNOWN_PULLS, _UNKNOWN_DEVIATION = 0.5, 1.0, 0.3
# How much single rewards vary: so much by so many pulls before any, and never less.
_FIRST_VARIANCE, _FIRST_PULLS, _LEAST_VARIANCE = 0.05, 2.0, 0.003
# How wide the belief about an arm with rewards on this task is, as a share of what its pulls leave open.
_BOLD_WIDTH = 0.5
# Posterior draws of one choice, and of all choices of a call together.
_DRAWS, _FEWEST_DRAWS, _DRAWS_OF_CALL = 1000, 100, 32_000


@dataclass(frozen=True)
class Belief:
    """About the mean reward of an arm: normal, with this ``mean`` and ``deviation``, resting on so many ``pulls``.

    ``pending``: pulls of it that have no result yet.
    """

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
    """What past tasks let expect of an arm here: its mean reward, and how many pulls that weighs as."""

    mean: float
    pulls: float
    reason: str


@dataclass(frozen=True)
class ChosenArm:
    """``probability`` with which the policy takes this arm; ``expected_reward`` without the pending pulls."""

    key: ArmKey
    probability: float
    expected_reward: float
    reason: str
    decided_by: str = "bandit"


def draws_for(slots: int) -> int:
    """How many posterior draws each of so many choices may take."""
    return max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS_OF_CALL // slots))


def reward_variance(arms: Iterable[ArmStatistics]) -> float:
    """How much the rewards of one arm vary on this task, over all arms."""
    squares, pulls = _FIRST_VARIANCE * _FIRST_PULLS, _FIRST_PULLS
    for arm in arms:
        if arm.weight:
            squares += max(arm.reward_square_sum - arm.reward_sum**2 / arm.weight, 0.0)
            pulls += arm.weight
    return max(squares / pulls, _LEAST_VARIANCE)


def belief(arm: ArmStatistics, variance: float, expected: Expectation | None = None) -> Belief:
    """From results here, and what is expected of it: without a model, the mean over other tasks, else nothing."""
    if expected is None and arm.other_pulls:
        expected = Expectation(
            arm.other_reward_sum / arm.other_pulls,
            min(float(arm.other_pulls), _OTHER_TASKS_PULLS),
            f"mean reward {arm.other_reward_sum / arm.other_pulls:.2f} over {arm.other_pulls} results on other tasks",
        )
    doubt = 0.0
    if expected is None:
        doubt = 0.0 if arm.weight else _UNKNOWN_DEVIATION
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
        width * math.sqrt(variance / weight) + doubt,
        weight,
        arm.pending,
        f"{reason}; {arm.pending} pending" if arm.pending else reason,
    )


def choose(beliefs: Sequence[Belief], probabilities: NDArray[np.float64], generator: np.random.Generator) -> ChosenArm:
    """Draw one arm of several, with these probabilities."""
    index = int(generator.choice(len(beliefs), p=probabilities))
    taken = beliefs[index]
    expected = min(max(taken.mean, 0.0), 1.0)
    return ChosenArm(taken.key, float(probabilities[index]), expected, taken.reason)


def choice_probabilities(
    beliefs: Sequence[Belief], generator: np.random.Generator, draws: int = _DRAWS
) -> NDArray[np.float64]:
    """With which each arm is taken, [arms]: how often its draw is the highest; known to about 1 / sqrt(draws)."""
    pulls = np.array([each.pulls for each in beliefs])
    # What remains of the pulls where those that are pending earn nothing.
    share = pulls / (pulls + np.array([each.pending for each in beliefs]))
    means = np.array([each.mean for each in beliefs]) * share
    deviations = np.array([each.deviation for each in beliefs]) * np.sqrt(share)
    drawn = generator.normal(means, deviations, size=(draws, len(beliefs)))
    counts: NDArray[np.float64] = np.bincount(drawn.argmax(axis=1), minlength=len(beliefs)) / draws
    return counts
