"""Keeps results, exactly once.

All records of a call are one transaction. Within it the summary row of each task and space is locked first: it gives
the sequence numbers, so these are dense and in the order of commits, and a reader that has seen number n has seen all
before it. A request id that is there already is answered from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.outcomes import NewExperiment, Status, is_full_training
from headstart_server.knowledge.search_spaces import StoredSpace, find_search_space
from headstart_server.knowledge.stored_form import candidate_to_json, canonical_to_json, node_count
from headstart_server.knowledge.tables import architectures, experiments, outbox, task_summaries
from headstart_server.knowledge.tasks import Incumbent, StoredTask, find_task, task_incumbent
from headstart_server.runtime.errors import AlreadyExists, NotFound

# Called inside the transaction for each new experiment: the connection, the task's row number, the experiment.
Listener = Callable[[Connection, int, NewExperiment], None]


@dataclass(frozen=True)
class Recorded:
    """The answer to one record. ``equivalent_count`` counts this experiment too."""

    task_id: str
    search_space_id: str
    sequence: int
    already_known: bool
    fingerprint: str
    incumbent: Incumbent | None
    equivalent_count: int


@dataclass(frozen=True)
class _Kept:
    sequence: int
    architecture_id: int
    already_known: bool


def record(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> list[Recorded]:
    """Insert what is new of validated records; answers are in their order.

    Raises NotFound for an unknown task or space, and AlreadyExists when a request id stands for another content.
    """
    answers: dict[int, Recorded] = {}
    order = sorted(range(len(records)), key=lambda i: (records[i].task_id, records[i].search_space_id))
    for (task_id, space_id), indices in groupby(order, lambda i: (records[i].task_id, records[i].search_space_id)):
        task = find_task(connection, namespace, task_id)
        space = find_search_space(connection, namespace, space_id)
        positions = list(indices)
        group = [records[i] for i in positions]
        kept = _record_group(connection, namespace, task, space, group, listeners)
        for position, answer in zip(positions, kept, strict=True):
            answers[position] = answer
    return [answers[i] for i in range(len(records))]


def _record_group(
    connection: Connection,
    namespace: str,
    task: StoredTask,
    space: StoredSpace,
    records: Sequence[NewExperiment],
    listeners: Sequence[Listener],
) -> list[Recorded]:
    count = _lock_summary(connection, task.id, space.id)
    if count == 0:
        # Until now its full training could be changed, and may have been while this waited.
        task = find_task(connection, namespace, task.task.task_id)
    known = _known(connection, task.id, records)
    fresh = _first_of_each(record for record in records if record.request_id not in known)
    if fresh:
        architecture_ids = _architecture_ids(connection, space.id, fresh)
        for offset, new in enumerate(fresh, start=1):
            known[new.request_id] = (
                new.content_hash(),
                _Kept(count + offset, architecture_ids[new.canonical.fingerprint], already_known=False),
            )
            for listener in listeners:
                listener(connection, task.id, new)
        connection.execute(
            insert(experiments),
            [_row(task, space.id, known[new.request_id][1], new) for new in fresh],
        )
        _update_summary(connection, task, space.id, count, fresh)
    return _answers(connection, task, space, records, known)


def _lock_summary(connection: Connection, task: int, space: int) -> int:
    """The number of experiments so far; the row stays locked until the transaction ends."""
    query = (
        select(task_summaries.c.experiment_count)
        .where(task_summaries.c.task_id == task, task_summaries.c.search_space_id == space)
        .with_for_update()
    )
    count = connection.execute(query).scalar()
    if count is None:
        fresh = insert(task_summaries).values(task_id=task, search_space_id=space)
        connection.execute(fresh.on_conflict_do_nothing())
        count = connection.execute(query).scalar()
    if count is None:
        raise NotFound("the task was deleted meanwhile", reason="TASK_NOT_FOUND")
    return int(count)


Known = dict[Any, tuple[bytes, _Kept]]


def _known(connection: Connection, task: int, records: Sequence[NewExperiment]) -> Known:
    """What stands under these request ids. Raises AlreadyExists where it is not what is sent now."""
    rows = connection.execute(
        select(
            experiments.c.request_id, experiments.c.content_hash, experiments.c.sequence, experiments.c.architecture_id
        ).where(experiments.c.task_id == task, experiments.c.request_id.in_([r.request_id for r in records]))
    )
    known: Known = {
        row.request_id: (bytes(row.content_hash), _Kept(row.sequence, row.architecture_id, already_known=True))
        for row in rows
    }
    hashes = {request_id: content_hash for request_id, (content_hash, _) in known.items()}
    for new in records:
        if hashes.setdefault(new.request_id, new.content_hash()) != new.content_hash():
            raise AlreadyExists(
                f"request_id {new.request_id} was used for another experiment of task {new.task_id!r}: "
                "a new experiment needs a new request_id",
                reason="REQUEST_ID_REUSED",
            )
    return known


def _first_of_each(records: Any) -> list[NewExperiment]:
    return list({record.request_id: record for record in reversed(list(records))}.values())[::-1]


def _architecture_ids(connection: Connection, space: int, records: Sequence[NewExperiment]) -> Mapping[str, int]:
    """Row numbers by fingerprint; new architectures are inserted and put into the outbox."""
    by_fingerprint = {new.canonical.fingerprint: new for new in records}
    rows = [
        {
            "search_space_id": space,
            "fingerprint": fingerprint,
            "candidate": candidate_to_json(by_fingerprint[fingerprint].candidate),
            "canonical": canonical_to_json(by_fingerprint[fingerprint].canonical),
            "node_count": node_count(by_fingerprint[fingerprint].canonical),
        }
        # Sorted, so that two transactions never wait for each other.
        for fingerprint in sorted(by_fingerprint)
    ]
    columns = architectures.c
    # Held until the end, against a task that is deleted meanwhile and would take them along; sorted as there.
    find = (
        select(columns.fingerprint, columns.id)
        .where(columns.search_space_id == space, columns.fingerprint.in_(list(by_fingerprint)))
        .order_by(columns.id)
        .with_for_update(read=True, key_share=True)
    )
    found = {row.fingerprint: row.id for row in connection.execute(find)}
    while missing := [row for row in rows if row["fingerprint"] not in found]:
        statement = insert(architectures).on_conflict_do_nothing().returning(columns.id, columns.fingerprint)
        inserted = connection.execute(statement, missing).all()
        if inserted:
            waiting = [
                {"architecture_id": row.id, "search_space_id": space, "fingerprint": row.fingerprint}
                for row in inserted
            ]
            connection.execute(insert(outbox), waiting)
        # Those that another was first to insert are there now, or gone again with a task.
        found = {row.fingerprint: row.id for row in connection.execute(find)}
    return found


def _row(task: StoredTask, space: int, kept: _Kept, new: NewExperiment) -> dict[str, Any]:
    outcome = new.outcome
    return {
        "task_id": task.id,
        "namespace_id": task.namespace_id,
        "search_space_id": space,
        "sequence": kept.sequence,
        "request_id": new.request_id,
        "content_hash": new.content_hash(),
        "architecture_id": kept.architecture_id,
        "candidate": candidate_to_json(new.candidate),
        "status": outcome.status.value,
        "objective_value": outcome.objective_value,
        "fidelity": outcome.fidelity,
        "metrics": dict(outcome.metrics),
        "curve_fidelities": [fidelity for fidelity, _ in outcome.curve],
        "curve_values": [value for _, value in outcome.curve],
        "cost_seconds": outcome.cost_seconds,
        "proxies": dict(outcome.proxies),
        "seed": outcome.seed,
        "decision_id": new.decision_id,
        "worker_id": new.worker_id,
    }


def _update_summary(
    connection: Connection, task: StoredTask, space: int, count: int, fresh: Sequence[NewExperiment]
) -> None:
    completed = [
        (float(new.outcome.objective_value), count + offset)
        for offset, new in enumerate(fresh, start=1)
        if new.outcome.status is Status.COMPLETED
        and new.outcome.objective_value is not None
        and is_full_training(task.task, new.outcome.fidelity)
    ]
    columns = task_summaries.c
    row = (columns.task_id == task.id) & (columns.search_space_id == space)
    connection.execute(
        update(task_summaries)
        .where(row)
        .values(experiment_count=count + len(fresh), completed_count=columns.completed_count + len(completed))
    )
    if completed:
        sign = 1 if task.task.maximize else -1
        value, sequence = max(completed, key=lambda pair: (sign * pair[0], -pair[1]))
        better = columns.incumbent_value < value if task.task.maximize else columns.incumbent_value > value
        connection.execute(
            update(task_summaries)
            .where(row, columns.incumbent_value.is_(None) | better)
            .values(incumbent_value=value, incumbent_sequence=sequence)
        )


def _answers(
    connection: Connection, task: StoredTask, space: StoredSpace, records: Sequence[NewExperiment], known: Known
) -> list[Recorded]:
    incumbent = task_incumbent(connection, task.id, task.task.maximize)
    numbers = sorted({known[new.request_id][1].architecture_id for new in records})
    counts: dict[int, int] = {
        row.architecture_id: row.number
        for row in connection.execute(
            select(experiments.c.architecture_id, func.count().label("number"))
            .where(tuple_(experiments.c.task_id, experiments.c.architecture_id).in_([(task.id, n) for n in numbers]))
            .group_by(experiments.c.architecture_id)
        )
    }
    answers = []
    seen: set[Any] = set()
    for new in records:
        kept = known[new.request_id][1]
        answers.append(
            Recorded(
                task_id=new.task_id,
                search_space_id=new.search_space_id,
                sequence=kept.sequence,
                already_known=kept.already_known or new.request_id in seen,
                fingerprint=new.canonical.fingerprint,
                incumbent=incumbent,
                equivalent_count=counts[kept.architecture_id],
            )
        )
        seen.add(new.request_id)
    return answers
