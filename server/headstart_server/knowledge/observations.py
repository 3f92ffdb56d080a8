"""What has been measured, as arrays: the results of each task in a space, kept in memory and read on as they grow.

Sequence numbers are dense and in the order of commits (see ``recording``), so what is held is brought up to date by
reading the rows after the last one, and is never stale: the count is asked of the database at every call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, select

from headstart.spaces.validation import is_slug
from headstart_server.knowledge.outcomes import Status, is_full_training
from headstart_server.knowledge.tables import (
    architectures,
    experiments,
    namespaces,
    search_spaces,
    task_summaries,
    tasks,
)
from headstart_server.knowledge.tasks import Task, task_from_row


@dataclass(frozen=True)
class Observations:
    """The experiments of one task in one space, in the order of recording (n of them).

    ``values`` [n]: the objective in the task's unit, NaN where there is none. ``completed`` [n]: whether the value is
    the finite result of a full training.
    """

    task: Task
    search_space_id: str
    fingerprints: tuple[str, ...]
    values: NDArray[np.float64]
    completed: NDArray[np.bool_]

    @property
    def count(self) -> int:
        return len(self.fingerprints)

    def sequence_of(self, index: int) -> int:
        """Sequence number of the experiment at an index."""
        return index + 1


def no_observations(task: Task, search_space_id: str) -> Observations:
    return Observations(task, search_space_id, (), np.empty(0), np.empty(0, dtype=bool))


class ObservationCache:
    """Observations by task and space, read on incrementally. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[tuple[int, int], Observations] = {}
        self._lock = Lock()

    def of_task(self, connection: Connection, namespace: str, task_id: str, space_id: str) -> Observations | None:
        """None where the task has no experiment in the space."""
        query = _tried(namespace, space_id).where(tasks.c.name == task_id)
        row = connection.execute(query).first() if is_slug(task_id) else None
        return None if row is None else self._current(connection, row, space_id)

    def of_space(self, connection: Connection, namespace: str, space_id: str) -> list[Observations]:
        """Every task with at least one experiment in the space, by task id."""
        rows = connection.execute(_tried(namespace, space_id).order_by(tasks.c.name)).all()
        return [self._current(connection, row, space_id) for row in rows]

    def _current(self, connection: Connection, row: Any, space_id: str) -> Observations:
        key = (row.id, row.space_number)
        task = task_from_row(row)
        with self._lock:
            held = self._held.get(key)
        if held is None:
            held = no_observations(task, space_id)
        if held.task != task:
            held = replace(held, task=task)
        if held.count < row.experiment_count:
            held = _read_on(connection, key, held)
        with self._lock:
            other = self._held.get(key)
            if other is None or other.count <= held.count:
                self._held[key] = held
        return held


def _tried(namespace: str, space_id: str) -> Select[Any]:
    return (
        select(tasks, search_spaces.c.id.label("space_number"), task_summaries.c.experiment_count)
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .join(task_summaries, task_summaries.c.task_id == tasks.c.id)
        .join(search_spaces, task_summaries.c.search_space_id == search_spaces.c.id)
        .where(namespaces.c.name == namespace, search_spaces.c.name == space_id, task_summaries.c.experiment_count > 0)
    )


def _read_on(connection: Connection, key: tuple[int, int], held: Observations) -> Observations:
    rows = connection.execute(
        select(architectures.c.fingerprint, experiments.c.status, experiments.c.objective_value, experiments.c.fidelity)
        .join(architectures, experiments.c.architecture_id == architectures.c.id)
        .where(
            experiments.c.task_id == key[0],
            experiments.c.search_space_id == key[1],
            experiments.c.sequence > held.count,
        )
        .order_by(experiments.c.sequence)
    ).all()
    values = np.array([math.nan if row.objective_value is None else row.objective_value for row in rows], dtype=float)
    full = [row.status == Status.COMPLETED.value and is_full_training(held.task, row.fidelity) for row in rows]
    return replace(
        held,
        fingerprints=held.fingerprints + tuple(row.fingerprint for row in rows),
        values=np.concatenate([held.values, values]),
        completed=np.concatenate([held.completed, np.array(full, dtype=bool) & np.isfinite(values)]),
    )
