"""The work of ``headstart import`` and ``headstart export``, without the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from headstart.client import Client
from headstart.history.exporting import export_history
from headstart.history.formats import format_named
from headstart.history.importing import Choices, import_history
from headstart.history.locations import local_path
from headstart.history.model import ExportReport, ImportReport, Progress, Say, UsageProblem
from headstart.history.restoring import restore
from headstart.history.sources import Request, open_history
from headstart.history.tasks import check_id
from headstart.spaces.declaration import Value
from headstart.values import Direction

IMPORT_SOURCES = ("csv", "jsonl", "optuna", "mlflow", "ray", "export")
EXPORT_FORMATS = ("jsonl", "parquet")

DEFAULT_CHUNK_SIZE = 1_000


def run_import(
    client: Client,
    source: str,
    location: str,
    *,
    mapping: Path | None = None,
    task_id: str | None = None,
    space_id: str | None = None,
    studies: Sequence[str] = (),
    objective: str | None = None,
    direction: str | None = None,
    ranges: Mapping[str, tuple[Value, Value]] | None = None,
    replace: bool = False,
    agree: Callable[[str], bool] = lambda question: True,
    dry_run: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> ImportReport:
    """Record the history at ``location``; a repetition records nothing twice, and a broken import continues.

    ``source`` is one of IMPORT_SOURCES; ``location`` is a file (csv, jsonl, export), a storage URL (optuna, mlflow)
    or a folder (ray). ``studies`` names Optuna studies or MLflow experiments; empty takes the only one. ``direction``
    is "maximize" or "minimize". ``space_id`` names the search space to use, or to create. ``ranges`` widens the
    ranges of a derived space to (lowest, highest) by parameter name. ``replace`` removes the tasks of the runs and
    records them again, to correct a wrong import; ``agree`` is asked before, and nothing is removed if a task has
    results of others. ``say`` gets lines for people, ``progress`` the number of entries done and their total if
    known.

    Raises UsageProblem before anything is recorded, and HeadstartError if the service is out of reach or refuses:
    acknowledged records stay, and the same call continues behind them. OSError for an unreadable source behaves the
    same.
    """
    check_id(task_id, "the task")
    check_id(space_id, "the search space")
    if chunk_size < 1:
        raise UsageProblem(f"chunks hold at least one entry, got {chunk_size}")
    if source == "export":
        if mapping or task_id or space_id or studies or objective or direction or ranges or replace:
            raise UsageProblem("an export brings its tasks and search spaces along: it takes no options but a dry run")
        return restore(
            client,
            local_path(location) or Path(location),
            dry_run=dry_run,
            chunk_size=chunk_size,
            say=say,
            progress=progress,
        )
    request = Request(source, location, mapping, tuple(studies), objective, _direction(direction))
    choices = Choices(task_id, space_id, ranges or {}, replace, agree, dry_run, chunk_size)
    return import_history(client, open_history(request), source, choices, say, progress)


def _direction(word: str | None) -> Direction | None:
    if word is None:
        return None
    try:
        return Direction[word.upper()]
    except KeyError:
        raise UsageProblem(f"direction is maximize or minimize, got {word!r}") from None


def run_export(
    client: Client,
    *,
    task_ids: Sequence[str] = (),
    format: str,
    output: Path,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> ExportReport:
    """Write tasks (none named: all), their search spaces and experiments into a file; ``format``: EXPORT_FORMATS.

    The file appears under its name when it is complete. Raises UsageProblem, and HeadstartError.
    """
    return export_history(client, task_ids, format_named(format), format, output, progress)
