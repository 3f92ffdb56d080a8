"""Reads recorded experiments back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Row, Select, any_, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from headstart.spaces import Candidate
from headstart_server.knowledge.json_columns import candidate_from_json
from headstart_server.knowledge.outcomes import Outcome, Status, full_training_clause
from headstart_server.knowledge.tables import architectures, experiments, namespaces, search_spaces, tasks
from headstart_server.runtime.errors import NotFound

# Without a join to tasks, so that PostgreSQL always uses the index of architectures.
_tried = (
    select(
        experiments.c.architecture_id,
        experiments.c.task_id,
        experiments.c.sequence,
        experiments.c.objective_value,
        experiments.c.fidelity,
    )
    .where(
        experiments.c.architecture_id == any_(bindparam("numbers", type_=ARRAY(BigInteger))),
        experiments.c.status == Status.COMPLETED.value,
    )
    .cte("tried")
    .prefix_with("MATERIALIZED")
)
# The best of each architecture and task comes first; among equals the one recorded first.
_ranked = (
    select(
        _tried.c.architecture_id,
        tasks.c.name,
        tasks.c.maximize,
        _tried.c.sequence,
        _tried.c.objective_value,
        func.row_number()
        .over(
            partition_by=(_tried.c.architecture_id, tasks.c.id),
            order_by=(
                case((tasks.c.maximize, -_tried.c.objective_value), else_=_tried.c.objective_value),
                _tried.c.sequence,
            ),
        )
        .label("place"),
    )
    .join(tasks, _tried.c.task_id == tasks.c.id)
    .where(full_training_clause(tasks.c.max_fidelity, _tried.c.fidelity))
    .subquery("ranked")
)
_BEST = select(_ranked).where(_ranked.c.place == 1)


@dataclass(frozen=True)
class Experiment:
    task_id: str
    search_space_id: str
    sequence: int
    candidate: Candidate
    fingerprint: str
    outcome: Outcome
    decision_id: UUID | None
    worker_id: str
    recorded_at: datetime


@dataclass(frozen=True)
class Result:
    """A completed value of an architecture on a task, in the task's unit."""

    task_id: str
    search_space_id: str
    sequence: int
    objective_value: float
    maximize: bool


def get_experiment(connection: Connection, namespace: str, task_id: str, space_id: str, sequence: int) -> Experiment:
    """Raises NotFound."""
    rows = connection.execute(_in(namespace, task_id, space_id).where(experiments.c.sequence == sequence)).all()
    if not rows:
        raise NotFound(
            f"experiment '{task_id[:63]}/{space_id[:63]}/{sequence}' is not known", reason="EXPERIMENT_NOT_FOUND"
        )
    return experiment_from_row(task_id, space_id, rows[0])


def best_results(connection: Connection, space_id: str, numbers: Mapping[str, int]) -> Mapping[str, list[Result]]:
    """For each architecture, its best full training on every task.

    ``numbers`` are the architectures' row numbers by fingerprint.
    """
    best: dict[int, list[Result]] = {number: [] for number in numbers.values()}
    for row in connection.execute(_BEST, {"numbers": list(numbers.values())}):
        match = Result(row.name, space_id, row.sequence, row.objective_value, row.maximize)
        best[row.architecture_id].append(match)
    return {
        fingerprint: sorted(best[number], key=lambda result: result.task_id) for fingerprint, number in numbers.items()
    }


def _in(namespace: str, task_id: str, space_id: str) -> Select[Any]:
    return (
        select(experiments, architectures.c.fingerprint)
        .join(architectures, experiments.c.architecture_id == architectures.c.id)
        .where(
            experiments.c.task_id
            == select(tasks.c.id)
            .join(namespaces)
            .where(namespaces.c.name == namespace, tasks.c.name == task_id)
            .scalar_subquery(),
            experiments.c.search_space_id
            == select(search_spaces.c.id)
            .join(namespaces)
            .where(namespaces.c.name == namespace, search_spaces.c.name == space_id)
            .scalar_subquery(),
        )
    )


def _floats(stored: Mapping[str, float]) -> Mapping[str, float]:
    """Floats from a JSON column, which returns large ones as integers."""
    return {name: float(number) for name, number in stored.items()}


def experiment_from_row(task_id: str, space_id: str, row: Row[Any]) -> Experiment:
    """An experiment from a row with all columns of ``experiments`` and the fingerprint."""
    return Experiment(
        task_id=task_id,
        search_space_id=space_id,
        sequence=row.sequence,
        candidate=candidate_from_json(row.candidate),
        fingerprint=row.fingerprint,
        outcome=Outcome(
            status=Status(row.status),
            objective_value=row.objective_value,
            metrics=_floats(row.metrics),
            curve=tuple(zip(row.curve_fidelities, row.curve_values, strict=True)),
            fidelity=row.fidelity,
            cost_seconds=row.cost_seconds,
            proxies=_floats(row.proxies),
            seed=row.seed,
        ),
        decision_id=row.decision_id,
        worker_id=row.worker_id,
        recorded_at=row.recorded_at,
    )
