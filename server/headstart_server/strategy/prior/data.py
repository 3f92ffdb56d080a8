"""Training data of the prior: losses of arms on past tasks, read from recorded decisions.

Algorithm selection: a decision is a single evaluation, and most results are of arms that ran once or twice on their
task. The loss is then the mean objective of the experiments under the arm's decisions, oriented so that lower is
better; a failed run counts as the worst result of its task. Objectives of one metric are compared as they are; those
of several metrics are scaled to the range between the best and the worst of their task.

Searches: arms ran many times. The loss is then one minus the mean reward (``rewards``), by phase of the search, with
noise taken out (``random_effects``).
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from headstart_server.knowledge.outcomes import Status, is_full_training
from headstart_server.knowledge.tables import experiments, tasks
from headstart_server.knowledge.tasks import Task, task_from_row
from headstart_server.strategy.arm_statistics import ArmKey
from headstart_server.strategy.decisions import state_from_context
from headstart_server.strategy.rewards.random_effects import pool_rewards
from headstart_server.strategy.tables import strategy_decisions

Numbers = NDArray[np.float64]

# Ends of the phases of a search, as shares of its budget.
PHASES = (0.1, 0.25, 0.5, 1.0)
_MOST_TASKS = 10_000
# An arm with more results than these on a task ran in a search.
_FEW = 2


@dataclass(frozen=True, eq=False)
class RecordedArms:
    """Losses [rows, arms], NaN where an arm never ran.

    Rows are tasks, or with ``of_search`` tasks in phases. For each row: its index in ``tasks``, the middle of its
    phase as a share of the budget, and the budget in evaluations, 0 if unknown. ``errors`` [arms]: standard errors of
    the mean losses, 0 if unknown; ``residual_variance``: the variance that noise leaves in a loss.
    """

    tasks: tuple[Task, ...]
    arms: tuple[ArmKey, ...]
    task_of_row: NDArray[np.int64]
    phases: Numbers
    budgets: Numbers
    losses: Numbers
    of_search: bool
    errors: Numbers
    residual_variance: float = 0.0


def phase_middle(phase: float) -> float:
    """The middle of the phase that contains a share of the budget, 0 to 1."""
    start = 0.0
    for end in PHASES:
        if phase < end or end == PHASES[-1]:
            return (start + end) / 2
        start = end
    raise AssertionError


def read_recorded_arms(connection: Connection, namespace_id: int) -> RecordedArms | None:
    """Losses of arms on the newest tasks of a namespace; None if no decision has a result."""
    columns = strategy_decisions.c
    recorded = select(columns.task_id).where(columns.namespace_id == namespace_id, columns.experiment_count > 0)
    rows = connection.execute(
        select(tasks).where(tasks.c.id.in_(recorded.distinct())).order_by(tasks.c.id.desc()).limit(_MOST_TASKS)
    ).all()
    if not rows:
        return None
    decisions = connection.execute(
        select(
            columns.id,
            columns.task_id,
            columns.arm,
            columns.tuned,
            columns.experiment_count,
            columns.reward_sum,
            columns.context,
        ).where(columns.namespace_id == namespace_id, columns.experiment_count > 0, columns.task_id >= rows[-1].id)
    ).all()
    counts: dict[tuple[int, ArmKey], int] = defaultdict(int)
    for row in decisions:
        counts[row.task_id, (row.arm, row.tuned)] += row.experiment_count
    # Counted by results rather than arms, since a search that favours one arm tries each of the others once or twice.
    of_search = 2 * sum(number for number in counts.values() if number > _FEW) > sum(counts.values())
    by_id = {row.id: task_from_row(row) for row in rows}
    if of_search:
        return _search_losses(by_id, decisions)
    cells = _objective_losses(connection, namespace_id, by_id, decisions)
    return _table(by_id, cells, of_search=False) if cells else None


# Task, phase, budget.
_Row = tuple[int, float, float]
_Cells = Mapping[_Row, Mapping[ArmKey, float]]


def _table(by_id: Mapping[int, Task], cells: _Cells, of_search: bool) -> RecordedArms:
    arms = sorted({arm for cell in cells.values() for arm in cell})
    ordered = sorted(cells)
    task_ids = sorted({row[0] for row in ordered})
    indices = {task_id: index for index, task_id in enumerate(task_ids)}
    losses = np.array([[cells[row].get(arm, np.nan) for arm in arms] for row in ordered])
    return RecordedArms(
        tuple(by_id[task_id] for task_id in task_ids),
        tuple(arms),
        np.array([indices[row[0]] for row in ordered]),
        np.array([row[1] for row in ordered]),
        np.array([row[2] for row in ordered]),
        losses,
        of_search,
        np.zeros(len(arms)),
    )


def _search_losses(by_id: Mapping[int, Task], decisions: Any) -> RecordedArms:
    """Losses from the pooled mean rewards of decisions; NaN where an arm was not pulled on a task."""
    sums: dict[str, dict[_Row, dict[ArmKey, float]]] = {
        name: defaultdict(lambda: defaultdict(float)) for name in ("pulls", "rewards", "squares")
    }
    for decision in decisions:
        state = state_from_context(decision.context)
        row, arm = (decision.task_id, phase_middle(state.phase), state.total), (decision.arm, decision.tuned)
        sums["pulls"][row][arm] += decision.experiment_count
        sums["rewards"][row][arm] += decision.reward_sum
        sums["squares"][row][arm] += decision.reward_sum**2 / decision.experiment_count
    tables = {name: _table(by_id, cells, of_search=True) for name, cells in sums.items()}
    table = tables["pulls"]
    pulls, rewards, squares = (np.nan_to_num(each.losses) for each in tables.values())
    phases = np.unique(table.phases, return_inverse=True)[1]
    pooled = pool_rewards(pulls, rewards, squares, table.task_of_row, phases)
    ran = np.zeros((len(table.tasks), len(table.arms)), dtype=bool)
    np.logical_or.at(ran, table.task_of_row, pulls > 0)
    losses = np.where(ran[table.task_of_row], 1.0 - pooled.rewards, np.nan)
    return replace(table, losses=losses, errors=pooled.errors, residual_variance=pooled.residual_variance)


def _objective_losses(connection: Connection, namespace_id: int, by_id: Mapping[int, Task], decisions: Any) -> _Cells:
    arms = {(row.task_id, row.id): (row.arm, row.tuned) for row in decisions}
    columns = experiments.c
    results: dict[int, dict[ArmKey, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in connection.execute(
        select(columns.task_id, columns.decision_id, columns.status, columns.objective_value, columns.fidelity).where(
            columns.namespace_id == namespace_id, columns.decision_id.is_not(None)
        )
    ):
        arm = arms.get((row.task_id, row.decision_id))
        if arm is None:
            continue
        task = by_id[row.task_id]
        if row.status != Status.COMPLETED.value or row.objective_value is None:
            results[row.task_id][arm].append(None)
        elif is_full_training(task, row.fidelity):
            results[row.task_id][arm].append(-row.objective_value if task.maximize else row.objective_value)
    several = len({(by_id[task_id].metric, by_id[task_id].maximize) for task_id in results}) > 1
    cells: dict[_Row, dict[ArmKey, float]] = {}
    for task_id, of_task in results.items():
        values_seen = [value for values in of_task.values() for value in values if value is not None]
        if values_seen:
            worst, best = max(values_seen), min(values_seen)
            means = {
                arm: statistics.fmean(worst if value is None else value for value in values)
                for arm, values in of_task.items()
            }
            if several and worst > best:
                means = {arm: (mean - best) / (worst - best) for arm, mean in means.items()}
            cells[task_id, 0.0, 0.0] = means
    return cells
