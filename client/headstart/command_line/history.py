"""Commands that bring a history in and take it out. What they do is in ``headstart.history``; here is how it is asked.

The report is the answer and goes to standard output; what is said meanwhile, and the bar, go to standard error. Exit
codes: 0 all went in, 1 something was skipped, the service refused or the source cannot be read further, 2 not possible
as asked (nothing was recorded).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from headstart.command_line import words
from headstart.command_line.documents import print_json
from headstart.command_line.options import AsJson, parameter_range
from headstart.command_line.session import PATIENCE_SECONDS, confirmed, errors_told, note, service
from headstart.command_line.tables import Column, print_table, print_text
from headstart.history.commands import (
    DEFAULT_CHUNK_SIZE,
    EXPORT_FORMATS,
    IMPORT_SOURCES,
    run_export,
    run_import,
)
from headstart.history.model import ImportReport, Note, Say, UsageProblem
from headstart.history.model import Progress as Report

Source = StrEnum("Source", [(name.upper(), name) for name in IMPORT_SOURCES])  # type: ignore[misc]
Format = StrEnum("Format", [(name.upper(), name) for name in EXPORT_FORMATS])  # type: ignore[misc]


class DirectionOption(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


def import_history(
    context: typer.Context,
    source: Annotated[Source, typer.Argument(metavar="SOURCE", show_default=False, help=" | ".join(IMPORT_SOURCES))],
    location: Annotated[
        str, typer.Argument(metavar="LOCATION", show_default=False, help="A file, a folder, or a storage URL.")
    ],
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help="What the columns mean.", exists=True, dir_okay=False),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="TASK", help="The task to record on.")] = None,
    space: Annotated[
        str | None, typer.Option("--space", metavar="SPACE", help="The search space; made where it is not there yet.")
    ] = None,
    study: Annotated[
        list[str] | None,
        typer.Option("--study", metavar="NAME", help="Optuna study or MLflow experiment; may be repeated."),
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", metavar="METRIC", help="Which metric is the objective.")
    ] = None,
    direction: Annotated[DirectionOption | None, typer.Option("--direction", help="Of the objective.")] = None,
    ranges: Annotated[
        list[Any] | None,
        typer.Option(
            "--range",
            parser=parameter_range,
            metavar="NAME=MIN..MAX",
            help="What a parameter may be beside what was tried; may be repeated.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what was recorded on the task, and record it anew.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --replace removes.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, record nothing.")] = False,
    chunk_size: Annotated[
        int, typer.Option("--chunk-size", min=1, max=4096, help="Records kept together or not at all.")
    ] = DEFAULT_CHUNK_SIZE,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many skipped entries to list.")] = 50,
    json: AsJson = False,
) -> None:
    """Import results of other tools. Repeating an import records nothing twice; a broken import continues."""
    # Listings do not wait long; an import rather waits than breaks off.
    patience = PATIENCE_SECONDS if dry_run else math.inf
    with service(context, patience) as client, _usage_told(), _bar("importing") as (report, say):
        came_of_it = run_import(
            client,
            source.value,
            location,
            mapping=mapping,
            task_id=task,
            space_id=space,
            studies=tuple(study or ()),
            objective=objective,
            direction=direction.value if direction else None,
            ranges=dict(ranges or ()),
            replace=replace,
            agree=lambda question: yes or dry_run or confirmed(question),
            dry_run=dry_run,
            chunk_size=chunk_size,
            say=say,
            progress=report,
        )
    with errors_told():
        if json:
            print_json(came_of_it)
        else:
            _print_report(came_of_it, limit)
    raise typer.Exit(came_of_it.exit_code)


def export_history(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="Ends in .jsonl or .parquet.")],
    tasks: Annotated[
        list[str] | None, typer.Argument(metavar="TASK...", show_default=False, help="Only these tasks.")
    ] = None,
    format: Annotated[Format | None, typer.Option("--format", help="Of the file.", show_default="by its name")] = None,
    json: AsJson = False,
) -> None:
    """Write tasks with their search spaces and experiments into a file for `headstart import export`."""
    chosen = format.value if format else output.suffix.removeprefix(".").lower()
    if chosen not in EXPORT_FORMATS:
        raise typer.BadParameter(f"{output} names no format: end it in .jsonl or .parquet, or give --format")
    with service(context, math.inf) as client, _usage_told(), _bar("exporting") as (report, say):
        written = run_export(
            client, task_ids=tuple(tasks or ()), format=chosen, output=output, say=say, progress=report
        )
    with errors_told():
        if json:
            print_json(written)
            return
        print_text(
            f"{written.path}: {words.counted(written.experiment_count, 'experiment')} of "
            f"{words.counted(written.task_count, 'task')} in {words.counted(written.space_count, 'search space')}, "
            f"{words.counted(written.byte_count, 'byte')}"
        )


@contextmanager
def _usage_told() -> Iterator[None]:
    try:
        yield
    except UsageProblem as problem:
        note(" ".join(str(problem).split()))
        raise typer.Exit(2) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        # A file or store that cannot be read any more; what was recorded before stays.
        note(
            " ".join(f"{error.filename}: {error.strerror}".split()) if error.filename else " ".join(str(error).split())
        )
        raise typer.Exit(1) from None


@contextmanager
def _bar(doing: str) -> Iterator[tuple[Report, Say]]:
    """A progress bar for a terminal, and a function that prints a line beside it."""
    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        yield (lambda done, total: None), lambda line: note(words.one_line(line))
        return
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    bar = progress.add_task(doing, total=None)

    def report(done: int, total: int | None) -> None:
        # Not before there is something to show: a person may be asked until then.
        progress.start()
        progress.update(bar, completed=done, total=total)

    def say(line: str) -> None:
        console.print(f"headstart: {words.one_line(line)}", soft_wrap=True)

    try:
        yield report, say
    finally:
        progress.stop()


def _print_report(report: ImportReport, limit: int) -> None:
    done = "would be recorded" if report.dry_run else "recorded"
    amended = f"; {report.amended_count} of the others went in without a part" if report.amended_count else ""
    print_text(
        f"{report.read_count} read: {report.recorded_count} {done}, {report.already_known_count} known before, "
        f"{report.skipped_count} skipped{amended}"
    )
    for name, ids in (
        ("search spaces", [space.search_space_id for space in report.spaces]),
        ("tasks", [task.task_id for task in report.tasks]),
    ):
        if ids:
            print_text(f"{name}: {', '.join(ids)}")
    _print_notes("SKIPPED", report.skipped, report.skipped_count, limit)
    _print_notes("WITHOUT A PART", report.amended, report.amended_count, limit)


def _print_notes(heading: str, notes: Sequence[Note], count: int, limit: int) -> None:
    if not count:
        return
    print_text("")
    print_table(
        (Column(heading), Column("REASON", prose=True)), [(each.locator, each.reason) for each in notes[:limit]]
    )
    if count > limit:
        note(f"there are {count} of these, of which {limit} are listed: --limit N for more")
