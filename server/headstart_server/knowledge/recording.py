"""Keeps results, exactly once.

All records of a call are one transaction. Within it the summary rows of all its tasks and spaces are locked first: they
give the sequence numbers, so these are dense and in the order of commits, and a reader that has seen number n has seen
all before it. Then come the architectures of all records, then the experiments: transactions that take what they share
in one order do not wait for each other in a circle. A request id that is there already is answered from what is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.experiment_rows import architecture_numbers, experiments_under, insert_experiments
from headstart_server.knowledge.outcomes import NewExperiment, Status, is_full_training
from headstart_server.knowledge.search_spaces import StoredSpace, find_search_space
from headstart_server.knowledge.tables import experiments, task_summaries
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


# By request id: the hash of the content, and what is kept.
Known = dict[UUID, tuple[bytes, _Kept]]


def record(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> list[Recorded]:
    """Insert what is new of validated records; answers are in their order.

    Raises NotFound for an unknown task or space, and AlreadyExists when a request id stands for another content.
    """
    answers: dict[int, Recorded] = {}
    for group in _groups(connection, namespace, records, listeners):
        answers.update(zip(group.positions, _answers(connection, group), strict=True))
    return [answers[i] for i in range(len(records))]


def record_all(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> list[bool]:
    """The same without looking up what to tell of each: whether it was known already, in their order."""
    answers: dict[int, bool] = {}
    for group in _groups(connection, namespace, records, listeners):
        answers.update(zip(group.positions, group.already_known(), strict=True))
    return [answers[i] for i in range(len(records))]


@dataclass(frozen=True)
class _Group:
    """The records of one task and space, their places among all, how many the summary that is locked counts, and what
    is kept under the request ids of the task.
    """

    task: StoredTask
    space: StoredSpace
    positions: Sequence[int]
    records: Sequence[NewExperiment]
    count: int
    known: Known

    def fresh(self) -> list[NewExperiment]:
        """What is not kept yet."""
        return _first_of_each(new for new in self.records if new.request_id not in self.known)

    def already_known(self) -> list[bool]:
        """Whether each was there before, or came before in the group."""
        seen: set[UUID] = set()
        found = []
        for new in self.records:
            found.append(self.known[new.request_id][1].already_known or new.request_id in seen)
            seen.add(new.request_id)
        return found


def _groups(
    connection: Connection, namespace: str, records: Sequence[NewExperiment], listeners: Sequence[Listener]
) -> Iterator[_Group]:
    """Record task by task and space by space, once all that other recorders may want too is held."""
    groups = _locked(connection, namespace, records)
    numbers = _architectures(connection, groups)
    for group in groups:
        _record_group(connection, group, numbers, listeners)
        yield group


def _locked(connection: Connection, namespace: str, records: Sequence[NewExperiment]) -> list[_Group]:
    """The groups, each with its summary locked, in the order of their names."""
    positions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, new in enumerate(records):
        positions[new.task_id, new.search_space_id].append(position)
    places = sorted(positions)
    tasks = {task_id: find_task(connection, namespace, task_id) for task_id, _ in places}
    spaces = {space_id: find_search_space(connection, namespace, space_id) for _, space_id in places}
    counts = _lock_summaries(connection, [(tasks[task_id].id, spaces[space_id].id) for task_id, space_id in places])
    of_task: dict[str, list[NewExperiment]] = defaultdict(list)
    for task_id, space_id in places:
        of_task[task_id] += [records[i] for i in positions[task_id, space_id]]
        if counts[tasks[task_id].id, spaces[space_id].id] == 0:
            # Until now its full training could be changed, and may have been while this waited.
            tasks[task_id] = find_task(connection, namespace, task_id)
    # Of all spaces: a request id stands for one experiment of the task.
    known = {task_id: _known(connection, tasks[task_id].id, of_task[task_id]) for task_id in of_task}
    groups = []
    for task_id, space_id in places:
        task, space, own = tasks[task_id], spaces[space_id], positions[task_id, space_id]
        count = counts[task.id, space.id]
        groups.append(_Group(task, space, own, [records[i] for i in own], count, known[task_id]))
    return groups


def _architectures(connection: Connection, groups: Iterable[_Group]) -> Mapping[int, Mapping[str, int]]:
    """By space and fingerprint, the numbers of all architectures that are new results' own; held from here on."""
    wanted: dict[int, list[NewExperiment]] = defaultdict(list)
    for group in groups:
        wanted[group.space.id] += group.fresh()
    return {
        space: architecture_numbers(connection, space, [(new.candidate, new.canonical) for new in fresh])
        for space, fresh in sorted(wanted.items())
        if fresh
    }


def _record_group(
    connection: Connection, group: _Group, numbers: Mapping[int, Mapping[str, int]], listeners: Sequence[Listener]
) -> None:
    fresh = group.fresh()
    if not fresh:
        return
    rows = []
    for sequence, new in enumerate(fresh, start=group.count + 1):
        number = numbers[group.space.id][new.canonical.fingerprint]
        group.known[new.request_id] = (new.content_hash(), _Kept(sequence, number, already_known=False))
        rows.append((sequence, number, new))
        for listener in listeners:
            listener(connection, group.task.id, new)
    insert_experiments(connection, group.task, group.space.id, rows)
    _update_summary(connection, group.task, group.space.id, group.count, fresh)


def _lock_summaries(connection: Connection, places: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], int]:
    """The number of experiments so far by task and space; the rows stay locked until the transaction ends."""
    columns = task_summaries.c
    query = (
        select(columns.task_id, columns.search_space_id, columns.experiment_count)
        .where(tuple_(columns.task_id, columns.search_space_id).in_(places))
        .order_by(columns.task_id, columns.search_space_id)
        .with_for_update()
    )

    def lock() -> dict[tuple[int, int], int]:
        return {(row.task_id, row.search_space_id): row.experiment_count for row in connection.execute(query)}

    counts = lock()
    missing = sorted(set(places) - counts.keys())
    if missing:
        fresh = insert(task_summaries).values([{"task_id": task, "search_space_id": space} for task, space in missing])
        connection.execute(fresh.on_conflict_do_nothing())
        counts = lock()
    if len(counts) < len(places):
        raise NotFound("the task was deleted meanwhile", reason="TASK_NOT_FOUND")
    return counts


def _known(connection: Connection, task: int, records: Sequence[NewExperiment]) -> Known:
    """What stands under these request ids. Raises AlreadyExists where it is not what is sent now."""
    rows = experiments_under(connection, task, [new.request_id for new in records])
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


def _first_of_each(records: Iterable[NewExperiment]) -> list[NewExperiment]:
    return list({record.request_id: record for record in reversed(list(records))}.values())[::-1]


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


def _answers(connection: Connection, group: _Group) -> list[Recorded]:
    task = group.task
    incumbent = task_incumbent(connection, task.id, task.task.maximize)
    kept = [group.known[new.request_id][1] for new in group.records]
    numbers = sorted({each.architecture_id for each in kept})
    counts: dict[int, int] = {
        row.architecture_id: row.number
        for row in connection.execute(
            select(experiments.c.architecture_id, func.count().label("number"))
            .where(experiments.c.task_id == task.id, experiments.c.architecture_id.in_(numbers))
            .group_by(experiments.c.architecture_id)
        )
    }
    return [
        Recorded(
            task_id=new.task_id,
            search_space_id=new.search_space_id,
            sequence=each.sequence,
            already_known=already_known,
            fingerprint=new.canonical.fingerprint,
            incumbent=incumbent,
            equivalent_count=counts[each.architecture_id],
        )
        for new, each, already_known in zip(group.records, kept, group.already_known(), strict=True)
    ]
