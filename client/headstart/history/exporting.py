"""Takes a history out: tasks, search spaces and all experiments, as a stream into one file.

Of chosen tasks the search spaces they were tried in go along, with all tasks all search spaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headstart.client import Client
from headstart.errors import NotFound
from headstart.history.formats import Format
from headstart.history.model import ExportReport, Progress, UsageProblem
from headstart.spaces.declaration import SearchSpace
from headstart.values import Experiment, Task

_PROGRESS_EVERY = 32


def export_history(
    client: Client, task_ids: Sequence[str], format: Format, format_name: str, output: Path, progress: Progress
) -> ExportReport:
    """Raises UsageProblem for a task that does not exist or a file that cannot be written, and HeadstartError."""
    tasks = _tasks(client, task_ids)
    spaces = _spaces(client, tasks) if task_ids else sorted(client.list_search_spaces(), key=_space_id)
    total = sum(summary.experiment_count for task in tasks for summary in task.summaries)
    written = _Counter(_experiments(client, tasks), total, progress)
    partial = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        format.write(partial, spaces, tasks, written)
        os.replace(partial, output)
    except OSError as error:
        raise UsageProblem(f"{output} cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    progress(written.count, max(total, written.count))
    return ExportReport(str(output), format_name, len(spaces), len(tasks), written.count, output.stat().st_size)


def _tasks(client: Client, task_ids: Sequence[str]) -> list[Task]:
    if not task_ids:
        return sorted(client.list_tasks(), key=lambda task: task.task_id)
    try:
        return [client.get_task(task_id) for task_id in sorted(set(task_ids))]
    except NotFound as error:
        raise UsageProblem(error.message) from None


def _spaces(client: Client, tasks: Sequence[Task]) -> list[SearchSpace]:
    """The spaces in which the tasks were tried."""
    space_ids = sorted({summary.search_space_id for task in tasks for summary in task.summaries})
    return [client.get_search_space(space_id) for space_id in space_ids]


def _space_id(space: SearchSpace) -> str:
    return space.search_space_id


def _experiments(client: Client, tasks: Sequence[Task]) -> Iterator[Experiment]:
    for task in tasks:
        for space_id in sorted(summary.search_space_id for summary in task.summaries):
            yield from client.list_experiments(task.task_id, space_id)


class _Counter:
    """Counts experiments as they pass, and reports the progress."""

    def __init__(self, experiments: Iterable[Experiment], total: int, progress: Progress) -> None:
        self._experiments = experiments
        self._total = total
        self._progress = progress
        self.count = 0

    def __iter__(self) -> Iterator[Experiment]:
        for experiment in self._experiments:
            yield experiment
            self.count += 1
            if self.count % _PROGRESS_EVERY == 0:
                # Others may record meanwhile.
                self._progress(self.count, max(self._total, self.count))
