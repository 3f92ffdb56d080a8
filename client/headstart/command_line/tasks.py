"""Commands about tasks: which there are, what is known of one, and removing one."""

from __future__ import annotations

from dataclasses import replace
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
    """All tasks and their progress."""
    with service(context) as client:
        listed = list(limited(client.list_tasks(page_size=page_size(limit, 1000)), limit))
        if json:
            print_json({"tasks": listed})
            return
        rows = [
            (
                task.task_id,
                words.objective(task.objective),
                str(_experiment_count(task)),
                words.best(task),
                task.description,
            )
            for task in listed
        ]
        print_table(_COLUMNS, rows)


def task(context: typer.Context, task_id: TaskId, json: AsJson = False) -> None:
    """One task: description, results, and the most similar tasks."""
    with service(context) as client:
        shown = client.get_task(task_id)
        if json:
            print_json(shown)
            return
        similar = client.search_tasks(task_id)
        print_facts(_facts(shown))
        if shown.summaries:
            print_text("")
            rows = [
                (
                    summary.search_space_id,
                    str(summary.experiment_count),
                    str(summary.completed_count),
                    words.incumbent(summary.incumbent),
                    summary.incumbent.experiment_id if summary.incumbent else "",
                )
                for summary in shown.summaries
            ]
            print_table(_SUMMARY_COLUMNS, rows)
        if similar:
            print_text("")
            print_similar_tasks(similar)


def update_task(
    context: typer.Context,
    task_id: TaskId,
    description: Annotated[str | None, typer.Option("--description", help="In a sentence.")] = None,
    descriptor: Annotated[
        list[str] | None,
        typer.Option("--descriptor", metavar="NAME=WORD", help="What the data is; may be repeated."),
    ] = None,
    meta_feature: Annotated[
        list[str] | None,
        typer.Option("--meta-feature", metavar="NAME=NUMBER", help="Of the data; may be repeated."),
    ] = None,
    fidelity_unit: Annotated[str | None, typer.Option("--fidelity-unit", help="Of a training: epoch, say.")] = None,
    max_fidelity: Annotated[
        float | None, typer.Option("--max-fidelity", min=0, help="Of a full training; not once there are results.")
    ] = None,
) -> None:
    """Describe a task, for example an imported one. Parts that are not given stay; an empty word or number is
    removed.
    """
    words_of = dict(map(_named, descriptor or ()))
    numbers_of = {name: _number(name, text) for name, text in map(_named, meta_feature or ())}
    with service(context) as client:
        former = client.get_task(task_id)
        client.update_task(
            replace(
                former,
                description=former.description if description is None else description,
                descriptor={name: word for name, word in {**former.descriptor, **words_of}.items() if word},
                meta_features={
                    name: number
                    for name, number in {**former.meta_features, **numbers_of}.items()
                    if number is not None
                },
                fidelity_unit=former.fidelity_unit if fidelity_unit is None else fidelity_unit,
                max_fidelity=former.max_fidelity if max_fidelity is None else max_fidelity,
            )
        )
        print_facts(_facts(client.get_task(task_id)))


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} names nothing: write NAME=VALUE")
    return name, value


def _number(name: str, text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{name} must be a number, got {text!r}", param_hint="--meta-feature") from None


def delete_task(
    context: typer.Context,
    task_id: TaskId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a task with everything that was recorded on it. There is no way back."""
    with service(context) as client:
        former = client.get_task(task_id)
        if not yes:
            question = f"Delete the task {task_id} and its {words.counted(_experiment_count(former), 'experiment')}?"
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
