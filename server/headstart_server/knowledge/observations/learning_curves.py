"""The learning curves that were recorded of a task in a space: the newest of them, read on as more are recorded.

It leaves to others what a curve is worth: a run that was cut short has its early values and no final one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.outcomes import Status, is_full_training
from headstart_server.knowledge.tables import experiments, namespaces, search_spaces, tasks
from headstart_server.knowledge.tasks import Task
from headstart_server.runtime.lru import Lru

# Number of newest experiments of a task that are read, and number of their curves that are cached.
_LOOKED_AT = 1000
MAX_CURVES = 300
# Cached bytes of all tasks together.
_CACHED_BYTES = 128 * 2**20


@dataclass(frozen=True)
class RecordedCurve:
    """points (fidelity, value) in the task's unit; ``final`` is the result of the full training, NaN for a failed
    run, None for a truncated one.
    """

    fingerprint: str
    points: tuple[tuple[float, float], ...]
    final: float | None


@dataclass(frozen=True, eq=False)
class _CachedCurves:
    """Curves of the first experiments, whose values are ``values``."""

    values: NDArray[np.float64]
    curves: tuple[RecordedCurve, ...]


def _bytes_of(cached: _CachedCurves) -> int:
    return 1000 + sum(300 + 120 * len(curve.points) for curve in cached.curves)


class CurveCache:
    """Curves by task and space, at most MAX_CURVES of each, the newest last. Thread-safe."""

    def __init__(self) -> None:
        self._cache: Lru[tuple[str, str, str], _CachedCurves] = Lru(_CACHED_BYTES, _bytes_of)

    def cached(self, namespace: str, observations: Observations) -> tuple[RecordedCurve, ...] | None:
        """The cached curves of exactly these observations; None if they must be read."""
        if not observations.count:
            return ()
        current = self._cache.get((namespace, observations.task.task_id, observations.search_space_id))
        return current.curves if current is not None and current.values is observations.values else None

    def of(self, connection: Connection, namespace: str, observations: Observations) -> tuple[RecordedCurve, ...]:
        """Curves of these observations; the same object until there are more curves."""
        key = (namespace, observations.task.task_id, observations.search_space_id)
        current = self._cache.get(key)
        if current is not None and current.values is observations.values:
            return current.curves
        # A task that was deleted and created again starts with nothing cached.
        grown = current is not None and np.array_equal(
            current.values, observations.values[: len(current.values)], equal_nan=True
        )
        before = current if current is not None and grown else _CachedCurves(observations.values[:0], ())
        after = max(len(before.values), observations.count - _LOOKED_AT)
        fresh = _read(connection, namespace, observations, after)
        curves = (*before.curves, *fresh)[-MAX_CURVES:] if fresh else before.curves
        self._cache.put(key, _CachedCurves(observations.values, curves))
        return curves


def _read(connection: Connection, namespace: str, observations: Observations, after: int) -> list[RecordedCurve]:
    """The curves of the experiments ``after`` a sequence number up to the last observed one, in their order."""
    task = observations.task
    numbers = connection.execute(
        select(tasks.c.id.label("task"), search_spaces.c.id.label("space"))
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(
            namespaces.c.name == namespace,
            tasks.c.name == task.task_id,
            search_spaces.c.name == observations.search_space_id,
        )
    ).one_or_none()
    if numbers is None:
        # Deleted since the observation.
        return []
    query = (
        select(
            experiments.c.sequence,
            experiments.c.status,
            experiments.c.objective_value,
            experiments.c.fidelity,
            experiments.c.curve_fidelities,
            experiments.c.curve_values,
        )
        .where(
            experiments.c.task_id == numbers.task,
            experiments.c.search_space_id == numbers.space,
            experiments.c.sequence > after,
            experiments.c.sequence <= observations.count,
            func.cardinality(experiments.c.curve_fidelities) > 0,
        )
        .order_by(experiments.c.sequence.desc())
        .limit(MAX_CURVES)
    )
    result = []
    for row in reversed(connection.execute(query).all()):
        points = tuple(zip(row.curve_fidelities, row.curve_values, strict=True))
        final = _final(task, Status(row.status), row.objective_value, row.fidelity, points)
        fingerprint = observations.names.name(int(observations.codes[row.sequence - 1]))
        result.append(RecordedCurve(fingerprint, points, final))
    return result


def _final(
    task: Task, status: Status, value: float | None, fidelity: float | None, points: tuple[tuple[float, float], ...]
) -> float | None:
    """The result of a full training; NaN for a failed run, or one whose values ceased to be finite."""
    if status is Status.FAILED or not math.isfinite(points[-1][1]):
        return math.nan
    if status is Status.COMPLETED and value is not None and is_full_training(task, fidelity):
        return value
    return None
