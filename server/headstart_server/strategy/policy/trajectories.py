"""Recorded searches as sequences of decisions: what was known at each, what was taken with which probability, what it
improved. This is what the learned policy learns from, and what it is judged by.

The improvement of a decision is how much the best value so far rose by the experiments recorded under it, as a share of
what the whole search gained over its median result, times the share of the budget that is left to profit from it: the
sum over a search is what the area under its curve of regret fell by.
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

# The newest tasks with rewards, and decisions of each, that a policy learns from.
_MOST_TASKS, _MOST_DECISIONS = 300, 500


@dataclass(frozen=True)
class Step:
    """``arms`` are the bandit's beliefs at that time; ``arms[taken]`` was chosen with ``probability``, and improved the
    search by ``improvement``, 0 to 1."""

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
    """Of the newest tasks of a namespace whose decisions have results."""
    rewarded = select(strategy_arms.c.task_id).where(strategy_arms.c.pulls > 0).distinct()
    rows = connection.execute(
        select(tasks)
        .where(tasks.c.namespace_id == namespace_id, tasks.c.id.in_(rewarded))
        .order_by(tasks.c.id.desc())
        .limit(_MOST_TASKS)
    ).all()
    found = [Trajectory(task_from_row(row), _steps(connection, row)) for row in rows]
    return [trajectory for trajectory in found if trajectory.steps]


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
    """None where an earlier version of the service took the decision: it kept other things."""
    arms = context.get("arms", [])
    return [arm for arm in arms if isinstance(arm, list) and len(arm) == 6]


def _improvements(connection: Connection, task: Any) -> dict[UUID, float]:
    """By decision: how much its experiments raised the best value, as a share of best less median of the search."""
    columns = experiments.c
    rows = connection.execute(
        select(columns.status, columns.objective_value, columns.fidelity, columns.decision_id)
        .where(columns.task_id == task.id)
        .order_by(columns.recorded_at, columns.search_space_id, columns.sequence)
    ).all()
    sign = 1.0 if task.maximize else -1.0
    whole = task_from_row(task)
    scored = [
        (sign * row.objective_value, row.decision_id)
        for row in rows
        if row.status == Status.COMPLETED.value
        and row.objective_value is not None
        and is_full_training(whole, row.fidelity)
    ]
    if not scored:
        return {}
    incumbent = statistics.median(score for score, _ in scored)
    gain = max(score for score, _ in scored) - incumbent
    found: dict[UUID, float] = {}
    for score, decision in scored:
        if score > incumbent and gain > 0:
            if decision is not None:
                found[decision] = found.get(decision, 0.0) + (score - incumbent) / gain
            incumbent = score
    return found
