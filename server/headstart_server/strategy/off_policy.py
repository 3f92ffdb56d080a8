"""What a policy and the bandit would have earned on recorded searches, from the probabilities of what was decided.

Doubly robust (Jiang and Li, "Doubly robust off-policy value evaluation for reinforcement learning", ICML 2016), of one
decision at a time: the policy takes this decision, and what follows is as it was recorded. For each decision

    sum over arms of p(arm) Q(arm)  +  p(taken) / p_recorded(taken) * (G - Q(taken)),

where G is the improvement seen from here on, later ones counting less. It is unbiased where the recorded probabilities
are right whatever Q is, and has little spread where Q is good. That no decision alone is worse is what policy
improvement needs (Kakade and Langford, ICML 2002); it is not the value of following the policy throughout, which no
recorded search of this length could tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.strategy.bandit import choice_probabilities
from headstart_server.strategy.fitted_q import DISCOUNT, QFunction
from headstart_server.strategy.trajectories import Step, Trajectory

# Of the ratio of probabilities: beyond it a few decisions would be all the evidence.
_MOST_RATIO = 20.0
_RESAMPLES = 2000
_LEVEL = 0.9
# Of the bandit's beliefs, for its probabilities at one decision.
_DRAWS = 256


@dataclass(frozen=True)
class PolicyFigures:
    """Mean improvement that follows a decision: by the policy, by the bandit, and as recorded.

    ``lower`` and ``upper`` bound what the policy gains over the bandit at 90 %, by drawing tasks with replacement.
    """

    policy: float
    bandit: float
    recorded: float
    lower: float
    upper: float
    task_count: int
    decision_count: int


def evaluate(held_out: Sequence[tuple[QFunction, Trajectory]], seed: int = 0) -> PolicyFigures | None:
    """Of policies on tasks they have not seen. None where there is no decision with a choice."""
    generator = np.random.default_rng(seed)
    found = [_of_task(function, trajectory, generator) for function, trajectory in held_out]
    of_tasks = np.array([row for rows in found if len(rows) for row in [rows.mean(axis=0)]])
    if not len(of_tasks):
        return None
    policy, bandit, recorded = of_tasks.mean(axis=0)
    gains = of_tasks[:, 0] - of_tasks[:, 1]
    draws = generator.integers(0, len(gains), (_RESAMPLES, len(gains)))
    lower, upper = np.quantile(gains[draws].mean(axis=1), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return PolicyFigures(
        float(policy), float(bandit), float(recorded), float(lower), float(upper), len(gains), sum(map(len, found))
    )


def _of_task(function: QFunction, trajectory: Trajectory, generator: np.random.Generator) -> NDArray[np.float64]:
    """For each decision with a choice: doubly robust for policy and bandit, and as recorded, [decisions, 3]."""
    rows = []
    for step, follows in zip(trajectory.steps, returns(trajectory.steps), strict=True):
        if len(step.arms) < 2 or not step.probability > 0:
            continue
        values = function.values(trajectory.task, step.state, step.arms).astype(np.float64)
        residual = float(follows) - float(values[step.taken])
        policy = function.probabilities(trajectory.task, step.state, step.arms)
        bandit = choice_probabilities(step.arms, generator, _DRAWS)
        robust = [
            float(taken @ values) + min(float(taken[step.taken]) / step.probability, _MOST_RATIO) * residual
            for taken in (policy, bandit)
        ]
        rows.append([*robust, float(follows)])
    return np.array(rows)


def returns(steps: Sequence[Step]) -> NDArray[np.float64]:
    """The improvement from each decision on, each later one counting ``DISCOUNT`` times the one before."""
    found = np.zeros(len(steps))
    ahead = 0.0
    for index in range(len(steps) - 1, -1, -1):
        ahead = steps[index].improvement + DISCOUNT * ahead
        found[index] = ahead
    return found
