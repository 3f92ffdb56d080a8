"""The mapping file: which columns of a table are what, and what is to be known beside them. TOML or JSON.

Every section and field is described in docs/importing.md. A name that is not known is an error, so that a slip of the
pen is not taken for a wish.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.history.cells import KINDS, Conversion
from headstart.history.model import UsageProblem
from headstart.spaces.declaration import Categorical, Condition, Domain, Float, Integer, Ordering, Value
from headstart.values import Direction, Objective, Task

_SECTIONS = {"task", "space", "columns", "constants", "convert"}
_TASK = {"id", "column", "description", "metric", "direction", "fidelity_unit", "max_fidelity"}
_COLUMNS = {"parameters", "metrics", "proxies"}
_SINGLE_COLUMNS = {"objective", "status", "seed", "curve", "cost_seconds", "fidelity", "worker_id", "id"}


@dataclass(frozen=True)
class Mapped:
    """A mapping file. ``parameters``: the column of each name, or one column that holds them all as an object."""

    task: Mapping[str, Any] = field(default_factory=dict)
    search_space_id: str = ""
    space_description: str = ""
    domains: Mapping[str, Domain] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    parameters: Mapping[str, str] | str | None = None
    metrics: Mapping[str, str] | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)


@dataclass
class Met:
    """The columns of a mapping file that occurred in the source: the others may be typing errors."""

    mapping: Mapped
    columns: set[str] = field(default_factory=set)
    # Those of them to which a conversion applies.
    convertible: set[str] = field(default_factory=set)
    # Whether an entry was read completely; before, nothing is known.
    any_run: bool = False

    def add(self, columns: Iterable[str]) -> None:
        self.columns.update(columns)
        self.convertible.update(columns)

    def missing_parameters(self) -> list[str]:
        """Columns of parameters whose domain follows only from their values."""
        return [column for name, column in self._missing() if name not in self.mapping.domains]

    def missing(self) -> list[str]:
        """Every entry of the mapping file with a column that no row has; the objective is reported elsewhere."""
        if not self.any_run:
            return []
        mapping = self.mapping
        named = [(f"columns.{key}", column) for key, column in mapping.columns.items() if key != "objective"]
        named += [("columns.metrics", column) for column in (mapping.metrics or {}).values()]
        named += [("columns.proxies", column) for column in mapping.proxies.values()]
        predicted = [f"columns.parameters {column!r}" for _, column in self._missing()]
        predicted += [f"{index} {column!r}" for index, column in named if column not in self.columns]
        return predicted + [f"convert.{column}" for column in mapping.conversions if column not in self.convertible]

    def _missing(self) -> list[tuple[str, str]]:
        parameters = self.mapping.parameters
        if not self.any_run or not isinstance(parameters, Mapping):
            return []
        return [(name, column) for name, column in parameters.items() if column not in self.columns]


def read_mapping(path: Path) -> Mapped:
    """Raises UsageProblem."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UsageProblem(f"the mapping file {path} cannot be read: {error}") from None
    return mapping_of(content, str(path))


def mapping_of(content: Any, name: str = "mapping") -> Mapped:
    """Raises UsageProblem."""
    sections = _table(content, name, _SECTIONS)
    task = _table(sections.get("task", {}), f"{name}: task", {*_TASK, "descriptor", "meta_features"})
    if {"id", "column"} <= task.keys():
        raise UsageProblem(f"{name}: task has both an id and a column that names the task: leave one out")
    space = _table(sections.get("space", {}), f"{name}: space", {"id", "description", "parameters"})
    columns = _table(sections.get("columns", {}), f"{name}: columns", {*_COLUMNS, *_SINGLE_COLUMNS})
    declared = _table(space.get("parameters", {}), f"{name}: space.parameters")
    domains, conditions = {}, {}
    for parameter, declaration in declared.items():
        domains[parameter], condition = _parameter(declaration, f"{name}: space.parameters.{parameter}")
        if condition is not None:
            conditions[parameter] = condition
    parameters = columns.get("parameters")
    return Mapped(
        task=task,
        search_space_id=_text(space.get("id", ""), f"{name}: space.id"),
        space_description=_text(space.get("description", ""), f"{name}: space.description"),
        domains=domains,
        conditions=conditions,
        parameters=parameters
        if isinstance(parameters, str) or parameters is None
        else _names(parameters, f"{name}: columns.parameters"),
        metrics=_names(columns["metrics"], f"{name}: columns.metrics") if "metrics" in columns else None,
        proxies=_names(columns.get("proxies", {}), f"{name}: columns.proxies"),
        columns={key: _text(columns[key], f"{name}: columns.{key}") for key in _SINGLE_COLUMNS if key in columns},
        constants=_table(sections.get("constants", {}), f"{name}: constants"),
        conversions={
            column: _conversion(wanted, f"{name}: convert.{column}")
            for column, wanted in _table(sections.get("convert", {}), f"{name}: convert").items()
        },
    )


def _conversion(content: Any, where: str) -> Conversion:
    fields = _table(content, where, {"values", "type", "scale", "offset"})
    kind = fields.get("type", "")
    if kind and kind not in KINDS:
        raise UsageProblem(f"{where}.type must be one of {', '.join(KINDS)}, got {kind!r}")
    scale, offset = fields.get("scale", 1.0), fields.get("offset", 0.0)
    for amount in (scale, offset):
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise UsageProblem(f"{where}: scale and offset must be numbers")
    return Conversion(_table(fields.get("values", {}), f"{where}.values"), kind, scale, offset)


def _parameter(content: Any, where: str) -> tuple[Domain, Condition | None]:
    fields = _table(content, where, {"type", "lower", "upper", "log", "choices", "ordering", "when"})
    condition = None
    if "when" in fields:
        when = _table(fields["when"], f"{where}.when", {"parameter", "values"})
        if not isinstance(when.get("values"), list):
            raise UsageProblem(f"{where}.when needs a parameter and a list of values")
        condition = Condition(_text(when.get("parameter", ""), f"{where}.when.parameter"), tuple(when["values"]))
    kind = fields.get("type")
    if kind == "categorical":
        choices = fields.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, Value) for choice in choices):
            raise UsageProblem(f"{where} needs choices: a list of words, numbers or truth values")
        return Categorical(tuple(choices), _ordering(fields.get("ordering", "auto"), f"{where}.ordering")), condition
    if kind not in ("integer", "float"):
        raise UsageProblem(f"{where}.type must be categorical, integer or float, got {kind!r}")
    lower, upper, logarithmic = fields.get("lower"), fields.get("upper"), fields.get("log", False)
    numbers = int if kind == "integer" else int | float
    if not isinstance(lower, numbers) or not isinstance(upper, numbers) or not isinstance(logarithmic, bool):
        raise UsageProblem(f"{where} needs lower and upper as {kind} numbers, and log as true or false")
    if kind == "integer":
        return Integer(int(lower), int(upper), logarithmic), condition
    return Float(float(lower), float(upper), logarithmic), condition


def _ordering(content: Any, where: str) -> Ordering:
    known = {ordering.name.lower(): ordering for ordering in Ordering}
    if not isinstance(content, str) or content not in known:
        raise UsageProblem(f"{where} must be one of {', '.join(known)}, got {content!r}")
    return known[content]


def _table(content: Any, where: str, known: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UsageProblem(f"{where} must be a table")
    unknown = sorted(set(content) - known) if known is not None else []
    if unknown:
        raise UsageProblem(f"{where} has unknown names: {', '.join(unknown)}; known: {', '.join(sorted(known or ()))}")
    return content


def _names(content: Any, where: str) -> dict[str, str]:
    """Columns by name: from a list of columns that are names, or a table NAME = COLUMN."""
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return {name: name for name in content}
    if isinstance(content, dict) and all(isinstance(column, str) for column in content.values()):
        return content
    raise UsageProblem(f"{where} must be a list of columns or a table NAME = COLUMN")


def _text(content: Any, where: str) -> str:
    if not isinstance(content, str):
        raise UsageProblem(f"{where} must be a text, got {content!r}")
    return content


def task_template(mapping: Mapped, direction: Direction | None, metric: str) -> Task:
    """The task as the mapping file describes it. Raises UsageProblem."""
    entries = mapping.task
    word = str(entries.get("direction", "")).upper()
    if word and word not in Direction.__members__:
        raise UsageProblem(f"task.direction is maximize or minimize, got {entries['direction']!r}")
    try:
        return Task(
            str(entries.get("id", "")),
            Objective(metric, _needed(direction or (Direction[word] if word else None), metric)),
            str(entries.get("description", "")),
            {name: str(text) for name, text in entries.get("descriptor", {}).items()},
            {name: float(number) for name, number in entries.get("meta_features", {}).items()},
            str(entries.get("fidelity_unit", "")),
            float(entries.get("max_fidelity", 0.0)),
        )
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageProblem):
            raise
        raise UsageProblem(f"the task in the mapping file is wrong: {error}") from None


def _needed(value: Direction | None, metric: str) -> Direction:
    """Raises UsageProblem for a value that is missing everywhere."""
    if value is None:
        raise UsageProblem(f"say whether {metric!r} is better when it is higher: --direction maximize or minimize")
    return value
