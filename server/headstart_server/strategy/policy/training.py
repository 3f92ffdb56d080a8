"""Learns a policy from the recorded searches of a namespace, and lets it serve only where that is worth it.

The figures are those of policies that have not seen the task: tasks are split in parts, and each part is judged by a
policy of the others. A policy serves where the lower end of what it gains over the bandit is above a hundredth of what
the bandit improves, and one that serves steps down where the next one does not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from headstart_server.strategy.model_versions import ModelKind, ModelState, TrainedModel
from headstart_server.strategy.policy import fitted_q
from headstart_server.strategy.policy.off_policy_evaluation import PolicyFigures, evaluate
from headstart_server.strategy.policy.trajectories import Trajectory

# Fewer say nothing about tasks to come.
LEAST_TASKS = 8
_LEAST_DECISIONS = 200
_PARTS = 4
# What a policy gains at least, as a share of what the bandit improves.
_LEAST_GAIN = 0.01

_logger = logging.getLogger(__name__)


def train_policy(
    trajectories: Sequence[Trajectory], trained_through: int, seed: int = 0
) -> tuple[TrainedModel, ModelState] | None:
    """A policy of all tasks with held-out figures, and whether it is to serve. None where too little is recorded."""
    choices = sum(len(step.arms) > 1 for found in trajectories for step in found.steps)
    if len(trajectories) < LEAST_TASKS or choices < _LEAST_DECISIONS:
        return None
    begin = time.monotonic()
    held_out = []
    for part in range(_PARTS):
        others = [found for index, found in enumerate(trajectories) if index % _PARTS != part]
        policy = fitted_q.fit(others, seed)
        held_out += [(policy, found) for index, found in enumerate(trajectories) if index % _PARTS == part]
        _logger.info("judged %d of %d parts of a policy", part + 1, _PARTS)
    figures = evaluate(held_out, seed)
    if figures is None:
        return None
    artefact = fitted_q.fit(trajectories, seed).to_bytes()
    model = TrainedModel(
        ModelKind.POLICY, _by_name(figures), artefact, len(trajectories), trained_through, time.monotonic() - begin
    )
    worth_it = figures.lower > _LEAST_GAIN * figures.bandit
    return model, ModelState.SERVING if worth_it else ModelState.REJECTED


def _by_name(figures: PolicyFigures) -> dict[str, float]:
    return {
        "improvement_policy": figures.policy,
        "improvement_bandit": figures.bandit,
        "improvement_recorded": figures.recorded,
        "gain_lower": figures.lower,
        "gain_upper": figures.upper,
        "decisions": float(figures.decision_count),
        "tasks": float(figures.task_count),
    }
