"""Exports as JSON lines: readable by anything, the same bytes for the same content.

The first line says what the file is; each other line is one search space, task or experiment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from headstart.history.formats import Contents
from headstart.history.formats.stored_form import (
    experiment_from_json,
    experiment_to_json,
    space_from_json,
    space_to_json,
    task_from_json,
    task_to_json,
)
from headstart.history.model import Note, UsageProblem, line_count
from headstart.spaces.declaration import SearchSpace
from headstart.values import Experiment, Task

VERSION = 1

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False).encode


def experiment_text(experiment: Experiment) -> str:
    """The line of an experiment, without its end."""
    return _encode({"experiment": experiment_to_json(experiment)})


def write(path: Path, spaces: Iterable[SearchSpace], tasks: Iterable[Task], experiments: Iterable[Experiment]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_encode({"headstart_export": VERSION}) + "\n")
        for space in spaces:
            file.write(_encode({"search_space": space_to_json(space)}) + "\n")
        for task in tasks:
            file.write(_encode({"task": task_to_json(task)}) + "\n")
        for experiment in experiments:
            file.write(experiment_text(experiment) + "\n")


def read(path: Path) -> Contents:
    """Raises UsageProblem for a file that is not an export of a known version."""
    file = path.open("rb")
    try:
        return _contents(path, file)
    except BaseException:
        file.close()
        raise


def _contents(path: Path, file: BinaryIO) -> Contents:
    lines = enumerate(file, start=1)
    _, first = next(lines, (1, b""))
    header = _parsed(first)
    if not isinstance(header, dict) or header.get("headstart_export") != VERSION:
        raise UsageProblem(f'{path} is no export of Headstart: its first line must be {{"headstart_export":{VERSION}}}')
    spaces: list[SearchSpace] = []
    tasks: list[Task] = []
    for number, line in lines:
        entry = _parsed(line)
        locator = f"{path.name}:{number}"
        if not isinstance(entry, dict) or not {"search_space", "task"} & entry.keys():
            count = line_count(path) - number + 1
            return Contents(tuple(spaces), tuple(tasks), _experiments(path, file, lines, (number, line)), count)
        try:
            if "task" in entry:
                tasks.append(task_from_json(entry["task"]))
            else:
                spaces.append(space_from_json(entry["search_space"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise UsageProblem(f"{locator}: not a search space or task as exports have them: {error!r}") from None
    return Contents(tuple(spaces), tuple(tasks), _experiments(path, file, lines, None), 0)


def _experiments(
    path: Path, file: BinaryIO, lines: Iterator[tuple[int, bytes]], first: tuple[int, bytes] | None
) -> Iterator[tuple[str, Experiment] | Note]:
    with file:
        if first is not None:
            yield _experiment(path, *first)
        for number, line in lines:
            yield _experiment(path, number, line)


def _experiment(path: Path, number: int, line: bytes) -> tuple[str, Experiment] | Note:
    locator = f"{path.name}:{number}"
    entry = _parsed(line)
    if not isinstance(entry, dict):
        return Note(locator, "it is not a JSON object")
    if "experiment" not in entry:
        return Note(locator, "it is no experiment: search spaces and tasks stand at the top of the file")
    try:
        return locator, experiment_from_json(entry["experiment"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Note(locator, f"it is not an experiment as exports have them: {error!r}")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
