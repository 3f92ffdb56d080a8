"""Removes what a former import recorded, so that a corrected one can take its place.

A recorded experiment is never changed, and only whole tasks can be removed. So a task goes with all that was recorded
on it, and only where all of that comes from entries that this import brings again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from headstart.history.model import Say, UsageProblem
from headstart.history.service import Service
from headstart.values import Task


def remove_former(service: Service, entries: Iterable[tuple[str, str]], agree: Callable[[str], bool], say: Say) -> None:
    """``entries``: task and worker of each entry that will be recorded.

    Raises UsageProblem, with nothing removed, if a task has results of others or the user does not agree.
    """
    workers: dict[str, set[str]] = defaultdict(set)
    for task_id, worker in entries:
        workers[task_id].add(worker)
    former = [task for task_id in workers if (task := service.find_task(task_id)) is not None]
    for task in former:
        _check(service, task, workers[task.task_id])
    for task in former:
        count = sum(summary.experiment_count for summary in task.summaries)
        say(f"task {task.task_id!r} with its {count} experiments is removed and recorded anew")
    if former and not agree("Remove what was recorded and record it anew? There is no way back."):
        raise UsageProblem("not confirmed, nothing was done")
    for task in former:
        service.delete_task(task)


def _check(service: Service, task: Task, workers: set[str]) -> None:
    others = {each.worker_id for each in service.experiments_of(task)} - workers - {""}
    if others:
        shown = ", ".join(sorted(others)[:3]) + (", ..." if len(others) > 3 else "")
        raise UsageProblem(
            f"task {task.task_id!r} has results of others than this import ({shown}), which would be lost: nothing was "
            "removed. Choose another task, or export what is to stay and remove the task by hand"
        )
