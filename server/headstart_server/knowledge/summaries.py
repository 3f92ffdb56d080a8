"""How far the search on each task has come: the rows that number its experiments and know the best of them.

Whoever records holds the rows of its places, a place being a task and a space, until its transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, TextClause, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from headstart import values
from headstart.spaces.validation import is_slug
from headstart_server.knowledge import search_spaces
from headstart_server.knowledge.outcomes import NewExperiment, Status
from headstart_server.knowledge.tables import task_summaries
from headstart_server.knowledge.tasks import Incumbent, not_found
from headstart_server.runtime.errors import ServiceError

_FIND_PLACES: TextClause = text(
    """
    SELECT asked.task_name, asked.space_name, tasks.id AS task, search_spaces.id AS space, namespaces.id AS namespace
    FROM unnest(CAST(:tasks AS text[]), CAST(:spaces AS text[])) AS asked (task_name, space_name)
    JOIN namespaces ON namespaces.name = :namespace
    LEFT JOIN tasks ON tasks.namespace_id = namespaces.id AND tasks.name = asked.task_name
    LEFT JOIN search_spaces ON search_spaces.namespace_id = namespaces.id AND search_spaces.name = asked.space_name
    """
)
_READ_PROGRESS: TextClause = text(
    """
    SELECT tasks.id AS task, tasks.maximize, tasks.max_fidelity, search_spaces.id AS space, search_spaces.name,
        experiment_count, completed_count, incumbent_sequence, incumbent_value
    FROM tasks JOIN task_summaries ON task_summaries.task_id = tasks.id
    JOIN search_spaces ON search_spaces.id = task_summaries.search_space_id
    WHERE tasks.id = ANY (:tasks) ORDER BY search_spaces.name
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
_WRITE_SUMMARIES: TextClause = text(
    f"""
    UPDATE task_summaries SET experiment_count = sent.experiment_count, completed_count = sent.completed_count,
        incumbent_sequence = sent.incumbent_sequence, incumbent_value = sent.incumbent_value
    FROM json_to_recordset(CAST(:rows AS json)) AS sent ({_TYPED})
    WHERE task_summaries.task_id = sent.task_id AND task_summaries.search_space_id = sent.search_space_id
    """
)


@dataclass(frozen=True, order=True)
class Place:
    """The row numbers of a task, a search space, and the namespace of both."""

    task: int
    space: int
    namespace: int


@dataclass
class Summary:
    """Of a task in one space. ``completed`` counts the full trainings among ``count`` experiments."""

    space: str
    count: int
    completed: int
    incumbent: Incumbent | None


@dataclass(frozen=True)
class Progress:
    """Of a task, by the number of each space; kept up while experiments are added."""

    maximize: bool
    max_fidelity: float
    summaries: dict[int, Summary]

    @property
    def completed(self) -> int:
        return sum(summary.completed for summary in self.summaries.values())

    @property
    def incumbent(self) -> Incumbent | None:
        found = [summary.incumbent for summary in self.summaries.values() if summary.incumbent is not None]
        best = max if self.maximize else min
        return best(found, key=lambda incumbent: incumbent.objective_value, default=None)

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


def find_places(
    connection: Connection, namespace: str, names: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Place | ServiceError]:
    """By the ids of task and space; NotFound for what is not known."""
    asked = sorted(names)
    looked_for = [(task, space) for task, space in asked if is_slug(task) and is_slug(space)]
    sent = {"tasks": [task for task, _ in looked_for], "spaces": [space for _, space in looked_for]}
    rows = connection.execute(_FIND_PLACES, {**sent, "namespace": namespace})
    found = {(row.task_name, row.space_name): row for row in rows}
    places: dict[tuple[str, str], Place | ServiceError] = {}
    for task, space in asked:
        row = found.get((task, space))
        if row is None or row.task is None:
            places[task, space] = not_found(task)
        elif row.space is None:
            places[task, space] = search_spaces.not_found(space)
        else:
            places[task, space] = Place(row.task, row.space, row.namespace)
    return places


def lock_summaries(connection: Connection, places: Iterable[Place], wait: bool) -> set[Place]:
    """Those whose rows are held from here on; without ``wait`` those that another holds are left out.

    A task that was deleted meanwhile is left out too, or raises NotFound where it was never recorded on.
    """
    wanted = {(place.task, place.space): place for place in sorted(places)}
    if not wanted:
        return set()
    columns = task_summaries.c
    query = (
        select(columns.task_id, columns.search_space_id)
        .where(tuple_(columns.task_id, columns.search_space_id).in_(list(wanted)))
        .order_by(columns.task_id, columns.search_space_id)
        .with_for_update(skip_locked=not wait)
    )

    def lock() -> set[Place]:
        return {wanted[row.task_id, row.search_space_id] for row in connection.execute(query)}

    held = lock()
    if len(held) < len(wanted):
        missing = sorted(set(wanted.values()) - held)
        fresh = [{"task_id": place.task, "search_space_id": place.space} for place in missing]
        connection.execute(insert(task_summaries).values(fresh).on_conflict_do_nothing())
        held = lock()
    return held


def read_progress(connection: Connection, held: Iterable[Place]) -> dict[int, Progress]:
    """By the number of the task; read once the rows are held, since others may have changed them before."""
    progress: dict[int, Progress] = {}
    tasks = sorted({place.task for place in held})
    for row in connection.execute(_READ_PROGRESS, {"tasks": tasks}) if tasks else ():
        incumbent = None
        if row.incumbent_sequence is not None:
            incumbent = Incumbent(row.name, row.incumbent_sequence, row.incumbent_value)
        of_task = progress.setdefault(row.task, Progress(row.maximize, row.max_fidelity, {}))
        of_task.summaries[row.space] = Summary(row.name, row.experiment_count, row.completed_count, incumbent)
    return progress


def write_progress(connection: Connection, places: Iterable[Place], progress: Mapping[int, Progress]) -> None:
    """Of places that are held."""
    rows = []
    for place in places:
        summary = progress[place.task].summaries[place.space]
        incumbent = summary.incumbent
        rows.append(
            {
                "task_id": place.task,
                "search_space_id": place.space,
                "experiment_count": summary.count,
                "completed_count": summary.completed,
                "incumbent_sequence": None if incumbent is None else incumbent.sequence,
                "incumbent_value": None if incumbent is None else incumbent.objective_value,
            }
        )
    connection.execute(_WRITE_SUMMARIES, {"rows": orjson.dumps(rows).decode()})
