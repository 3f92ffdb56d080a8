"""Tasks in the database: what a candidate is tried on, and how far the search on it has come."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from headstart.spaces import Violation
from headstart.spaces.validation import MAX_TEXT_LENGTH, is_slug, slug_violations, text_violations
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.tables import (
    architectures,
    experiments,
    namespaces,
    outbox,
    search_spaces,
    task_summaries,
    tasks,
)
from headstart_server.runtime.database.engine import without_timeouts
from headstart_server.runtime.database.prepared_statements import prepared_once
from headstart_server.runtime.errors import AlreadyExists, FailedPrecondition, NotFound

MAX_DESCRIPTOR_WORDS = 64
MAX_META_FEATURES = 1024
MAX_NAME = 255

_ARCHITECTURES_AT_ONCE = 1_000


@dataclass(frozen=True)
class Task:
    """``max_fidelity`` is in ``fidelity_unit``; 0 if the task has none."""

    task_id: str
    description: str
    metric: str
    maximize: bool
    descriptor: Mapping[str, str]
    meta_features: Mapping[str, float]
    fidelity_unit: str
    max_fidelity: float


@dataclass(frozen=True)
class Incumbent:
    """The best completed experiment of a task; ``objective_value`` is in the task's unit."""

    search_space_id: str
    sequence: int
    objective_value: float


@dataclass(frozen=True)
class TaskSummary:
    search_space_id: str
    experiment_count: int
    completed_count: int
    incumbent: Incumbent | None


@dataclass(frozen=True)
class StoredTask:
    id: int
    namespace_id: int
    task: Task
    created_at: datetime
    updated_at: datetime
    summaries: tuple[TaskSummary, ...] = ()


def task_violations(task: Task, field: str = "task") -> Iterator[Violation]:
    """All violations of a task as a client sends it."""
    yield from slug_violations(task.task_id, f"{field}.task_id")
    yield from text_violations(task.metric, f"{field}.objective.metric", MAX_NAME, minimum=1)
    yield from text_violations(task.description, f"{field}.description", MAX_TEXT_LENGTH)
    yield from text_violations(task.fidelity_unit, f"{field}.fidelity_unit", MAX_NAME)
    if len(task.descriptor) > MAX_DESCRIPTOR_WORDS:
        yield Violation(f"{field}.descriptor", f"at most {MAX_DESCRIPTOR_WORDS} entries, got {len(task.descriptor)}")
    if len(task.meta_features) > MAX_META_FEATURES:
        yield Violation(f"{field}.meta_features", f"at most {MAX_META_FEATURES} entries, got {len(task.meta_features)}")
    for name, word in task.descriptor.items():
        yield from text_violations(name, f"{field}.descriptor", MAX_NAME, minimum=1)
        yield from text_violations(word, f"{field}.descriptor[{name[:63]}]", MAX_TEXT_LENGTH)
    for name, number in task.meta_features.items():
        yield from text_violations(name, f"{field}.meta_features", MAX_NAME, minimum=1)
        if not math.isfinite(number):
            yield Violation(f"{field}.meta_features[{name[:63]}]", "must be finite; leave out what is missing")
    if not (math.isfinite(task.max_fidelity) and task.max_fidelity >= 0):
        yield Violation(f"{field}.max_fidelity", "must be finite and not negative")


def create_task(connection: Connection, namespace: str, task: Task) -> StoredTask:
    """Store a valid task. Repeating the same content changes nothing; other content raises AlreadyExists."""
    values = {"namespace_id": namespace_id(connection, namespace), "name": task.task_id, **_columns(task)}
    connection.execute(insert(tasks).values(**values).on_conflict_do_nothing())
    stored = find_task(connection, namespace, task.task_id)
    if stored.task != task:
        raise AlreadyExists(
            f"task {task.task_id!r} exists with other content: update it or choose another task_id",
            reason="TASK_ALREADY_EXISTS",
        )
    return stored


def not_found(task_id: str) -> NotFound:
    return NotFound(f"task {task_id[:63]!r} is not known", reason="TASK_NOT_FOUND")


def find_task(connection: Connection, namespace: str, task_id: str) -> StoredTask:
    """Raises NotFound."""
    parameters = {"namespace": namespace, "task_name": task_id}
    rows = connection.execute(_FIND, parameters).all() if is_slug(task_id) else []
    if not rows:
        raise not_found(task_id)
    summaries = [_summary(row)[1] for row in rows if row.search_space is not None]
    return _stored(rows[0], summaries)


def list_tasks(connection: Connection, namespace: str, after: str, limit: int) -> list[StoredTask]:
    """Tasks in the order of names, after the given one."""
    query = _named(namespace).where(tasks.c.name > after).order_by(tasks.c.name).limit(limit)
    return _with_summaries(connection, connection.execute(query).all())


def update_task(connection: Connection, namespace: str, task: Task) -> StoredTask:
    """Replace everything but the objective and, once there are results, the full training.

    Raises NotFound, and FailedPrecondition if one of these would change.
    """
    connection.execute(_named(namespace).where(tasks.c.name == task.task_id).with_for_update(of=tasks))
    stored = find_task(connection, namespace, task.task_id)
    if (stored.task.metric, stored.task.maximize) != (task.metric, task.maximize):
        raise FailedPrecondition(
            f"the objective of task {task.task_id!r} cannot change, its results depend on it: create another task",
            reason="OBJECTIVE_IMMUTABLE",
        )
    if stored.task.max_fidelity != task.max_fidelity and any(summary.experiment_count for summary in stored.summaries):
        raise FailedPrecondition(
            f"the max_fidelity of task {task.task_id!r} cannot change, its results depend on it: create another task",
            reason="FIDELITY_IMMUTABLE",
        )
    statement = update(tasks).where(tasks.c.id == stored.id)
    connection.execute(statement.values(updated_at=func.clock_timestamp(), **_columns(task)))
    return find_task(connection, namespace, task.task_id)


def delete_task(connection: Connection, namespace: str, task_id: str) -> int:
    """Remove a task and everything that belongs to it; returns the number of experiments. Raises NotFound.

    Architectures that no other task tried are removed too, each with a row in the outbox. Recording on other tasks
    goes on: only a recorder of an architecture that is being removed waits, and then inserts it again.
    """
    without_timeouts(connection)
    # One deletion at a time: when two tasks share an architecture, the second must see that it is the last.
    connection.execute(select(namespaces.c.id).where(namespaces.c.name == namespace).with_for_update(key_share=True))
    stored = find_task(connection, namespace, task_id)
    # In the order of recorders: summaries first, then the task. The first recorder in a space has a summary that is
    # not visible here, but it locks the task: after that wait its results are visible and are removed too.
    summaries = select(task_summaries.c.experiment_count).where(task_summaries.c.task_id == stored.id)
    connection.execute(summaries.order_by(task_summaries.c.search_space_id).with_for_update())
    connection.execute(select(tasks.c.id).where(tasks.c.id == stored.id).with_for_update())
    removed: int = sum(connection.execute(summaries).scalars())
    tried = select(experiments.c.architecture_id).where(experiments.c.task_id == stored.id).distinct()
    numbers = sorted(connection.execute(tried).scalars())
    connection.execute(delete(tasks).where(tasks.c.id == stored.id))
    for first in range(0, len(numbers), _ARCHITECTURES_AT_ONCE):
        _forget_untried(connection, numbers[first : first + _ARCHITECTURES_AT_ONCE])
    return removed


def _forget_untried(connection: Connection, numbers: Sequence[int]) -> None:
    """Remove those architectures that no task has tried, and notify the vector index."""
    columns = architectures.c
    # For each by itself: for many at once the planner would read all experiments.
    other = select(experiments.c.task_id).where(experiments.c.architecture_id == columns.id).limit(1)
    untried = other.correlate(architectures).scalar_subquery().is_(None)
    # In the order in which recorders lock them. After the wait for a recorder the next statement sees its results;
    # from here on no recorder can lock one.
    locked = select(columns.id).where(columns.id.in_(numbers), untried).order_by(columns.id).with_for_update()
    numbers = connection.execute(locked).scalars().all()
    gone = (
        delete(architectures)
        .where(columns.id.in_(numbers), untried)
        .returning(columns.search_space_id, columns.fingerprint)
        .cte("gone")
    )
    notices = insert(outbox).from_select(["search_space_id", "fingerprint"], select(gone))
    if numbers:
        connection.execute(notices)


def _columns(task: Task) -> dict[str, Any]:
    return {
        "description": task.description,
        "metric": task.metric,
        "maximize": task.maximize,
        "descriptor": dict(task.descriptor),
        "meta_features": dict(task.meta_features),
        "fidelity_unit": task.fidelity_unit,
        "max_fidelity": task.max_fidelity,
    }


def _named(namespace: str) -> Select[Any]:
    return select(tasks).join(namespaces).where(namespaces.c.name == namespace)


def task_from_row(row: Row[Any]) -> Task:
    """A task from a row with all columns of ``tasks``."""
    return Task(
        task_id=row.name,
        description=row.description,
        metric=row.metric,
        maximize=row.maximize,
        descriptor=row.descriptor,
        meta_features={name: float(number) for name, number in row.meta_features.items()},
        fidelity_unit=row.fidelity_unit,
        max_fidelity=row.max_fidelity,
    )


def _summaries(numbers: Sequence[int]) -> Select[Any]:
    return (
        select(task_summaries, search_spaces.c.name.label("search_space"))
        .join(search_spaces)
        .where(task_summaries.c.task_id.in_(numbers))
        .order_by(search_spaces.c.name)
    )


# A row for each space in which the task has a summary, or one row.
_FIND = prepared_once(
    select(tasks, task_summaries, search_spaces.c.name.label("search_space"))
    .join_from(tasks, namespaces)
    .outerjoin(task_summaries, task_summaries.c.task_id == tasks.c.id)
    .outerjoin(search_spaces, search_spaces.c.id == task_summaries.c.search_space_id)
    .where(namespaces.c.name == bindparam("namespace"), tasks.c.name == bindparam("task_name"))
    .order_by(search_spaces.c.name)
)


def _summary(row: Row[Any]) -> tuple[int, TaskSummary]:
    incumbent = None
    if row.incumbent_sequence is not None:
        incumbent = Incumbent(row.search_space, row.incumbent_sequence, row.incumbent_value)
    return row.task_id, TaskSummary(row.search_space, row.experiment_count, row.completed_count, incumbent)


def _with_summaries(connection: Connection, rows: Sequence[Row[Any]]) -> list[StoredTask]:
    summaries: dict[int, list[TaskSummary]] = {row.id: [] for row in rows}
    for number, summary in map(_summary, connection.execute(_summaries(list(summaries)))):
        summaries[number].append(summary)
    return [_stored(row, summaries[row.id]) for row in rows]


def _stored(row: Row[Any], summaries: Sequence[TaskSummary]) -> StoredTask:
    return StoredTask(row.id, row.namespace_id, task_from_row(row), row.created_at, row.updated_at, tuple(summaries))
