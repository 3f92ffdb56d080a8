"""What a policy and the bandit would have earned on recorded searches, from the probabilities of what was decided.

Doubly robust (Jiang and Li, "Doubly robust off-policy value evaluation for reinforcement learning", ICML 2016), of one
decision at a time: the policy takes this decision, and what follows is as it was recorded. For each decision

    sum over arms of p(arm) Q(arm)  +  p(taken) / p_recorded(taken) * (G - Q(taken)),

where G is the improvement seen from here on, later ones counting less. The ratios of a task are divided by their mean
(weighted doubly robust: Thomas and Brunskill, "Data-efficient off-policy policy evaluation for reinforcement learning",
ICML 2016): where Q is wrong by the same everywhere, or ratios are cut, nothing is gained by it. That no decision alone
is worse is what policy improvement needs (Kakade and Langford, ICML 2002); it is not the value of following the policy
throughout, which no recorded search of this length could tell.
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

# Of the ratio of probabilities: beyond it a few decisions would be all the evidence.
_MOST_RATIO = 20.0
_LEVEL = 0.9
# Of the bandit's beliefs, for its probabilities at one decision.
_DRAWS = 256


@dataclass(frozen=True)
class PolicyFigures:
    """Mean improvement that follows a decision: by the policy, by the bandit, and as recorded.

    ``lower`` and ``upper`` bound what the policy gains over the bandit at 90 %, by Student's t over the tasks.
    """

    policy: float
    bandit: float
    recorded: float
    lower: float
    upper: float
    task_count: int
    decision_count: int


def evaluate(held_out: Sequence[tuple[QFunction, Trajectory]], seed: int = 0) -> PolicyFigures | None:
    """Of policies on tasks they have not seen. None with fewer than two tasks that have a decision with a choice."""
    generator = np.random.default_rng(seed)
    found = [each for pair in held_out if (each := _of_task(*pair, generator)) is not None]
    if len(found) < 2:
        return None
    policy, bandit, recorded = np.mean([[each.policy, each.bandit, each.recorded] for each in found], axis=0)
    gains = np.array([each.policy - each.bandit for each in found])
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    reach = float(stdtrit(len(gains) - 1, (1 + _LEVEL) / 2)) * error
    mean = float(gains.mean())
    return PolicyFigures(
        float(policy),
        float(bandit),
        float(recorded),
        mean - reach,
        mean + reach,
        len(found),
        sum(each.decision_count for each in found),
    )


@dataclass(frozen=True)
class _TaskFigures:
    policy: float
    bandit: float
    recorded: float
    decision_count: int


def _of_task(function: QFunction, trajectory: Trajectory, generator: np.random.Generator) -> _TaskFigures | None:
    """Over the decisions that were drawn; None where there are none. Where the prior's guard decided alone, a policy
    would not be asked.
    """
    expected, ratios, residuals, seen = [], [], [], []
    for step, follows in zip(trajectory.steps, returns(trajectory.steps), strict=True):
        if len(step.arms) < 2 or not 0 < step.probability < 1:
            continue
        values = function.values(trajectory.task, step.state, step.arms).astype(np.float64)
        bandit = choice_probabilities(step.arms, generator, _DRAWS)
        both = np.stack([function.probabilities(trajectory.task, step.state, step.arms, bandit), bandit])
        expected.append(both @ values)
        ratios.append(np.minimum(both[:, step.taken] / step.probability, _MOST_RATIO))
        residuals.append(float(follows) - float(values[step.taken]))
        seen.append(float(follows))
    if not seen:
        return None
    weights = np.array(ratios)
    corrections = (weights * np.array(residuals)[:, None]).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
    by_policy, by_bandit = np.mean(expected, axis=0) + corrections
    return _TaskFigures(float(by_policy), float(by_bandit), float(np.mean(seen)), len(seen))


def returns(steps: Sequence[Step]) -> NDArray[np.float64]:
    """The improvement from each decision on, each later one counting ``DISCOUNT`` times the one before; as far ahead as
    values are carried back.
    """
    improvements = np.array([step.improvement for step in steps])
    found = np.zeros(len(steps))
    for ahead in range(min(ITERATIONS, len(steps))):
        found[: len(steps) - ahead] += DISCOUNT**ahead * improvements[ahead:]
    return found
