"""Chooses among arms: Thompson sampling on rewards between 0 and 1, with what other tasks taught as a prior.

A pull that is still pending counts as a pull without reward, so that workers who ask at the same time spread out. The
posterior of an arm is a Beta distribution in which a reward r counts as r of a success and 1 - r of a failure
(Agrawal and Goyal, "Analysis of Thompson sampling for the multi-armed bandit problem", COLT 2012, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# How many pulls on this task the experience of all other tasks together may weigh as.
_PRIOR_PULLS = 4.0
# Posterior draws of one choice, and of all choices of a call together.
_DRAWS, _FEWEST_DRAWS, _DRAWS_OF_CALL = 1000, 100, 32_000


@dataclass(frozen=True)
class ArmStatistics:
    """``pulls`` with rewards on this task, ``pending`` ones without yet; ``prior_*``: the same on other tasks."""

    name: str
    pulls: int = 0
    reward_sum: float = 0.0
    pending: int = 0
    prior_pulls: int = 0
    prior_reward_sum: float = 0.0


@dataclass(frozen=True)
class Choice:
    """``probability`` with which the policy takes this arm; ``expected_reward`` without the pending pulls."""

    name: str
    probability: float
    expected_reward: float
    reason: str


def draws_for(slots: int) -> int:
    """How many posterior draws each of so many choices may take."""
    return max(_FEWEST_DRAWS, min(_DRAWS, _DRAWS_OF_CALL // slots))


def choose(arms: Sequence[ArmStatistics], generator: np.random.Generator, draws: int = _DRAWS) -> Choice:
    """Draw one arm of several with distinct names; its probability is known to about 1 / sqrt(draws)."""
    successes = np.array([_successes(arm) for arm in arms])
    failures = np.array([_failures(arm) for arm in arms])
    pending = np.array([arm.pending for arm in arms])
    drawn = generator.beta(successes, failures + pending, size=(draws, len(arms)))
    probabilities = np.bincount(drawn.argmax(axis=1), minlength=len(arms)) / draws
    index = int(generator.choice(len(arms), p=probabilities))
    arm = arms[index]
    return Choice(
        name=arm.name,
        probability=float(probabilities[index]),
        expected_reward=float(successes[index] / (successes[index] + failures[index])),
        reason=_reason(arm),
    )


def _prior(arm: ArmStatistics) -> tuple[float, float]:
    """Mean and weight in pulls of what is known of an arm before its first pull on this task."""
    weight = min(float(arm.prior_pulls), _PRIOR_PULLS)
    # One success and one failure: neutral, and never certain.
    mean = arm.prior_reward_sum / arm.prior_pulls if arm.prior_pulls else 0.5
    return mean, weight


def _successes(arm: ArmStatistics) -> float:
    mean, weight = _prior(arm)
    return 1.0 + mean * weight + arm.reward_sum


def _failures(arm: ArmStatistics) -> float:
    mean, weight = _prior(arm)
    return 1.0 + (1.0 - mean) * weight + arm.pulls - arm.reward_sum


def _reason(arm: ArmStatistics) -> str:
    if arm.pulls:
        text = f"mean reward {arm.reward_sum / arm.pulls:.2f} over {arm.pulls} results on this task"
    elif arm.prior_pulls:
        text = f"mean reward {arm.prior_reward_sum / arm.prior_pulls:.2f} over {arm.prior_pulls} results on other tasks"
    else:
        text = "not tried yet"
    return f"{text}; {arm.pending} pending" if arm.pending else text
