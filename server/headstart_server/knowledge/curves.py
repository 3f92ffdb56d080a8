"""Learning curves as recorded: how trainings of a task went until they were finished, or failed.

The newest of every task are held in memory and read on as results come, like the results themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, or_, select

from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.outcomes import Status, full_training_clause
from headstart_server.knowledge.tables import experiments, namespaces, search_spaces, tasks

# Of each task, among so many of its newest experiments.
MOST_CURVES = 256
_LOOKED_THROUGH = 4096
_LEAST_POINTS = 3
_HELD_TASKS = 512


@dataclass(frozen=True, eq=False)
class RecordedCurve:
    """``fidelities`` and ``values`` [m] in the task's units. ``final`` is the result; None where the run failed."""

    fidelities: NDArray[np.float64]
    values: NDArray[np.float64]
    final: float | None


@dataclass(frozen=True)
class _Held:
    count: int
    curves: tuple[RecordedCurve, ...]


class CurveCache:
    """Curves by task and space. Thread-safe."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, int], _Held] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, namespace: str, observations: Observations) -> tuple[RecordedCurve, ...]:
        """Of the full trainings and failed runs behind these observations, newest last, MOST_CURVES at most."""
        numbers = connection.execute(
            select(tasks.c.id, search_spaces.c.id)
            .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
            .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
            .where(
                namespaces.c.name == namespace,
                tasks.c.name == observations.task.task_id,
                search_spaces.c.name == observations.search_space_id,
            )
        ).first()
        if numbers is None:
            return ()
        key = (numbers[0], numbers[1])
        with self._lock:
            held = self._held.get(key, _Held(0, ()))
        if held.count >= observations.count:
            return held.curves
        fresh = _read(connection, *key, max(held.count, observations.count - _LOOKED_THROUGH), observations)
        held = _Held(observations.count, (*held.curves, *fresh)[-MOST_CURVES:])
        with self._lock:
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > _HELD_TASKS:
                self._held.popitem(last=False)
        return held.curves


def _read(connection: Connection, task: int, space: int, after: int, observations: Observations) -> list[RecordedCurve]:
    columns = experiments.c
    failed = columns.status == Status.FAILED.value
    rows = connection.execute(
        select(columns.status, columns.objective_value, columns.curve_fidelities, columns.curve_values)
        .where(
            columns.task_id == task,
            columns.search_space_id == space,
            columns.sequence > after,
            func.cardinality(columns.curve_values) >= _LEAST_POINTS,
            or_(
                failed,
                (columns.status == Status.COMPLETED.value) & full_training_clause(observations.task.max_fidelity),
            ),
        )
        .order_by(columns.sequence.desc())
        .limit(MOST_CURVES)
    ).all()
    return [
        RecordedCurve(
            np.array(row.curve_fidelities, np.float64),
            np.array(row.curve_values, np.float64),
            row.objective_value if row.status == Status.COMPLETED.value else None,
        )
        for row in reversed(rows)
    ]
