"""Keeps results, exactly once.

All records of a call, or of a group of calls, are one transaction. Within it the summary rows of all its tasks and
spaces are locked first: they give the sequence numbers, so these are dense and in the order of commits, and a reader
that has seen number n has seen all before it. Then come the architectures of all records, then the experiments:
transactions that take what they share in one order do not wait for each other in a circle. A request id that is there
already is answered from what is there. Each record is answered as if it had come after those before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from headstart_server.knowledge.experiments.progress import TaskSpaceKey, lock_rows, write_progress
from headstart_server.knowledge.experiments.rows import (
    ExperimentRow,
    architecture_numbers,
    experiment_counts,
    experiments_under,
    insert_experiments,
)
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.tasks import Incumbent
from headstart_server.runtime.errors import AlreadyExists, ServiceError

T = TypeVar("T")


@dataclass(frozen=True)
class Arrival:
    """A new experiment before its insertion, with the task's row number and the objective.

    ``completed_before`` is the number of full trainings of the task completed before it.
    """

    new: NewExperiment
    task: int
    maximize: bool
    max_fidelity: float
    full_training: bool
    completed_before: int


# Called inside the transaction with its new experiments, in their order.
Listener = Callable[[Connection, Sequence[Arrival]], None]


@dataclass(frozen=True)
class Recorded:
    """The answer to one record. ``equivalent_count`` includes this experiment."""

    task_id: str
    search_space_id: str
    sequence: int
    already_known: bool
    fingerprint: str
    incumbent: Incumbent | None
    equivalent_count: int


# None: another transaction has the lock, and the caller did not want to wait.
Answer = Recorded | ServiceError | None


@dataclass(frozen=True)
class _StoredRecord:
    """The experiment that has, or is about to get, a request id of a task."""

    content_hash: bytes
    sequence: int
    architecture: int


@dataclass(frozen=True)
class _RecordAnswer:
    """The parts of an answer, with the incumbent at that time."""

    task: int
    kept: _StoredRecord
    already_known: bool
    incumbent: Incumbent | None


# Task number and request id.
_Key = tuple[int, UUID]


def record(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> list[Recorded]:
    """Insert the new ones among validated records; answers are in their order.

    Raises NotFound for an unknown task or space, and AlreadyExists for a request id that was used with other content.
    """
    return [_succeeded(answer) for answer in record_each(connection, namespace, records, listeners)]


def record_all(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> list[bool]:
    """The same, but answers only whether each was known already."""
    result = _keep(connection, namespace, records, listeners, wait=True)
    return [_succeeded(answer).already_known for answer in result]


def record_each(
    connection: Connection,
    namespace: str,
    records: Sequence[NewExperiment],
    listeners: Sequence[Listener],
    wait: bool = True,
) -> list[Answer]:
    """The same for records of many callers: an error concerns its own record only.

    Without ``wait``, records whose rows another transaction has locked are left out.
    """
    result = _keep(connection, namespace, records, listeners, wait)
    pairs = {(answer.task, answer.kept.architecture) for answer in result if isinstance(answer, _RecordAnswer)}
    counts = Counter(experiment_counts(connection, pairs))
    answers: list[Answer] = []
    for new, answer in zip(reversed(records), reversed(result), strict=True):
        if not isinstance(answer, _RecordAnswer):
            answers.append(answer)
            continue
        key = (answer.task, answer.kept.architecture)
        answers.append(
            Recorded(
                task_id=new.task_id,
                search_space_id=new.search_space_id,
                sequence=answer.kept.sequence,
                already_known=answer.already_known,
                fingerprint=new.canonical.fingerprint,
                incumbent=answer.incumbent,
                equivalent_count=counts[key],
            )
        )
        # In reverse, because earlier ones do not count it.
        counts[key] -= not answer.already_known
    return answers[::-1]


def _succeeded(answer: T | ServiceError | None) -> T:
    if isinstance(answer, ServiceError):
        raise answer
    assert answer is not None, "who waits gets an answer"
    return answer


def _keep(
    connection: Connection,
    namespace: str,
    records: Sequence[NewExperiment],
    listeners: Sequence[Listener],
    wait: bool,
) -> list[_RecordAnswer | ServiceError | None]:
    keys, progress = lock_rows(connection, namespace, {(new.task_id, new.search_space_id) for new in records}, wait)
    standing = [keys[new.task_id, new.search_space_id] for new in records]
    # In all spaces: a request id is unique within the task.
    known = _stored_records(connection, records, standing)
    fresh: dict[_Key, tuple[TaskSpaceKey, NewExperiment]] = {}
    for index, new in enumerate(records):
        position = standing[index]
        if not isinstance(position, TaskSpaceKey):
            continue
        key = (position.task, new.request_id)
        content_hash = known[key].content_hash if key in known else fresh.get(key, (position, new))[1].content_hash()
        if content_hash != new.content_hash():
            standing[index] = _reused(new)
        elif key not in known:
            fresh.setdefault(key, (position, new))
    numbers = _architectures(connection, fresh.values())
    answers: list[_RecordAnswer | ServiceError | None] = []
    rows: list[ExperimentRow] = []
    arrivals: list[Arrival] = []
    for new, position in zip(records, standing, strict=True):
        if not isinstance(position, TaskSpaceKey):
            answers.append(position)
            continue
        of_task, key = progress[position.task], (position.task, new.request_id)
        already_known = key in known
        if not already_known:
            full_training, before = of_task.is_full_training(new), of_task.completed
            arrivals.append(Arrival(new, position.task, of_task.maximize, of_task.max_fidelity, full_training, before))
            sequence, number = of_task.add(position.space, new), numbers[position.space][new.canonical.fingerprint]
            rows.append(ExperimentRow(position.task, position.namespace, position.space, sequence, number, new))
            known[key] = _StoredRecord(new.content_hash(), sequence, number)
        answers.append(_RecordAnswer(position.task, known[key], already_known, of_task.incumbent))
    if rows:
        for listener in listeners:
            listener(connection, arrivals)
        insert_experiments(connection, rows)
        write_progress(connection, {position for position, _ in fresh.values()}, progress)
    return answers


def _stored_records(
    connection: Connection, records: Sequence[NewExperiment], standing: Sequence[TaskSpaceKey | ServiceError | None]
) -> dict[_Key, _StoredRecord]:
    """The experiments that have the request ids of the records."""
    pairs = [
        (key.task, new.request_id) for new, key in zip(records, standing, strict=True) if isinstance(key, TaskSpaceKey)
    ]
    return {
        (row.task_id, row.request_id): _StoredRecord(bytes(row.content_hash), row.sequence, row.architecture_id)
        for row in experiments_under(connection, pairs)
    }


def _reused(new: NewExperiment) -> AlreadyExists:
    return AlreadyExists(
        f"request_id {new.request_id} was used for another experiment of task {new.task_id!r}: "
        "a new experiment needs a new request_id",
        reason="REQUEST_ID_REUSED",
    )


def _architectures(
    connection: Connection, fresh: Iterable[tuple[TaskSpaceKey, NewExperiment]]
) -> Mapping[int, Mapping[str, int]]:
    """Row numbers of the new results' architectures by space and fingerprint; locked from here on."""
    wanted: dict[int, list[NewExperiment]] = defaultdict(list)
    for key, new in fresh:
        wanted[key.space].append(new)
    return {
        space: architecture_numbers(connection, space, [(new.candidate, new.canonical) for new in own])
        for space, own in sorted(wanted.items())
    }
