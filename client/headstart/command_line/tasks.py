"""Commands about tasks: which there are, what is known of one, and removing one."""

from __future__ import annotations

from typing import Annotated

import typer

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, Limit, TaskId, limited, page_size
from headstart.command_line.session import CommandError, confirmed, service
from headstart.command_line.similarities import print_similar_tasks
from headstart.command_line.tables import Column, print_facts, print_table, print_text
from headstart.values import Task

_COLUMNS = (
    Column("TASK"),
    Column("OBJECTIVE"),
    Column("EXPERIMENTS", number=True),
    Column("BEST", number=True),
    Column("DESCRIPTION", wide=True),
)
_SUMMARY_COLUMNS = (
    Column("SPACE"),
    Column("EXPERIMENTS", number=True),
    Column("COMPLETED", number=True),
    Column("BEST", number=True),
    Column("EXPERIMENT"),
)


def tasks(context: typer.Context, limit: Limit = None, json: AsJson = False) -> None:
    """All tasks and how far they are."""
    with service(context) as client:
        found = list(limited(client.list_tasks(page_size=page_size(limit, 1000)), limit))
        if json:
            print_json({"tasks": found})
            return
        rows = [
            (
                task.task_id,
                words.objective(task.objective),
                str(_experiment_count(task)),
                words.best(task),
                task.description,
            )
            for task in found
        ]
        print_table(_COLUMNS, rows)


def task(context: typer.Context, task_id: TaskId, json: AsJson = False) -> None:
    """One task: description, results, and the tasks most like it."""
    with service(context) as client:
        found = client.get_task(task_id)
        if json:
            print_json(found)
            return
        similar = client.search_tasks(task_id)
        print_facts(_facts(found))
        if found.summaries:
            print_text("")
            rows = [
                (
                    summary.search_space_id,
                    str(summary.experiment_count),
                    str(summary.completed_count),
                    words.incumbent(summary.incumbent),
                    summary.incumbent.experiment_id if summary.incumbent else "",
                )
                for summary in found.summaries
            ]
            print_table(_SUMMARY_COLUMNS, rows)
        if similar:
            print_text("")
            print_similar_tasks(similar)


def delete_task(
    context: typer.Context,
    task_id: TaskId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a task with everything that was recorded on it. There is no way back."""
    with service(context) as client:
        found = client.get_task(task_id)
        if not yes:
            question = f"Delete the task {task_id} and its {words.counted(_experiment_count(found), 'experiment')}?"
            if not confirmed(question):
                raise CommandError("not confirmed, nothing was done")
        deleted = client.delete_task(task_id)
        print_text(f"{task_id} is gone, and {words.counted(deleted, 'experiment')} with it")


def _experiment_count(task: Task) -> int:
    return sum(summary.experiment_count for summary in task.summaries)


def _facts(task: Task) -> list[tuple[str, str]]:
    return [
        ("task", task.task_id),
        ("description", task.description),
        ("objective", words.objective(task.objective)),
        ("descriptor", ", ".join(f"{name}={word}" for name, word in sorted(task.descriptor.items()))),
        ("meta-features", words.numbers(task.meta_features)),
        ("full training", f"{task.max_fidelity:g} {task.fidelity_unit}" if task.max_fidelity else ""),
        ("created", words.moment(task.create_time)),
    ]
