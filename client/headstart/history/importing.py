"""Brings a history in: derives or finds the search space, checks each run and records those that fit.

The same entry gets the same request id in every import, so that a second import records nothing twice and a broken one
goes on where it was. A run that is wrong is told and left out; the rest goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from headstart.client import Client
from headstart.history.checking import Unfit, fits, run_problem, to_record
from headstart.history.model import ImportReport, Note, Progress, Run, Say, UsageProblem
from headstart.history.replacing import remove_former
from headstart.history.sending import Sender, Tally
from headstart.history.service import Service
from headstart.history.sources import SourceHistory
from headstart.history.space_derivation import SpaceDerivation
from headstart.history.tasks import ImportTasks, check_id, slug
from headstart.spaces.declaration import Categorical, Integer, Parameter, SearchSpace, Value
from headstart.spaces.validation import space_violations
from headstart.text import unicode_text
from headstart.values import ExperimentStatus


@dataclass(frozen=True)
class Choices:
    """A user's choices for an import.

    ``ranges`` are numbers that a parameter may have beside the tried ones, as (lowest, highest). ``replace``: the
    tasks of the runs are removed first, with everything recorded on them; ``agree`` is asked before.
    """

    task_id: str | None = None
    space_id: str | None = None
    ranges: Mapping[str, tuple[Value, Value]] = field(default_factory=dict)
    replace: bool = False
    agree: Callable[[str], bool] = lambda question: True
    dry_run: bool = False
    chunk_size: int = 1_000


def import_history(
    client: Client, history: SourceHistory, source: str, choices: Choices, say: Say, progress: Progress
) -> ImportReport:
    """Raises UsageProblem before anything is recorded, and HeadstartError."""
    history = replace(
        history,
        task=replace(history.task, description=unicode_text(history.task.description)),
        space_description=unicode_text(history.space_description),
    )
    check_id(history.task.task_id or None, "the task")
    check_id(history.search_space_id or None, "the search space")
    service = Service(client, choices.dry_run, say)
    tasks = ImportTasks(service, history.task, choices.task_id, default=history.name, replaces=choices.replace)
    tasks.check()
    space, count = _space(service, history, choices, tasks, say)
    if choices.replace:
        remove_former(service, _fitting(history, space, tasks), choices.agree, say)
    tally = Tally()
    sender = Sender(client, tally, choices.chunk_size, choices.dry_run)
    for entry in history.runs():
        _take(entry, space, tasks, sender, tally)
        tally.read += 1
        if tally.read % choices.chunk_size == 0:
            progress(tally.read, count)
    sender.flush()
    progress(tally.read, tally.read)
    if history.met is not None and (missing := history.met.missing()):
        say(f"the mapping file names what no entry has: {', '.join(missing)}")
    for remark in history.remarks():
        say(remark)
    return tally.report(source, choices.dry_run, (space,), tasks.made)


def _space(
    service: Service, history: SourceHistory, choices: Choices, tasks: ImportTasks, say: Say
) -> tuple[SearchSpace, int | None]:
    """The existing search space, or a new one that is derived; and the number of entries, if known."""
    name = choices.space_id or history.search_space_id
    existing = service.find_space(name) if name else None
    count = history.count
    space = existing
    if space is None:
        space, read = _derived(history, name or slug(history.name), tasks.takes, choices.ranges)
        count = count or read
        space = service.create_space(space, _other_space(space.search_space_id))
    elif choices.ranges:
        raise UsageProblem(f"search space {name!r} is there already: its ranges stay as they are")
    if choices.dry_run:
        say(f"search space {space.search_space_id!r}, {'as it is there' if existing else 'derived'}:")
        for parameter in space.parameters:
            say(f"  {_told(parameter)}")
    tried = [
        parameter.name
        for parameter in space.parameters
        if not isinstance(parameter.domain, Categorical) and parameter.name not in {*history.domains, *choices.ranges}
    ]
    if existing is None and tried:
        say(
            f"only what was tried is in range for {', '.join(tried[:12])}{', ...' if len(tried) > 12 else ''}: where "
            "more is allowed, say --range NAME=LOWEST..HIGHEST"
        )
    return space, count


def _fitting(history: SourceHistory, space: SearchSpace, tasks: ImportTasks) -> Iterator[tuple[str, str]]:
    """Task and worker of each run that can be recorded."""
    for entry in history.runs():
        if isinstance(entry, Run) and tasks.takes(entry.task_name) and fits(entry, space):
            yield tasks.id_of(entry.task_name), entry.worker_id


def _take(entry: Run | Note, space: SearchSpace, tasks: ImportTasks, sender: Sender, tally: Tally) -> None:
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
    history: SourceHistory,
    search_space_id: str,
    takes: Callable[[str], bool] = lambda task_name: True,
    ranges: Mapping[str, tuple[Value, Value]] | None = None,
) -> tuple[SearchSpace, int]:
    """The space that contains the recordable runs, and the number of entries.

    Runs that cannot be recorded do not shape it. Whether a run fits is known only when there is a space; if some do
    not, it is derived once more without them. ``takes`` says whether the task of a name can be recorded on.
    """
    derivation = _derivation(history, ranges)
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
        space = _without_unfit(history, space, takes, ranges)
    problems = [f"{violation.field}: {violation.description}" for violation in space_violations(space)]
    if problems:
        raise UsageProblem(f"the runs make no search space: {'; '.join(problems[:5])}")
    return space, count


def _derivation(history: SourceHistory, ranges: Mapping[str, tuple[Value, Value]] | None) -> SpaceDerivation:
    return SpaceDerivation(history.domains, history.conditions, history.always, history.texts, ranges)


def _without_unfit(
    history: SourceHistory,
    space: SearchSpace,
    takes: Callable[[str], bool],
    ranges: Mapping[str, tuple[Value, Value]] | None,
) -> SearchSpace:
    """The space derived from those runs only that fit it."""
    derivation = _derivation(history, ranges)
    fitting = 0
    for entry in history.runs():
        if isinstance(entry, Run) and takes(entry.task_name) and fits(entry, space):
            derivation.observe(entry.values, entry.status is ExperimentStatus.COMPLETED)
            fitting += 1
    return derivation.space(space.search_space_id, space.description) if fitting else space


def _told(parameter: Parameter) -> str:
    """A parameter in one line, for people to check before an import."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        ordered = domain.ordered_choices
        choices = ", ".join(map(repr, (ordered or domain.choices)[:12]))
        predicted = f"one of {choices}" + (f" and {len(domain.choices) - 12} more" if len(domain.choices) > 12 else "")
        predicted += "" if ordered is None else ", ordered"
    else:
        kind = "integer" if isinstance(domain, Integer) else "float"
        predicted = f"{kind} {domain.lower:g} to {domain.upper:g}" + (", logarithmic" if domain.logarithmic else "")
    condition = parameter.condition
    if condition is None:
        return f"{parameter.name}: {predicted}"
    return (
        f"{parameter.name}: {predicted}, where {condition.parameter} is {', '.join(map(repr, condition.values[:12]))}"
    )


def _other_space(search_space_id: str) -> str:
    return (
        f"search space {search_space_id!r} exists with another declaration than these runs make: name it with --space "
        "to check the runs against it, or give --space another id"
    )
