"""Training and promotion of the policy of a namespace.

The figures are cross-validated: tasks are split into folds, and each fold is evaluated with a policy of the others. A
policy serves if the lower bound of its gain over the bandit exceeds a hundredth of the bandit's improvement; a
serving policy retires when the next one does not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from headstart_server.strategy.model_versions import ModelKind, ModelState, TrainedModel
from headstart_server.strategy.policy import fitted_q
from headstart_server.strategy.policy.off_policy_evaluation import PolicyEvaluation, evaluate
from headstart_server.strategy.policy.trajectories import Trajectory

# Fewer tasks say nothing about new ones.
LEAST_TASKS = 8
_LEAST_DECISIONS = 200
_FOLDS = 4
# Least gain of a serving policy, as a share of the bandit's improvement.
_LEAST_GAIN = 0.01

_logger = logging.getLogger(__name__)


def train_policy(
    trajectories: Sequence[Trajectory], trained_through: int, seed: int = 0
) -> tuple[TrainedModel, ModelState] | None:
    """A policy trained on all tasks with its validation figures, and its state. None if too little is recorded."""
    choices = sum(len(step.arms) > 1 for trajectory in trajectories for step in trajectory.steps)
    if len(trajectories) < LEAST_TASKS or choices < _LEAST_DECISIONS:
        return None
    begin = time.monotonic()
    held_out = []
    for fold in range(_FOLDS):
        others = [trajectory for index, trajectory in enumerate(trajectories) if index % _FOLDS != fold]
        policy = fitted_q.fit(others, seed)
        held_out += [(policy, trajectory) for index, trajectory in enumerate(trajectories) if index % _FOLDS == fold]
        _logger.info("trained %d of %d folds of a policy", fold + 1, _FOLDS)
    evaluation = evaluate(held_out, seed)
    if evaluation is None:
        return None
    artefact = fitted_q.fit(trajectories, seed).to_bytes()
    model = TrainedModel(
        ModelKind.POLICY, _figures(evaluation), artefact, len(trajectories), trained_through, time.monotonic() - begin
    )
    promoted = evaluation.lower > _LEAST_GAIN * evaluation.bandit
    return model, ModelState.SERVING if promoted else ModelState.REJECTED


def _figures(evaluation: PolicyEvaluation) -> dict[str, float]:
    return {
        "improvement_policy": evaluation.policy,
        "improvement_bandit": evaluation.bandit,
        "improvement_recorded": evaluation.recorded,
        "gain_lower": evaluation.lower,
        "gain_upper": evaluation.upper,
        "decisions": float(evaluation.decision_count),
        "tasks": float(evaluation.task_count),
    }
