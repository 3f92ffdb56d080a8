"""Progress of the search on each task: the rows that number its experiments and hold its incumbent.

A transaction that records experiments locks the rows of its tasks and spaces until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.dialects.postgresql import insert

from headstart import values
from headstart.spaces.validation import is_slug
from headstart_server.knowledge import search_spaces
from headstart_server.knowledge.outcomes import NewExperiment, Status
from headstart_server.knowledge.tables import task_summaries
from headstart_server.knowledge.tasks import Incumbent, not_found
from headstart_server.runtime.database.prepared_statements import prepared_once
from headstart_server.runtime.errors import ServiceError

# Columns of the row, of the task, and of the task's rows in other spaces.
_HOLD = """
    SELECT tasks.name AS task_name, search_spaces.name AS space_name, summary.task_id AS task,
        summary.search_space_id AS space, tasks.namespace_id AS namespace, tasks.maximize, tasks.max_fidelity,
        experiment_count, completed_count, incumbent_sequence, incumbent_value,
        ARRAY(
            SELECT json_build_array(
                other.search_space_id, spaces.name, other.experiment_count, other.completed_count,
                other.incumbent_sequence, other.incumbent_value
            )
            FROM task_summaries AS other JOIN search_spaces AS spaces ON spaces.id = other.search_space_id
            WHERE other.task_id = summary.task_id AND other.search_space_id <> summary.search_space_id
        ) AS others
    FROM unnest(CAST(:tasks AS text[]), CAST(:spaces AS text[])) AS asked (task_name, space_name)
    JOIN namespaces ON namespaces.name = :namespace
    JOIN tasks ON tasks.namespace_id = namespaces.id AND tasks.name = asked.task_name
    JOIN search_spaces ON search_spaces.namespace_id = namespaces.id AND search_spaces.name = asked.space_name
    JOIN task_summaries AS summary ON summary.task_id = tasks.id AND summary.search_space_id = search_spaces.id
    ORDER BY summary.task_id, summary.search_space_id FOR UPDATE OF summary
"""
_HOLD_WAITING: TextClause = prepared_once(text(_HOLD))
_HOLD_FREE: TextClause = prepared_once(text(_HOLD + " SKIP LOCKED"))
_FIND: TextClause = text(
    """
    SELECT asked.task_name, asked.space_name, tasks.id AS task, search_spaces.id AS space, experiment_count AS kept
    FROM unnest(CAST(:tasks AS text[]), CAST(:spaces AS text[])) AS asked (task_name, space_name)
    JOIN namespaces ON namespaces.name = :namespace
    LEFT JOIN tasks ON tasks.namespace_id = namespaces.id AND tasks.name = asked.task_name
    LEFT JOIN search_spaces ON search_spaces.namespace_id = namespaces.id AND search_spaces.name = asked.space_name
    LEFT JOIN task_summaries ON task_summaries.task_id = tasks.id AND search_space_id = search_spaces.id
    """
)
_SUMMARY = {
    "task_id": "bigint",
    "search_space_id": "bigint",
    "experiment_count": "bigint",
    "completed_count": "bigint",
    "incumbent_sequence": "bigint",
    "incumbent_value": "float8",
}
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _SUMMARY.items())
_WRITE_SUMMARIES: TextClause = prepared_once(
    text(
        f"""
        UPDATE task_summaries SET experiment_count = sent.experiment_count, completed_count = sent.completed_count,
            incumbent_sequence = sent.incumbent_sequence, incumbent_value = sent.incumbent_value
        FROM json_to_recordset(CAST(:rows AS json)) AS sent ({_TYPED})
        WHERE task_summaries.task_id = sent.task_id AND task_summaries.search_space_id = sent.search_space_id
        """
    )
)


# The ids of a task and a space.
Name = tuple[str, str]


@dataclass(frozen=True)
class TaskSpaceKey:
    """The row numbers of a task, a search space, and the namespace of both."""

    task: int
    space: int
    namespace: int


@dataclass
class Summary:
    """Progress of a task in one space. ``completed`` counts the full trainings among ``count`` experiments."""

    space: str
    count: int
    completed: int
    incumbent: Incumbent | None


@dataclass(frozen=True)
class Progress:
    """Progress of a task by space number, updated as experiments are added."""

    maximize: bool
    max_fidelity: float
    summaries: dict[int, Summary]

    @property
    def completed(self) -> int:
        return sum(summary.completed for summary in self.summaries.values())

    @property
    def incumbent(self) -> Incumbent | None:
        incumbents = [summary.incumbent for summary in self.summaries.values() if summary.incumbent is not None]
        best = max if self.maximize else min
        return best(incumbents, key=lambda incumbent: incumbent.objective_value, default=None)

    def is_full_training(self, new: NewExperiment) -> bool:
        return values.is_full_training(new.outcome.fidelity, self.max_fidelity)

    def add(self, space: int, new: NewExperiment) -> int:
        """Count an experiment; returns its sequence number."""
        summary = self.summaries[space]
        summary.count += 1
        value = new.outcome.objective_value
        if new.outcome.status is Status.COMPLETED and value is not None and self.is_full_training(new):
            summary.completed += 1
            best = None if summary.incumbent is None else summary.incumbent.objective_value
            if best is None or (value > best if self.maximize else value < best):
                summary.incumbent = Incumbent(summary.space, summary.count, value)
        return summary.count


def lock_rows(
    connection: Connection, namespace: str, names: Iterable[Name], wait: bool
) -> tuple[dict[Name, TaskSpaceKey | ServiceError | None], dict[int, Progress]]:
    """Lock the rows of pairs of task and space, and return their keys and the tasks' progress.

    NotFound stands for an unknown or deleted one; None, without ``wait``, for one that another transaction has
    locked. Raises NotFound if a task is being deleted.
    """
    valid = sorted(name for name in names if all(map(is_slug, name)))
    sent = {"tasks": [task for task, _ in valid], "spaces": [space for _, space in valid], "namespace": namespace}
    statement = _HOLD_WAITING if wait else _HOLD_FREE
    rows = connection.execute(statement, sent).all() if valid else []
    result: dict[Name, TaskSpaceKey | ServiceError | None] = {name: not_found(name[0]) for name in names}
    if len(rows) < len(valid) or any(row.experiment_count == 0 for row in rows):
        # Until there are results the task may change, and it may have changed during the wait.
        result |= _insert_missing_rows(connection, sent, wait)
        rows = connection.execute(statement, sent).all()
    progress: dict[int, Progress] = {}
    for row in rows:
        result[row.task_name, row.space_name] = TaskSpaceKey(row.task, row.space, row.namespace)
        counted = [row.experiment_count, row.completed_count, row.incumbent_sequence, row.incumbent_value]
        own = [row.space, row.space_name, *counted]
        of_task = progress.setdefault(row.task, Progress(row.maximize, row.max_fidelity, {}))
        for space, *summary in sorted([own, *row.others], key=lambda each: str(each[1])):
            of_task.summaries[space] = _summary(*summary)
    return result, progress


def _insert_missing_rows(
    connection: Connection, sent: Mapping[str, object], wait: bool
) -> dict[Name, ServiceError | None]:
    """Insert the missing rows; returns errors for those that cannot be locked.

    Existing rows are not inserted, because the insertion would wait for their lock.
    """
    result: dict[Name, ServiceError | None] = {}
    missing = []
    for row in connection.execute(_FIND, sent):
        name = (row.task_name, row.space_name)
        if row.task is None:
            result[name] = not_found(row.task_name)
        elif row.space is None:
            result[name] = search_spaces.not_found(row.space_name)
        else:
            result[name] = not_found(row.task_name) if wait else None
            if row.kept is None:
                missing.append({"task_id": row.task, "search_space_id": row.space})
    if missing:
        missing.sort(key=lambda row: (row["task_id"], row["search_space_id"]))
        connection.execute(insert(task_summaries).values(missing).on_conflict_do_nothing())
    return result


def _summary(
    name: str, count: int, completed: int, incumbent_sequence: int | None, incumbent_value: float | None
) -> Summary:
    incumbent = None
    if incumbent_sequence is not None and incumbent_value is not None:
        incumbent = Incumbent(name, incumbent_sequence, float(incumbent_value))
    return Summary(name, count, completed, incumbent)


def write_progress(connection: Connection, keys: Iterable[TaskSpaceKey], progress: Mapping[int, Progress]) -> None:
    """Write the progress of locked rows."""
    rows = []
    for key in keys:
        summary = progress[key.task].summaries[key.space]
        incumbent = summary.incumbent
        rows.append(
            {
                "task_id": key.task,
                "search_space_id": key.space,
                "experiment_count": summary.count,
                "completed_count": summary.completed,
                "incumbent_sequence": None if incumbent is None else incumbent.sequence,
                "incumbent_value": None if incumbent is None else incumbent.objective_value,
            }
        )
    connection.execute(_WRITE_SUMMARIES, {"rows": orjson.dumps(rows).decode()})
