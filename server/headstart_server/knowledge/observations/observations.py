"""Observations: the results of each task in a space as arrays, kept in memory and extended as they grow.

Sequence numbers are dense and in the order of commits (see ``recording``). Reading the rows after the last known one
therefore brings the arrays up to date, and they are never stale: every call asks the database for the count. Values
derived from the results of a task are computed once for each state of them. A deleted task is dropped when its space
is next read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from headstart.spaces.validation import is_slug
from headstart_server.knowledge.observations.interning import Codes, Fingerprints
from headstart_server.knowledge.outcomes import Status, full_trainings
from headstart_server.knowledge.tables import (
    architectures,
    experiments,
    namespaces,
    search_spaces,
    task_summaries,
    tasks,
)
from headstart_server.knowledge.tasks import Task, task_from_row
from headstart_server.runtime.database.prepared_statements import prepared_once

# Further proxy names of a task in a space stay in the database only.
_MOST_PROXIES = 64


@dataclass(frozen=True)
class Oriented:
    """One value for each architecture, higher is better: ``codes`` [m] ascending, ``values`` [m]."""

    codes: Codes
    values: NDArray[np.float64]

    def shared_with(self, other: Oriented) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values of the architectures that both have, in the order of their codes."""
        if len(other.codes) < len(self.codes):
            theirs, own = other.shared_with(self)
            return own, theirs
        indices = np.searchsorted(other.codes, self.codes)
        indices[indices == len(other.codes)] = 0
        both = other.codes[indices] == self.codes if len(other.codes) else np.zeros(len(self.codes), dtype=bool)
        return self.values[both], other.values[indices[both]]


@dataclass(frozen=True, eq=False)
class Observations:
    """The experiments of one task in one space, in the order of recording (n of them).

    ``codes`` [n] are the architectures' numbers in ``names``. ``values`` [n] are the objectives in the task's unit,
    NaN without one. ``completed`` [n] marks finite results of full trainings. ``proxies`` [n, names] are the
    measurements of ``proxy_names``, NaN where one is missing.
    """

    task: Task
    search_space_id: str
    names: Fingerprints
    codes: Codes
    values: NDArray[np.float64]
    completed: NDArray[np.bool_]
    proxy_names: tuple[str, ...]
    proxies: NDArray[np.float64]

    @property
    def count(self) -> int:
        return len(self.codes)

    def first(self, count: int) -> Observations:
        """The first ``count`` experiments, as observed when there were no more."""
        proxies = self.proxies[:count]
        met: NDArray[np.bool_] = np.asarray(~np.isnan(proxies).all(axis=0))
        return replace(
            self,
            codes=self.codes[:count],
            values=self.values[:count],
            completed=self.completed[:count],
            proxy_names=tuple(name for name, own in zip(self.proxy_names, met.tolist(), strict=True) if own),
            proxies=proxies[:, met],
        )

    def begins_with(self, other: Observations) -> bool:
        """Whether ``other`` has the first of these experiments; a task that was created again has others."""
        count = other.count
        return (
            count <= self.count
            and self.task == other.task
            and np.array_equal(self.codes[:count], other.codes)
            and np.array_equal(self.values[:count], other.values, equal_nan=True)
        )

    @cached_property
    def fingerprints(self) -> tuple[str, ...]:
        return self.names.names(self.codes.tolist())

    def sequence_of(self, index: int) -> int:
        """The sequence number of the experiment at an index."""
        return index + 1

    @cached_property
    def means(self) -> Oriented:
        """The mean completed value of each architecture."""
        sign = 1.0 if self.task.maximize else -1.0
        codes, inverse = np.unique(self.codes[self.completed], return_inverse=True)
        sums = np.bincount(inverse, weights=sign * self.values[self.completed], minlength=len(codes))
        return Oriented(codes, sums / np.maximum(np.bincount(inverse, minlength=len(codes)), 1))

    @cached_property
    def value_range(self) -> tuple[float, ...]:
        """The least and the largest finite value; empty without any."""
        finite = self.values[np.isfinite(self.values)]
        return (float(finite.min()), float(finite.max())) if len(finite) else ()

    @cached_property
    def best_indices(self) -> NDArray[np.int64]:
        """The first of each architecture's best completed experiments, ordered by the architectures' first use."""
        indices = np.flatnonzero(self.completed)
        codes = self.codes[indices]
        oriented = self.values[indices] if self.task.maximize else -self.values[indices]
        order = np.lexsort((indices, -oriented, codes))
        heads = np.flatnonzero(np.r_[True, codes[order][1:] != codes[order][:-1]]) if len(order) else order
        first_met = np.minimum.reduceat(indices[order], heads) if len(order) else indices
        return np.asarray(indices[order[heads]][np.argsort(first_met)])

    def best_fingerprints(self, count: int) -> tuple[str, ...]:
        """The architectures with the best completed results, the best first."""
        best = self.best_indices
        order = np.argsort(-self.values[best] if self.task.maximize else self.values[best], kind="stable")[:count]
        return self.names.names(self.codes[best[order]].tolist())


def no_observations(task: Task, search_space_id: str, names: Fingerprints | None = None) -> Observations:
    nothing = np.empty(0, dtype=np.int64)
    known = Fingerprints() if names is None else names
    return Observations(
        task, search_space_id, known, nothing, np.empty(0), np.empty(0, dtype=bool), (), np.empty((0, 0))
    )


def observations_of(
    task: Task,
    search_space_id: str,
    names: Fingerprints,
    fingerprints: Sequence[str],
    values: NDArray[np.float64],
    completed: NDArray[np.bool_] | None = None,
) -> Observations:
    """Observations from fingerprints [n] and values [n], without proxies; all are completed unless ``completed`` says
    otherwise.
    """
    finished = np.isfinite(values) if completed is None else completed
    return Observations(
        task, search_space_id, names, names.codes(fingerprints), values, finished, (), np.empty((len(values), 0))
    )


@dataclass(frozen=True)
class _CachedObservations:
    observations: Observations
    # The last known change of the task.
    updated_at: datetime | None


class ObservationCache:
    """Observations by task and space, extended incrementally. Thread-safe."""

    def __init__(self) -> None:
        # By number of the space, then of the task.
        self._cache: dict[int, dict[int, _CachedObservations]] = {}
        self._names: dict[int, Fingerprints] = {}
        self._lock = Lock()

    def of_task(self, connection: Connection, namespace: str, task_id: str, space_id: str) -> Observations | None:
        """The observations, possibly empty; None for an unknown task or space."""
        if not is_slug(task_id):
            return None
        parameters = {"namespace": namespace, "space": space_id, "task": task_id}
        observed = self._current(connection, connection.execute(_OF_TASK, parameters).all(), space_id)
        return observed[0] if observed else None

    def of_space(self, connection: Connection, namespace: str, space_id: str) -> list[Observations]:
        """Every task with at least one experiment in the space, by task id."""
        rows = connection.execute(_OF_SPACE, {"namespace": namespace, "space": space_id}).all()
        observed = self._current(connection, rows, space_id)
        if rows:
            present = {row.id for row in rows}
            with self._lock:
                cached = self._cache[rows[0].space_number]
                for number in cached.keys() - present:
                    # Deleted or empty: nothing is lost by dropping it.
                    del cached[number]
        return observed

    def names(self, space_number: int) -> Fingerprints:
        with self._lock:
            return self._names.setdefault(space_number, Fingerprints())

    def _current(self, connection: Connection, rows: Sequence[Row[Any]], space_id: str) -> list[Observations]:
        if not rows:
            return []
        space = rows[0].space_number
        names = self.names(space)
        with self._lock:
            cached = dict(self._cache.setdefault(space, {}))
        changed = [row.id for row in rows if row.id not in cached or cached[row.id].updated_at != row.updated_at]
        declared = _declared(connection, changed)
        current: dict[int, _CachedObservations] = {}
        for row in rows:
            own = cached.get(row.id)
            if row.id in declared:
                task = declared[row.id]
                before = own.observations if own else no_observations(task, space_id, names)
                own = _CachedObservations(before if before.task == task else replace(before, task=task), row.updated_at)
            if own is None:
                # Deleted since the first statement.
                continue
            if own.observations.count < row.experiment_count:
                own = replace(own, observations=_read_on(connection, row.id, space, own.observations))
            current[row.id] = own
        with self._lock:
            stored = self._cache[space]
            for number, new in current.items():
                other = stored.get(number)
                if other is None or other.observations.count <= new.observations.count:
                    stored[number] = new
        return [current[row.id].observations for row in rows if row.id in current]


def _in_space(or_none: bool = False) -> Select[Any]:
    """Tasks with their number of experiments in a space; with ``or_none`` also tasks without any."""
    return (
        select(
            tasks.c.id,
            tasks.c.updated_at,
            search_spaces.c.id.label("space_number"),
            func.coalesce(task_summaries.c.experiment_count, 0).label("experiment_count"),
        )
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
        .join(
            task_summaries,
            (task_summaries.c.task_id == tasks.c.id) & (task_summaries.c.search_space_id == search_spaces.c.id),
            isouter=or_none,
        )
        .where(namespaces.c.name == bindparam("namespace"), search_spaces.c.name == bindparam("space"))
    )


_OF_TASK = prepared_once(_in_space(or_none=True).where(tasks.c.name == bindparam("task")))
_OF_SPACE = prepared_once(_in_space().where(task_summaries.c.experiment_count > 0).order_by(tasks.c.name))


def _declared(connection: Connection, numbers: Sequence[int]) -> dict[int, Task]:
    if not numbers:
        return {}
    return {row.id: task_from_row(row) for row in connection.execute(select(tasks).where(tasks.c.id.in_(numbers)))}


def _read_on(connection: Connection, task: int, space: int, current: Observations) -> Observations:
    """Extended by the rows after the last cached one. Arrays made by the database are read several times faster than
    rows.
    """
    columns = (
        experiments.c.architecture_id,
        experiments.c.status,
        experiments.c.objective_value,
        experiments.c.fidelity,
        cast(func.nullif(experiments.c.proxies, text("'{}'::jsonb")), Text),
    )
    gathered = (func.array_agg(aggregate_order_by(column, experiments.c.sequence)) for column in columns)
    query = select(*gathered).where(
        experiments.c.task_id == task,
        experiments.c.search_space_id == space,
        experiments.c.sequence > current.count,
    )
    read = connection.execute(query).one()
    if read[0] is None:
        return current
    rows, names = read[0], current.names
    missing = names.missing_rows(rows)
    if missing:
        named = select(architectures.c.id, architectures.c.fingerprint).where(
            architectures.c.id == func.any(sorted(missing))
        )
        names.learn_rows({row.id: row.fingerprint for row in connection.execute(named)})
        if names.missing_rows(missing):
            # Between the two statements the task was deleted, with architectures that only it had tried.
            return current
    values = np.array(read[2], dtype=np.float64)
    completed = np.array(read[1], dtype=np.int64) == Status.COMPLETED.value
    full = full_trainings(np.array(read[3], dtype=np.float64), current.task.max_fidelity)
    proxy_names, proxies = _with_proxies(current, read[4])
    return replace(
        current,
        codes=np.concatenate([current.codes, names.of_rows(rows)]),
        values=np.concatenate([current.values, values]),
        completed=np.concatenate([current.completed, completed & full & np.isfinite(values)]),
        proxy_names=proxy_names,
        proxies=proxies,
    )


def _with_proxies(cached: Observations, read: Sequence[str | None]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and values of proxies with those of further rows, each a JSON object or None."""
    rows: list[Mapping[str, float]] = [{} if row is None else orjson.loads(row) for row in read]
    met = dict.fromkeys(cached.proxy_names) | dict.fromkeys(name for row in rows for name in row)
    names = tuple(met)[:_MOST_PROXIES]
    proxies = np.full((cached.count + len(rows), len(names)), np.nan)
    proxies[: cached.count, : len(cached.proxy_names)] = cached.proxies
    position = {name: column for column, name in enumerate(names)}
    for index, row in enumerate(rows, cached.count):
        for name, value in row.items():
            if name in position:
                proxies[index, position[name]] = value
    return names, proxies
