"""Brings a history in: derives or finds the search space, makes the tasks, checks each run and records those that fit.

The same entry gets the same request id in every import, so that a second import records nothing twice and a broken one
goes on where it was. A run that is wrong is told and left out; the rest goes in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from headstart.client import Client
from headstart.errors import (
    AlreadyExists,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from headstart.history.checking import Unfit, fits, run_problem, to_record
from headstart.history.model import MAX_LISTED, ImportReport, Note, Progress, Run, Say, UsageProblem
from headstart.history.sources import History
from headstart.history.space_derivation import SpaceDerivation
from headstart.spaces.declaration import Categorical, Integer, Parameter, SearchSpace
from headstart.spaces.validation import InvalidInput, is_slug, space_violations
from headstart.values import Experiment, ExperimentStatus, Record, Task

Held = TypeVar("Held")

# With one of these the service refuses what is in a chunk, not the call: its records are then sent one by one.
_REFUSALS = (InvalidArgument, AlreadyExists, ResourceExhausted)

# What a record that fits no message dies of before it is sent.
_UNSENDABLE = (InvalidInput, TypeError, ValueError)


@dataclass
class Tally:
    """The report as it grows."""

    read: int = 0
    recorded: int = 0
    known: int = 0
    skipped_count: int = 0
    amended_count: int = 0
    skipped: list[Note] = field(default_factory=list)
    amended: list[Note] = field(default_factory=list)

    def skip(self, locator: str, reason: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < MAX_LISTED:
            self.skipped.append(Note(locator, reason))

    def amend(self, locator: str, notes: Iterable[str]) -> None:
        told = "; ".join(notes)
        if not told:
            return
        self.amended_count += 1
        if len(self.amended) < MAX_LISTED:
            self.amended.append(Note(locator, told))

    def report(self, source: str, dry_run: bool, spaces: Iterable[SearchSpace], tasks: Iterable[Task]) -> ImportReport:
        return ImportReport(
            source,
            dry_run,
            tuple(spaces),
            tuple(tasks),
            self.read,
            self.recorded,
            self.known,
            self.skipped_count,
            self.amended_count,
            tuple(self.skipped),
            tuple(self.amended),
        )


class Sender:
    """Records what it is given, in chunks; in a dry run it only counts."""

    def __init__(self, client: Client, tally: Tally, chunk_size: int, dry_run: bool) -> None:
        self._client = client
        self._tally = tally
        self._chunk_size = chunk_size
        self._dry_run = dry_run
        self._waiting: list[tuple[str, Record]] = []
        self._sent: set[bytes] = set()

    def add(self, locator: str, record: Record) -> None:
        """An entry that was there before under the same identity is told as skipped."""
        key = hashlib.blake2b(f"{record.task_id}/{record.request_id}".encode(), digest_size=12).digest()
        if key in self._sent:
            self._tally.skip(locator, "a duplicate of an earlier entry")
            return
        self._sent.add(key)
        self._waiting.append((locator, record))
        if len(self._waiting) >= self._chunk_size:
            self.flush()

    def flush(self) -> None:
        """Raises HeadstartError where the service does not answer, or refuses for another reason than the content."""
        waiting, self._waiting = self._waiting, []
        if self._dry_run:
            self._tally.recorded += len(waiting)
            return
        if not waiting:
            return
        try:
            done = self._client.record_many([record for _, record in waiting], chunk_size=self._chunk_size)
        except (*_REFUSALS, *_UNSENDABLE):
            self._one_by_one(waiting)
        else:
            self._tally.recorded += done.recorded_count
            self._tally.known += done.already_known_count

    def _one_by_one(self, records: Iterable[tuple[str, Record]]) -> None:
        for locator, record in records:
            try:
                done = self._client.record(
                    record.task_id,
                    record.search_space_id,
                    record.candidate,
                    record.outcome,
                    decision_id=record.decision_id,
                    worker_id=record.worker_id,
                    request_id=record.request_id,
                )
            except AlreadyExists:
                self._tally.skip(locator, "it was recorded before with another content, which stays")
            except (*_REFUSALS, *_UNSENDABLE) as error:
                if isinstance(error, ResourceExhausted) and error.retry_seconds is not None:
                    raise
                self._tally.skip(locator, f"the service refuses it: {' '.join(str(error).split())}")
            else:
                self._tally.known += done.already_known
                self._tally.recorded += not done.already_known


def import_history(
    client: Client,
    history: History,
    *,
    source: str,
    task_id: str | None,
    space_id: str | None,
    dry_run: bool,
    chunk_size: int,
    say: Say,
    progress: Progress,
) -> ImportReport:
    """Raises UsageProblem before anything is recorded, and HeadstartError."""
    check_id(history.task.task_id or None, "the task")
    check_id(history.search_space_id or None, "the search space")
    service = Service(client, dry_run, say)
    tasks = _Tasks(service, history.task, task_id, default=history.name)
    tasks.check()
    name = space_id or history.search_space_id
    existing = service.find_space(name) if name else None
    count = history.count
    if existing is None:
        space, read = _derived(history, name or slug(history.name), tasks.takes)
        count = count or read
        space = service.create_space(space, _other_space(space.search_space_id))
    else:
        space = existing
    if dry_run:
        say(f"search space {space.search_space_id!r}, {'as it is there' if existing else 'derived'}:")
        for parameter in space.parameters:
            say(f"  {_told(parameter)}")
    tally = Tally()
    sender = Sender(client, tally, chunk_size, dry_run)
    for entry in history.runs():
        _take(entry, space, tasks, sender, tally)
        tally.read += 1
        if tally.read % chunk_size == 0:
            progress(tally.read, count)
    sender.flush()
    progress(tally.read, tally.read)
    if history.met is not None and (missing := history.met.missing()):
        say(f"the mapping file names what no entry has: {', '.join(missing)}")
    return tally.report(source, dry_run, (space,), tasks.made)


def _take(entry: Run | Note, space: SearchSpace, tasks: _Tasks, sender: Sender, tally: Tally) -> None:
    if isinstance(entry, Note):
        tally.skip(entry.locator, entry.reason)
        return
    try:
        record, notes = to_record(entry, space, tasks.id_of(entry.task_name))
        tasks.make(entry.task_name)
    except Unfit as problem:
        tally.skip(entry.locator, str(problem))
        return
    tally.amend(entry.locator, notes)
    sender.add(entry.locator, record)


def _derived(
    history: History, search_space_id: str, takes: Callable[[str], bool] = lambda task_name: True
) -> tuple[SearchSpace, int]:
    """The space that the recorded runs moved in, and how many entries there are.

    Only what goes in shapes it. Whether a run fits shows when there is a space; where some do not, it is derived once
    more without them. ``takes`` says whether the task of a name can be recorded on.
    """
    derivation = SpaceDerivation(history.domains, history.conditions, history.always, history.texts)
    count = 0
    for entry in history.runs():
        count += 1
        if isinstance(entry, Run) and not run_problem(entry) and takes(entry.task_name):
            derivation.observe(entry.values, entry.status is ExperimentStatus.COMPLETED)
    if history.met is not None and (missing := history.met.missing_parameters()):
        raise UsageProblem(
            f"no entry has what the mapping file names as parameters: {', '.join(map(repr, missing))}; take them "
            "out of it, or declare them in space.parameters"
        )
    space = derivation.space(search_space_id, history.space_description)
    if not derivation.is_certain:
        space = _without_unfit(history, space, takes)
    problems = [f"{violation.field}: {violation.description}" for violation in space_violations(space)]
    if problems:
        raise UsageProblem(f"the runs make no search space: {'; '.join(problems[:5])}")
    return space, count


def _without_unfit(history: History, space: SearchSpace, takes: Callable[[str], bool]) -> SearchSpace:
    """The space again, of those runs alone that fit it."""
    derivation = SpaceDerivation(history.domains, history.conditions, history.always, history.texts)
    fitting = 0
    for entry in history.runs():
        if isinstance(entry, Run) and takes(entry.task_name) and fits(entry, space):
            derivation.observe(entry.values, entry.status is ExperimentStatus.COMPLETED)
            fitting += 1
    return derivation.space(space.search_space_id, space.description) if fitting else space


def _told(parameter: Parameter) -> str:
    """A parameter in a line: what a person checks before an import."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        choices = ", ".join(map(repr, domain.choices[:12]))
        told = f"one of {choices}" + (f" and {len(domain.choices) - 12} more" if len(domain.choices) > 12 else "")
    else:
        kind = "integer" if isinstance(domain, Integer) else "float"
        told = f"{kind} {domain.lower:g} to {domain.upper:g}" + (", logarithmic" if domain.logarithmic else "")
    condition = parameter.condition
    if condition is None:
        return f"{parameter.name}: {told}"
    return f"{parameter.name}: {told}, where {condition.parameter} is {', '.join(map(repr, condition.values[:12]))}"


class Service:
    """What the import asks of the service beside recording; a dry run changes nothing and does without it."""

    def __init__(self, client: Client, dry_run: bool, say: Say) -> None:
        self._client = client
        self._dry_run = dry_run
        self._say = say
        self._is_out_of_reach = False

    def find_space(self, search_space_id: str) -> SearchSpace | None:
        return self._found(self._client.get_search_space, search_space_id)

    def find_task(self, task_id: str) -> Task | None:
        return self._found(self._client.get_task, task_id)

    def create_space(self, space: SearchSpace, otherwise: str) -> SearchSpace:
        """Raises UsageProblem, with ``otherwise`` where the id is taken by another declaration."""
        existing = self.find_space(space.search_space_id) if self._dry_run else None
        if existing is not None and existing != space:
            raise UsageProblem(otherwise)
        if self._dry_run:
            return space
        try:
            return self._client.create_search_space(space)
        except AlreadyExists:
            raise UsageProblem(otherwise) from None
        except (InvalidArgument, InvalidInput) as error:
            raise UsageProblem(f"the service refuses the search space: {' '.join(str(error).split())}") from None

    def create_task(self, task: Task) -> Task:
        if self._dry_run:
            return task
        try:
            return self._client.create_task(task)
        except (InvalidArgument, InvalidInput) as error:
            raise UsageProblem(f"the service refuses the task: {' '.join(str(error).split())}") from None

    def experiments_of(self, task: Task) -> Iterator[Experiment]:
        """What the service has of a task that it knows already."""
        for summary in task.summaries:
            yield from self._client.list_experiments(task.task_id, summary.search_space_id)

    def _found(self, get: Callable[[str], Held], name: str) -> Held | None:
        """A dry run goes on without a service, which it waits for once."""
        if self._is_out_of_reach:
            return None
        try:
            return get(name)
        except NotFound:
            return None
        except (Unavailable, DeadlineExceeded):
            if not self._dry_run:
                raise
        self._is_out_of_reach = True
        self._say("the service is out of reach: the dry run does not look at what it has")
        return None


def _other_space(search_space_id: str) -> str:
    return (
        f"search space {search_space_id!r} exists with another declaration than these runs make: name it with --space "
        "to check the runs against it, or give --space another id"
    )


class _Tasks:
    """The tasks of an import: found or made, each once."""

    def __init__(self, service: Service, template: Task, task_id: str | None, default: str) -> None:
        self._service = service
        self._template = template
        self._task_id = task_id or template.task_id
        self._default = default
        self._ids: dict[str, str] = {}
        self._made: dict[str, Task] = {}
        self._refusals: dict[str, str] = {}
        self._takes: dict[str, bool] = {}

    @property
    def made(self) -> list[Task]:
        return list(self._made.values())

    def id_of(self, name: str) -> str:
        """Raises Unfit where two names would be one task, or a name makes no id."""
        if name not in self._ids:
            task_id = self._task_id or self._of_many(name, lambda: slug(name or self._default))
            if not self._task_id and task_id in self._ids.values():
                raise Unfit(f"the task name {name!r} makes the id {task_id!r}, which another name has")
            self._ids[name] = task_id
        return self._ids[name]

    def takes(self, name: str) -> bool:
        """Whether runs of that task name can go in, as far as that shows before a task is made."""
        if name not in self._takes:
            try:
                existing = None if self._task_id else self._service.find_task(self.id_of(name))
            except Unfit:
                self._takes[name] = False
            else:
                self._takes[name] = existing is None or existing.objective == self._template.objective
        return self._takes[name]

    def check(self) -> None:
        """Raises UsageProblem where the task that was named exists with another objective."""
        existing = self._service.find_task(self._task_id) if self._task_id else None
        if existing is not None and existing.objective != self._template.objective:
            raise UsageProblem(other_objective(existing, self._template))

    def make(self, name: str) -> None:
        """Raises Unfit where the task exists with another objective, or the service refuses it."""
        task_id = self.id_of(name)
        if task_id in self._made:
            return
        wanted = replace(self._template, task_id=task_id)
        if name and not self._task_id:
            wanted = replace(wanted, description=(f"{wanted.description}: {name}" if wanted.description else name))
        existing = self._service.find_task(task_id)
        if existing is not None and existing.objective != wanted.objective:
            raise Unfit(other_objective(existing, wanted))
        self._made[task_id] = existing or self._of_many(name, lambda: self._service.create_task(wanted))

    def _of_many(self, name: str, make: Callable[[], Held]) -> Held:
        """Raises Unfit for a task that is one of many; the only one there is raises UsageProblem, at the first run."""
        if name in self._refusals:
            raise Unfit(self._refusals[name])
        try:
            return make()
        except UsageProblem as problem:
            if self._task_id or not name:
                raise
            self._refusals[name] = f"the task {name[:80]!r} cannot be made: {problem}"
            raise Unfit(self._refusals[name]) from None


def other_objective(existing: Task, wanted: Task) -> str:
    return (
        f"task {existing.task_id!r} is to {existing.objective.direction.name.lower()} {existing.objective.metric!r}, "
        f"this history to {wanted.objective.direction.name.lower()} {wanted.objective.metric!r}: choose another task, "
        "or name objective and direction as the task does"
    )


def slug(name: str) -> str:
    """An id from a name. Raises UsageProblem where nothing of it is left."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-")
    if not is_slug(made):
        raise UsageProblem(f"{name!r} makes no id: name the task and the search space")
    return made


def check_id(value: str | None, what: str) -> None:
    if value is not None and not is_slug(value):
        raise UsageProblem(f"{what} must be 1 to 63 of a-z, 0-9 and inner hyphens, got {value[:80]!r}")
