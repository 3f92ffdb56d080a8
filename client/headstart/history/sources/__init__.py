"""The places a history comes from, one module each; ``open_history`` loads the one that is asked for.

A source reads and tells; it knows neither the service nor the search space. Its runs may be read twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from headstart.history.mapping import Met
from headstart.history.model import Note, Run, UsageProblem
from headstart.spaces.declaration import Condition, Domain
from headstart.values import Direction, Task

_MODULES = {
    "csv": "table_file",
    "jsonl": "table_file",
    "optuna": "optuna_storage",
    "mlflow": "mlflow_runs",
    "ray": "ray_tune",
}


@dataclass(frozen=True)
class Request:
    """The request of an import. ``objective`` and ``direction`` are None if the source determines them."""

    source: str
    location: str
    mapping: Path | None = None
    studies: Sequence[str] = ()
    objective: str | None = None
    direction: Direction | None = None


@dataclass(frozen=True)
class SourceHistory:
    """An opened source.

    Ids are made of ``name`` unless given. ``task`` has what all tasks share; its id is empty if the source has none.
    ``domains`` and ``conditions`` are those known before any run is read, ``always`` are the parameters of every run;
    ``count`` is the number of entries, None if it is known only after reading them. ``texts``: parameters are texts
    at the source, so a broken number is a word. After the runs were read, ``met`` knows which columns of the mapping
    file occurred, and ``remarks`` are notes for people on all of them.
    """

    name: str
    task: Task
    runs: Callable[[], Iterator[Run | Note]]
    count: int | None = None
    search_space_id: str = ""
    space_description: str = ""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    texts: bool = False
    met: Met | None = None
    remarks: Callable[[], Sequence[str]] = list[str]


def open_history(request: Request) -> SourceHistory:
    """Raises UsageProblem, among others MissingExtra."""
    module = _MODULES.get(request.source)
    if module is None:
        raise UsageProblem(f"{request.source!r} is no source: choose one of {', '.join([*_MODULES, 'export'])}")
    history: SourceHistory = import_module(f"headstart.history.sources.{module}").open_history(request)
    return history


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def chosen(names: Sequence[str], wanted: Sequence[str], what: str) -> list[str]:
    """The wanted names, or the only one. Raises UsageProblem."""
    shown = listed(names)
    for name in wanted:
        if name not in names:
            raise UsageProblem(f"there is no {what} {name!r}; there are: {shown or 'none'}")
    if wanted:
        return list(dict.fromkeys(wanted))
    if len(names) != 1:
        raise UsageProblem(f"name the {what} to import; there are: {shown or 'none'}")
    return list(names)
