"""Brings an export back: the same spaces, tasks and experiments, in another service or the same one.

What the service gives of itself is new: experiment ids, sequence numbers and times of recording. Everything else is as
it was. The request ids come from the experiments as they were exported, so that twice is once.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from headstart.client import Client
from headstart.history.checking import request_id
from headstart.history.formats import format_of
from headstart.history.formats.json_lines import experiment_text
from headstart.history.model import ImportReport, Note, Progress, Say, UsageProblem
from headstart.history.sending import Sender, Tally
from headstart.history.service import Service
from headstart.history.tasks import other_objective
from headstart.spaces.declaration import SearchSpace
from headstart.spaces.validation import candidate_violations
from headstart.text import PROBLEM, broken_text
from headstart.values import Experiment, Record, Task


def restore(
    client: Client, path: Path, *, dry_run: bool, chunk_size: int, say: Say, progress: Progress
) -> ImportReport:
    """Raises UsageProblem for a file that is not an export, and for a space or task that exists with other content."""
    contents = format_of(path).read(path)
    service = Service(client, dry_run, say)
    present = {task.task_id: _present(service, task, say) for task in contents.tasks}
    spaces = {
        space.search_space_id: service.create_space(
            space, f"search space {space.search_space_id!r} is here with another declaration than in {path.name}"
        )
        for space in contents.spaces
    }
    tasks = {task.task_id: present[task.task_id] or service.create_task(task) for task in contents.tasks}
    originals = {
        _digest(experiment) for task in present.values() if task for experiment in service.experiments_of(task)
    }
    tally = Tally()
    sender = Sender(client, tally, chunk_size, dry_run)
    for entry in contents.experiments:
        tally.read += 1
        if isinstance(entry, Note):
            tally.skip(entry.locator, entry.reason)
        elif (problem := _problem(entry[1], spaces, tasks)) is not None:
            tally.skip(entry[0], problem)
        elif _digest(entry[1]) in originals:
            tally.known += 1
        else:
            sender.add(entry[0], _record(entry[1]))
        if tally.read % chunk_size == 0:
            progress(tally.read, contents.count)
    sender.flush()
    progress(tally.read, tally.read)
    return tally.report("export", dry_run, spaces.values(), tasks.values())


def _present(service: Service, task: Task, say: Say) -> Task | None:
    """The task as the service has it; everything beside the objective stays as it is there."""
    existing = service.find_task(task.task_id)
    if existing is None:
        return None
    if existing.objective != task.objective:
        raise UsageProblem(other_objective(existing, task))
    if replace(existing, create_time=None, update_time=None, summaries=()) != task:
        say(f"task {task.task_id!r} is there with another description, which stays")
    return existing


def _problem(experiment: Experiment, spaces: dict[str, SearchSpace], tasks: dict[str, Task]) -> str | None:
    broken = broken_text(experiment, "")
    if broken is not None:
        return f"{broken} {PROBLEM}"
    if experiment.task_id not in tasks:
        return f"its task {experiment.task_id!r} is not in the file"
    space = spaces.get(experiment.search_space_id)
    if space is None:
        return f"its search space {experiment.search_space_id!r} is not in the file"
    wrong = [
        f"{violation.field}: {violation.description}" for violation in candidate_violations(space, experiment.candidate)
    ]
    return "; ".join(wrong) or None


def _record(experiment: Experiment) -> Record:
    return Record(
        experiment.task_id,
        experiment.search_space_id,
        experiment.candidate,
        experiment.outcome,
        experiment.decision_id,
        experiment.worker_id,
        request_id(experiment.task_id, "export", experiment_text(experiment)),
    )


def _digest(experiment: Experiment) -> bytes:
    """Equal for an experiment and its own export. It includes id and time, so that a copy elsewhere is not taken for
    it.
    """
    return hashlib.blake2b(experiment_text(experiment).encode(), digest_size=16).digest()
