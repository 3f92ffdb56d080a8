"""The files that an export writes and an import reads back, one module each.

A file holds the search spaces and tasks first, then the experiments, each task's in the order of recording, and is
written and read as a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from headstart.history.model import Note, UsageProblem
from headstart.spaces.declaration import SearchSpace
from headstart.values import Experiment, Task

FORMATS = {"jsonl": "json_lines", "parquet": "parquet"}


@dataclass(frozen=True)
class Contents:
    """An opened file. ``experiments`` gives each with its locator, or its error; ``count`` if known."""

    spaces: tuple[SearchSpace, ...]
    tasks: tuple[Task, ...]
    experiments: Iterator[tuple[str, Experiment] | Note]
    count: int | None = None


class Format(Protocol):
    def write(
        self, path: Path, spaces: Iterable[SearchSpace], tasks: Iterable[Task], experiments: Iterable[Experiment]
    ) -> None: ...

    def read(self, path: Path) -> Contents:
        """Raises UsageProblem for a file that is not an export."""


def format_named(name: str) -> Format:
    """The format of a name. Raises UsageProblem, among others MissingExtra."""
    if name not in FORMATS:
        raise UsageProblem(f"{name!r} is no format: choose one of {', '.join(FORMATS)}")
    return cast(Format, import_module(f"headstart.history.formats.{FORMATS[name]}"))


def format_of(path: Path) -> Format:
    """The format of an existing file, by its first bytes."""
    if not path.is_file():
        raise UsageProblem(f"there is no file {path}")
    with path.open("rb") as file:
        return format_named("parquet" if file.read(4) == b"PAR1" else "jsonl")
