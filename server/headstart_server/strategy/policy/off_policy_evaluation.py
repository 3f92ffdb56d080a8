"""Off-policy evaluation: estimates the value of a policy and of the bandit on recorded searches.

The estimator is doubly robust (Jiang and Li, "Doubly robust off-policy value evaluation for reinforcement learning",
ICML 2016), for one decision at a time: the policy takes this decision, and what follows is as recorded. For each
decision

    sum over arms of p(arm) Q(arm)  +  p(taken) / p_recorded(taken) * (G - Q(taken)),

where G is the discounted improvement observed from here on. The ratios of a task are divided by their mean (weighted
doubly robust: Thomas and Brunskill, "Data-efficient off-policy policy evaluation for reinforcement learning", ICML
2016), so a Q that is wrong by a constant, or clipped ratios, gain nothing. Policy improvement needs that no single
decision is worse (Kakade and Langford, ICML 2002). The estimate is not the value of following the policy throughout,
which recorded searches of this length cannot show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from headstart_server.strategy.bandit.thompson_sampling import choice_probabilities
from headstart_server.strategy.policy.fitted_q import DISCOUNT, ITERATIONS, QFunction
from headstart_server.strategy.policy.trajectories import Step, Trajectory

# Clip of the ratio of probabilities, so that a few decisions do not outweigh all others.
_MOST_RATIO = 20.0
_LEVEL = 0.9
# Posterior draws for the bandit's probabilities at one decision.
_DRAWS = 256


@dataclass(frozen=True)
class PolicyEvaluation:
    """Mean improvement after a decision: by the policy, by the bandit, and as recorded.

    ``lower`` and ``upper``: the 90 % interval of the policy's gain over the bandit, by Student's t over the tasks.
    """

    policy: float
    bandit: float
    recorded: float
    lower: float
    upper: float
    task_count: int
    decision_count: int


def evaluate(held_out: Sequence[tuple[QFunction, Trajectory]], seed: int = 0) -> PolicyEvaluation | None:
    """Evaluate policies on unseen tasks. None for fewer than two tasks that have a decision between arms."""
    generator = np.random.default_rng(seed)
    by_task = [each for pair in held_out if (each := _evaluate_task(*pair, generator)) is not None]
    if len(by_task) < 2:
        return None
    policy, bandit, recorded = np.mean([[each.policy, each.bandit, each.recorded] for each in by_task], axis=0)
    gains = np.array([each.policy - each.bandit for each in by_task])
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    reach = float(stdtrit(len(gains) - 1, (1 + _LEVEL) / 2)) * error
    mean = float(gains.mean())
    return PolicyEvaluation(
        float(policy),
        float(bandit),
        float(recorded),
        mean - reach,
        mean + reach,
        len(by_task),
        sum(each.decision_count for each in by_task),
    )


@dataclass(frozen=True)
class _TaskEvaluation:
    policy: float
    bandit: float
    recorded: float
    decision_count: int


def _evaluate_task(
    function: QFunction, trajectory: Trajectory, generator: np.random.Generator
) -> _TaskEvaluation | None:
    """Evaluate on the decisions that were drawn at random; None if there are none.

    Decisions of the prior's guard are excluded, since a policy is not used there.
    """
    expected, ratios, residuals, observed = [], [], [], []
    for step, following in zip(trajectory.steps, returns(trajectory.steps), strict=True):
        if len(step.arms) < 2 or not 0 < step.probability < 1:
            continue
        values = function.values(trajectory.task, step.state, step.arms).astype(np.float64)
        bandit = choice_probabilities(step.arms, generator, _DRAWS)
        both = np.stack([function.probabilities(trajectory.task, step.state, step.arms, bandit), bandit])
        expected.append(both @ values)
        ratios.append(np.minimum(both[:, step.taken] / step.probability, _MOST_RATIO))
        residuals.append(float(following) - float(values[step.taken]))
        observed.append(float(following))
    if not observed:
        return None
    weights = np.array(ratios)
    corrections = (weights * np.array(residuals)[:, None]).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
    by_policy, by_bandit = np.mean(expected, axis=0) + corrections
    return _TaskEvaluation(float(by_policy), float(by_bandit), float(np.mean(observed)), len(observed))


def returns(steps: Sequence[Step]) -> NDArray[np.float64]:
    """Discounted improvement from each decision on [steps], over ``ITERATIONS`` decisions as in the fit."""
    improvements = np.array([step.improvement for step in steps])
    discounted = np.zeros(len(steps))
    for ahead in range(min(ITERATIONS, len(steps))):
        discounted[: len(steps) - ahead] += DISCOUNT**ahead * improvements[ahead:]
    return discounted
