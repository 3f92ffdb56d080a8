"""Lists of experiments: which ones, in which order, and after which one a page begins.

Every order is the order of an index. A statement reads at most so many entries of it and applies the filter to those:
however few a filter lets through, nothing is sorted, no table is read from end to end, and the next statement goes on
where this one ended. Ends of ranges that the index itself knows (time, value) bound what is read of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, and_, func, or_, select, true, tuple_

from headstart.knowledge_values import ExperimentFilter, ExperimentOrder, NumberRange
from headstart_server.knowledge.experiments import Experiment, experiment_from_row
from headstart_server.knowledge.search_spaces import find_search_space
from headstart_server.knowledge.tables import architectures, experiments, namespaces, search_spaces, tasks
from headstart_server.knowledge.tasks import find_task

# Rows fetched by one statement, and index entries that a filter is applied to in one.
_BATCH = 50
_FILTERED_STEP = 4_000

# Where a list stands: the values of the order's columns, in its order.
Key = tuple[Any, ...]

_KEYS: dict[ExperimentOrder, tuple[str, ...]] = {
    ExperimentOrder.RECORDING: ("search_space_id", "sequence"),
    ExperimentOrder.OBJECTIVE_VALUE: ("objective_value", "search_space_id", "sequence"),
    ExperimentOrder.RECORD_TIME: ("recorded_at", "task_id", "search_space_id", "sequence"),
}


@dataclass(frozen=True)
class ExperimentQuery:
    """``after_sequence`` holds in the ascending order of recording of one task and space only; 0 is the beginning.

    Without a task the order is that of time. The filter is valid: no NaN, no range that ends before it begins.
    """

    task_id: str | None
    search_space_id: str | None
    order: ExperimentOrder
    descending: bool = False
    after_sequence: int = 0
    filter: ExperimentFilter = field(default_factory=ExperimentFilter)


@dataclass(frozen=True)
class Listed:
    """An experiment and where the list stands with it."""

    experiment: Experiment
    key: Key


def list_experiments(
    connection: Connection, namespace: str, query: ExperimentQuery, after: Key | None = None
) -> Iterator[Listed]:
    """All that the query asks for, after a key, read as they are needed. Raises NotFound for its task or space.

    What is recorded while a list is read appears in it where it comes after what was read.
    """
    scope = _scope(connection, namespace, query)
    step = _BATCH if _is_empty(query) else _FILTERED_STEP
    while scope is not None:
        rows = connection.execute(_statement(query, scope, after, step)).all()
        for row in rows:
            if row.matches:
                yield Listed(experiment_from_row(row.task_name, row.space_name, row), _key(query, row))
        if not rows or (len(rows) < _BATCH and rows[-1].position < step):
            return
        after = _key(query, rows[-1])


def _scope(connection: Connection, namespace: str, query: ExperimentQuery) -> list[ColumnElement[bool]] | None:
    """What bounds the part of the index to read; None where the namespace holds nothing at all."""
    columns = experiments.c
    scope: list[ColumnElement[bool]] = []
    if query.task_id is not None:
        task = find_task(connection, namespace, query.task_id)
        scope += [columns.task_id == task.id, columns.namespace_id == task.namespace_id]
    else:
        number = connection.execute(select(namespaces.c.id).where(namespaces.c.name == namespace)).scalar()
        scope.append(columns.namespace_id == number)
        if number is None and query.search_space_id is None:
            return None
    if query.search_space_id is not None:
        space = find_search_space(connection, namespace, query.search_space_id)
        scope += [columns.search_space_id == space.id, columns.sequence > query.after_sequence]
    if query.order is ExperimentOrder.OBJECTIVE_VALUE:
        value = columns.objective_value
        scope += [value > -math.inf, value < math.inf, *_within(value, query.filter.objective_value)]
    if query.order is ExperimentOrder.RECORD_TIME:
        scope += _recorded(columns.recorded_at, query.filter)
    return scope


def _statement(query: ExperimentQuery, scope: list[ColumnElement[bool]], after: Key | None, step: int) -> Select[Any]:
    """The next rows of the list, and the last one read of the index even where the filter keeps it back."""
    key = [experiments.c[name] for name in _KEYS[query.order]]
    if after is not None:
        scope = [*scope, tuple_(*key) < after if query.descending else tuple_(*key) > after]
    order = [column.desc() for column in key] if query.descending else key
    position = func.row_number().over(order_by=order).label("position")
    read = select(experiments, position).where(*scope).order_by(*order).limit(step).subquery("read")
    matches = _matches(read, query)
    return (
        select(
            read,
            architectures.c.fingerprint,
            tasks.c.name.label("task_name"),
            search_spaces.c.name.label("space_name"),
            matches.label("matches"),
        )
        .join(architectures, read.c.architecture_id == architectures.c.id)
        .join(tasks, read.c.task_id == tasks.c.id)
        .join(search_spaces, read.c.search_space_id == search_spaces.c.id)
        .where(or_(matches, read.c.position == step))
        .order_by(read.c.position)
        .limit(_BATCH)
    )


def _matches(read: FromClause, query: ExperimentQuery) -> ColumnElement[bool]:
    asked = query.filter
    clauses: list[ColumnElement[bool]] = []
    if asked.statuses:
        clauses.append(read.c.status.in_([status.value for status in asked.statuses]))
    if asked.objective_value != NumberRange():
        # NaN is in no range; PostgreSQL has it above infinity.
        value = read.c.objective_value
        clauses += [*_within(value, asked.objective_value), value <= math.inf]
    clauses += _within(architectures.c.node_count, asked.node_count)
    for name, numbers in asked.proxies.items():
        proxy = read.c.proxies[name].as_float()
        clauses += [proxy.is_not(None), *_within(proxy, numbers)]
    clauses += _recorded(read.c.recorded_at, asked)
    return and_(true(), *clauses)


def _is_empty(query: ExperimentQuery) -> bool:
    """Whether nothing is left to filter of what is read of the index."""
    asked = query.filter
    by_time, by_value = ExperimentOrder.RECORD_TIME, ExperimentOrder.OBJECTIVE_VALUE
    return (
        not (asked.statuses or asked.proxies)
        and asked.node_count == NumberRange()
        and (query.order is by_value or asked.objective_value == NumberRange())
        and (query.order is by_time or (asked.recorded_from is None and asked.recorded_before is None))
    )


def _within(column: ColumnElement[Any], numbers: NumberRange) -> list[ColumnElement[bool]]:
    ends = []
    if numbers.lower is not None:
        ends.append(column >= numbers.lower)
    if numbers.upper is not None:
        ends.append(column <= numbers.upper)
    return ends


def _recorded(column: ColumnElement[Any], asked: ExperimentFilter) -> list[ColumnElement[bool]]:
    ends = []
    if asked.recorded_from is not None:
        ends.append(column >= asked.recorded_from)
    if asked.recorded_before is not None:
        ends.append(column < asked.recorded_before)
    return ends


def _key(query: ExperimentQuery, row: Row[Any]) -> Key:
    return tuple(getattr(row, name) for name in _KEYS[query.order])
