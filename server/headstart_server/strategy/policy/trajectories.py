"""Trajectories: recorded searches as sequences of decisions, to train and evaluate the learned policy on.

The improvement of a decision is the rise of the incumbent by the experiments recorded under it, as a share of the
gain of the whole search over its median result, times the share of the budget that is left to profit from it. Its sum
over a search is the fall of the area under the regret curve.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from headstart_server.knowledge.outcomes import Status, is_full_training
from headstart_server.knowledge.tables import experiments, tasks
from headstart_server.knowledge.tasks import Task, task_from_row
from headstart_server.strategy.bandit.thompson_sampling import Belief
from headstart_server.strategy.decisions import state_from_context
from headstart_server.strategy.search_state import SearchState
from headstart_server.strategy.tables import strategy_arms, strategy_decisions

# The newest tasks with rewards that a policy is trained on, and decisions of each.
_MOST_TASKS, _MOST_DECISIONS = 300, 500


@dataclass(frozen=True)
class Step:
    """A decision: ``arms`` are the bandit's beliefs at that time; ``arms[taken]`` was chosen with ``probability`` and
    improved the search by ``improvement``, 0 to 1."""

    state: SearchState
    arms: tuple[Belief, ...]
    taken: int
    probability: float
    improvement: float


@dataclass(frozen=True)
class Trajectory:
    task: Task
    steps: tuple[Step, ...]


def read_trajectories(connection: Connection, namespace_id: int) -> list[Trajectory]:
    """Trajectories of the newest tasks of a namespace whose decisions have results."""
    rewarded = select(strategy_arms.c.task_id).where(strategy_arms.c.pulls > 0).distinct()
    rows = connection.execute(
        select(tasks)
        .where(tasks.c.namespace_id == namespace_id, tasks.c.id.in_(rewarded))
        .order_by(tasks.c.id.desc())
        .limit(_MOST_TASKS)
    ).all()
    trajectories = [Trajectory(task_from_row(row), _steps(connection, row)) for row in rows]
    return [trajectory for trajectory in trajectories if trajectory.steps]


def _steps(connection: Connection, task: Any) -> tuple[Step, ...]:
    columns = strategy_decisions.c
    decisions = connection.execute(
        select(columns.id, columns.arm, columns.tuned, columns.probability, columns.context)
        .where(columns.task_id == task.id, columns.experiment_count > 0)
        .order_by(columns.decided_at, columns.id)
        .limit(_MOST_DECISIONS)
    ).all()
    improvements = _improvements(connection, task)
    steps = []
    for row in decisions:
        state = state_from_context(row.context)
        arms = tuple(
            Belief(str(name), bool(tuned), float(mean), float(deviation), float(pulls), int(pending))
            for name, tuned, mean, deviation, pulls, pending in _arms_of(row.context)
        )
        keys = [arm.key for arm in arms]
        if (row.arm, row.tuned) in keys:
            improvement = improvements.get(row.id, 0.0) * (1.0 - state.phase)
            steps.append(Step(state, arms, keys.index((row.arm, row.tuned)), row.probability, improvement))
    return tuple(steps)


def _arms_of(context: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """Stored beliefs of a decision; empty for earlier versions of the service, which stored other fields."""
    arms = context.get("arms", [])
    return [arm for arm in arms if isinstance(arm, list) and len(arm) == 6]


def _improvements(connection: Connection, task: Any) -> dict[UUID, float]:
    """By decision: the rise of the incumbent by its experiments, as a share of best minus median of the search."""
    columns = experiments.c
    rows = connection.execute(
        select(columns.status, columns.objective_value, columns.fidelity, columns.decision_id)
        .where(columns.task_id == task.id)
        .order_by(columns.recorded_at, columns.search_space_id, columns.sequence)
    ).all()
    sign = 1.0 if task.maximize else -1.0
    parsed = task_from_row(task)
    scored = [
        (sign * row.objective_value, row.decision_id)
        for row in rows
        if row.status == Status.COMPLETED.value
        and row.objective_value is not None
        and is_full_training(parsed, row.fidelity)
    ]
    if not scored:
        return {}
    incumbent = statistics.median(score for score, _ in scored)
    gain = max(score for score, _ in scored) - incumbent
    improvements: dict[UUID, float] = {}
    for score, decision in scored:
        if score > incumbent and gain > 0:
            if decision is not None:
                improvements[decision] = improvements.get(decision, 0.0) + (score - incumbent) / gain
            incumbent = score
    return improvements
