"""Lists of experiments: which ones, in which order, and after which one a page begins.

Every order is the order of an index. A statement reads at most so many entries of it and applies the filter to those:
however few a filter lets through, nothing is sorted, no table is read from end to end, and the next statement goes on
where this one ended. So is the whole list read: after so many entries it ends with the place where it stands. Ends of
ranges that the index itself knows (time, value) bound what is read of it; all else that is asked for is a filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    and_,
    column,
    func,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
)

from headstart.values import ExperimentFilter, ExperimentOrder, NumberRange
from headstart_server.knowledge.experiments.reading import Experiment, experiment_from_row
from headstart_server.knowledge.search_spaces import find_search_space
from headstart_server.knowledge.tables import architectures, experiments, namespaces, search_spaces, tasks
from headstart_server.knowledge.tasks import find_task

# Rows fetched by one statement; index entries that one statement filters, more if few match; and entries read by one
# call.
_BATCH = 50
_LONGEST_STEP = 4_000
_LONGEST_READ = 40_000

_PARTITION_OF_TASK = text(
    "SELECT relname FROM pg_class WHERE oid = (SELECT tableoid FROM experiments WHERE task_id = :task "
    "ORDER BY search_space_id, sequence LIMIT 1)"
)

# The key of a row: the values of the order's columns.
Key = tuple[Any, ...]

_KEYS: dict[ExperimentOrder, tuple[str, ...]] = {
    ExperimentOrder.RECORDING: ("search_space_id", "sequence"),
    ExperimentOrder.OBJECTIVE_VALUE: ("objective_value", "search_space_id", "sequence"),
    ExperimentOrder.RECORD_TIME: ("recorded_at", "task_id", "search_space_id", "sequence"),
}
_PRIMARY_KEY = ("task_id", "search_space_id", "sequence")


@dataclass(frozen=True)
class ExperimentQuery:
    """``after_sequence`` applies to the recording order of one task and space only; 0 is the beginning.

    Without a task the order is by time. The filter is valid: no NaN, and no range that ends before it begins.
    """

    task_id: str | None
    search_space_id: str | None
    order: ExperimentOrder
    descending: bool = False
    after_sequence: int = 0
    filter: ExperimentFilter = field(default_factory=ExperimentFilter)


@dataclass(frozen=True)
class Listed:
    """An experiment and its key in the list; without an experiment, the key up to which an early end has read."""

    experiment: Experiment | None
    key: Key


@dataclass(frozen=True)
class _Scope:
    """The rows to read, the bounds on the index, and the condition on what lies between them."""

    rows: FromClause
    bounds: list[ColumnElement[bool]]
    others: dict[str, int]


def list_experiments(
    connection: Connection, namespace: str, query: ExperimentQuery, after: Key | None = None
) -> Iterator[Listed]:
    """The experiments that match the query after a key, read on demand. Raises NotFound for an unknown task or space.

    An experiment recorded during the listing appears if it comes after the rows already read. When one call has read
    enough, the last item has no experiment: the next call continues after its key.
    """
    scope = _scope(connection, namespace, query)
    step, read = _BATCH, 0
    while scope is not None:
        rows = connection.execute(_statement(query, scope, after, step)).all()
        for row in rows:
            if row.matches:
                yield Listed(experiment_from_row(row.task_name, row.space_name, row), _key(query, row))
        if not rows or (len(rows) < _BATCH and rows[-1].position < step):
            return
        after = _key(query, rows[-1])
        read += rows[-1].position
        if read >= _LONGEST_READ:
            yield Listed(None, after)
            return
        if len(rows) < _BATCH:
            step = min(4 * step, _LONGEST_STEP)


def _scope(connection: Connection, namespace: str, query: ExperimentQuery) -> _Scope | None:
    """None if the list is empty."""
    rows: FromClause = experiments
    bounds: dict[str, int] = {}
    others: dict[str, int] = {}
    if query.search_space_id is not None:
        space = find_search_space(connection, namespace, query.search_space_id)
        (bounds if query.order is ExperimentOrder.RECORDING else others)["search_space_id"] = space.id
    if query.task_id is None:
        number = connection.execute(select(namespaces.c.id).where(namespaces.c.name == namespace)).scalar()
        if number is None:
            return None
        bounds["namespace_id"] = number
    else:
        task = find_task(connection, namespace, query.task_id)
        if query.order is ExperimentOrder.RECORD_TIME:
            # The index by time does not have the task's entries together, but most others are in other partitions.
            partition = connection.execute(_PARTITION_OF_TASK, {"task": task.id}).scalar()
            if partition is None:
                return None
            rows = table(partition, *(column(each.name, each.type) for each in experiments.columns))
            bounds["namespace_id"], others["task_id"] = task.namespace_id, task.id
        else:
            bounds["task_id"] = task.id
    columns = rows.c
    scope = [columns[name] == number for name, number in bounds.items()]
    if query.after_sequence:
        scope.append(columns.sequence > query.after_sequence)
    if query.order is ExperimentOrder.OBJECTIVE_VALUE:
        value = columns.objective_value
        scope += [value > -math.inf, value < math.inf, *_within(value, query.filter.objective_value)]
    if query.order is ExperimentOrder.RECORD_TIME:
        scope += _recorded(columns.recorded_at, query.filter)
    return _Scope(rows, scope, others)


def _statement(query: ExperimentQuery, scope: _Scope, after: Key | None, step: int) -> Select[Any]:
    """The next rows of the list, and the last index entry that was read, even if the filter dropped it."""
    key = [scope.rows.c[name] for name in _KEYS[query.order]]
    bounds = scope.bounds
    if after is not None:
        bounds = [*bounds, tuple_(*key) < after if query.descending else tuple_(*key) > after]
    order = [each.desc() for each in key] if query.descending else key
    position = func.row_number().over(order_by=order).label("position")
    # For most rows only the columns of key and filter are read.
    needed = [scope.rows.c[name] for name in _needed(query)]
    read = select(*needed, position).where(*bounds).order_by(*order).limit(step).subquery("read")
    matches = _matches(read, query, scope)
    result = select(*(read.c[name] for name in _PRIMARY_KEY), read.c.position, matches.label("matches"))
    if query.filter.node_count != NumberRange():
        result = result.join(architectures, read.c.architecture_id == architectures.c.id)
    chosen = (
        result.where(or_(matches, read.c.position == step)).order_by(read.c.position).limit(_BATCH).subquery("chosen")
    )
    return (
        select(
            experiments,
            chosen.c.position,
            chosen.c.matches,
            architectures.c.fingerprint,
            tasks.c.name.label("task_name"),
            search_spaces.c.name.label("space_name"),
        )
        .select_from(chosen)
        .join(experiments, and_(*(experiments.c[name] == chosen.c[name] for name in _PRIMARY_KEY)))
        .join(architectures, experiments.c.architecture_id == architectures.c.id)
        .join(tasks, experiments.c.task_id == tasks.c.id)
        .join(search_spaces, experiments.c.search_space_id == search_spaces.c.id)
        .order_by(chosen.c.position)
    )


def _needed(query: ExperimentQuery) -> list[str]:
    """The columns of a row's key, and those that the filter needs."""
    filter_ = query.filter
    return [
        *_PRIMARY_KEY,
        *(["status"] if filter_.statuses else []),
        *(["objective_value"] if filter_.objective_value != NumberRange() else []),
        *(["architecture_id"] if filter_.node_count != NumberRange() else []),
        *(["proxies"] if filter_.proxies else []),
        *(["recorded_at"] if (filter_.recorded_from, filter_.recorded_before) != (None, None) else []),
    ]


def _matches(read: FromClause, query: ExperimentQuery, scope: _Scope) -> ColumnElement[bool]:
    filter_ = query.filter
    clauses: list[ColumnElement[bool]] = [read.c[name] == number for name, number in scope.others.items()]
    if filter_.statuses:
        clauses.append(read.c.status.in_([status.value for status in filter_.statuses]))
    if filter_.objective_value != NumberRange():
        # NaN is in no range; PostgreSQL sorts it above infinity.
        value = read.c.objective_value
        clauses += [*_within(value, filter_.objective_value), value <= math.inf]
    clauses += _within(architectures.c.node_count, filter_.node_count)
    for name, numbers in filter_.proxies.items():
        proxy = read.c.proxies[name].as_float()
        clauses += [proxy.is_not(None), *_within(proxy, numbers)]
    if "recorded_at" in read.c:
        clauses += _recorded(read.c.recorded_at, filter_)
    return and_(true(), *clauses)


def _within(column: ColumnElement[Any], numbers: NumberRange) -> list[ColumnElement[bool]]:
    ends = []
    if numbers.lower is not None:
        ends.append(column >= numbers.lower)
    if numbers.upper is not None:
        ends.append(column <= numbers.upper)
    return ends


def _recorded(column: ColumnElement[Any], filter_: ExperimentFilter) -> list[ColumnElement[bool]]:
    ends = []
    if filter_.recorded_from is not None:
        ends.append(column >= filter_.recorded_from)
    if filter_.recorded_before is not None:
        ends.append(column < filter_.recorded_before)
    return ends


def _key(query: ExperimentQuery, row: Row[Any]) -> Key:
    return tuple(getattr(row, name) for name in _KEYS[query.order])
