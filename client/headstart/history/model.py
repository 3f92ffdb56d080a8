"""The values of bringing a history in and taking it out: what was read, what was left, what was asked wrongly.

Nothing here knows a source or the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from headstart.spaces.declaration import SearchSpace, Value
from headstart.values import CurvePoint, ExperimentStatus, Task

# This number of skipped and amended entries is listed; the counts are of all.
MAX_LISTED = 10_000

# Lines for people, and (done, total or None) for a progress bar.
Say = Callable[[str], None]
Progress = Callable[[int, int | None], None]


def line_count(path: Path) -> int:
    """The number of lines in a file, for a progress bar."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))


class UsageProblem(ValueError):
    """The command cannot be carried out: an option, the mapping file or the source is wrong.

    Nothing was recorded. The command line ends with exit code 2.
    """


class MissingExtra(UsageProblem):
    """A package that the source or format needs is not installed; the message names the extra."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an extra: pip install "headstart[{extra}]"')
        self.extra = extra


@dataclass(frozen=True)
class Note:
    """A note about one entry of a source: its location ("runs.csv:17", "trial 12"), and the text."""

    locator: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One entry of a source as read: an experiment that is not yet checked against a space.

    ``identity`` distinguishes it from all other entries of its source, also in a later import. ``task_name`` is empty
    if all entries belong to one task. ``notes`` name the parts of the entry that could not be read.
    """

    locator: str
    identity: str
    values: Mapping[str, Value]
    status: ExperimentStatus
    objective_value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    learning_curve: tuple[CurvePoint, ...] = ()
    fidelity: float | None = None
    cost_seconds: float | None = None
    proxies: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    worker_id: str = ""
    task_name: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImportReport:
    """The result of an import.

    ``read_count`` = recorded + already known + skipped. ``amended`` entries were recorded in part: for example
    without a metric that was not a number. In a dry run nothing is recorded, and ``recorded_count`` is the number
    that would be sent.
    """

    source: str
    dry_run: bool
    spaces: tuple[SearchSpace, ...]
    tasks: tuple[Task, ...]
    read_count: int
    recorded_count: int
    already_known_count: int
    skipped_count: int
    amended_count: int
    skipped: tuple[Note, ...] = ()
    amended: tuple[Note, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if anything was skipped, else 0."""
        return 1 if self.skipped_count else 0


@dataclass(frozen=True)
class ExportReport:
    """The result of an export."""

    path: str
    format: str
    space_count: int
    task_count: int
    experiment_count: int
    byte_count: int
