"""Reads a CSV or JSON lines file, one run a line, as a mapping file says.

Locators are line numbers. A line's identity is its content, so that a file may grow or move between two imports.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.history.cells import (
    Conversion,
    Unreadable,
    allow_long_cells,
    cell_number,
    convert,
    parsed_json,
    plain_value,
)
from headstart.history.locations import local_path
from headstart.history.mapping import Mapped, Met, read_mapping, task_template
from headstart.history.model import Note, Run, UsageProblem, line_count
from headstart.history.sources import Request, SourceHistory
from headstart.spaces.declaration import Value
from headstart.values import CurvePoint, ExperimentStatus

Row = Mapping[str, Any]

# Names of outcomes in histories, in lower case.
STATUS_WORDS = {
    ExperimentStatus.COMPLETED: "completed complete finished done success succeeded successful ok terminated true 1",
    ExperimentStatus.FAILED: "failed fail failure error errored crashed diverged false 0",
    ExperimentStatus.STOPPED: "stopped pruned killed early_stopped cancelled canceled interrupted",
}
_STATUS = {word: status for status, words in STATUS_WORDS.items() for word in words.split()}


def open_history(request: Request) -> SourceHistory:
    """Raises UsageProblem."""
    if request.mapping is None:
        raise UsageProblem("a table needs a mapping file that says which columns are what")
    mapping = read_mapping(request.mapping)
    path = local_path(request.location)
    if path is None or not path.is_file():
        raise UsageProblem(f"there is no file {request.location}")
    if mapping.parameters is None:
        raise UsageProblem(f"{request.mapping}: columns.parameters is missing: which columns are parameters?")
    objective_column = request.objective or mapping.columns.get("objective")
    if objective_column is None:
        raise UsageProblem(f"{request.mapping}: columns.objective is missing: which column is the objective?")
    allow_long_cells()
    reader = _Reader(path, request.source, mapping, objective_column)
    reader.check_columns()
    return SourceHistory(
        name=path.stem,
        task=task_template(mapping, request.direction, mapping.task.get("metric", objective_column)),
        runs=reader.runs,
        # Lines of a CSV file without its heading; a cell with a line break counts as several.
        count=line_count(path) - (request.source == "csv"),
        search_space_id=mapping.search_space_id,
        space_description=mapping.space_description or f"From {path.name}",
        domains=mapping.domains,
        conditions=mapping.conditions,
        always=frozenset(mapping.domains) - frozenset(mapping.conditions),
        texts=request.source == "csv",
        met=reader.met,
    )


class _Reader:
    """Reads the file, as often as needed."""

    def __init__(self, path: Path, source: str, mapping: Mapped, objective: str) -> None:
        self._path = path
        self._source = source
        self._mapping = mapping
        self._objective = objective
        self.met = Met(mapping)

    def check_columns(self) -> None:
        """Whether a CSV file has the columns of the mapping. Raises UsageProblem."""
        if self._source != "csv":
            return
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = next(csv.reader(file), [])
        mapping = self._mapping
        parameters = mapping.parameters if isinstance(mapping.parameters, dict) else {"": str(mapping.parameters)}
        named = [*parameters.values(), self._objective, *(mapping.metrics or {}).values(), *mapping.proxies.values()]
        named += [column for key, column in mapping.columns.items() if key != "objective"]
        named += [str(mapping.task["column"])] if "column" in mapping.task else []
        twice = sorted({name for name in named if header.count(name) > 1})
        if twice:
            raise UsageProblem(f"{self._path} has more than one column {', '.join(map(repr, twice))}")
        missing = [name for name in named if name not in header and name not in mapping.constants]
        if missing:
            raise UsageProblem(
                f"{self._path} has no column {', '.join(map(repr, missing))}; it has: {', '.join(header)}"
            )
        self.met.add(header)

    def runs(self) -> Iterator[Run | Note]:
        for number, row in self._csv_rows() if self._source == "csv" else self._json_rows():
            locator = f"{self._path.name}:{number}"
            try:
                if isinstance(row, str):
                    raise Unreadable(row)
                run = self._run(locator, {**self._mapping.constants, **row})
            except Unreadable as problem:
                yield Note(locator, str(problem))
                continue
            self.met.any_run = True
            yield run

    def _csv_rows(self) -> Iterator[tuple[int, Row | str]]:
        """Rows with the number of their last line, without empty cells; a text instead of a row is the line's error."""
        with self._path.open("rb") as file:
            reader = csv.reader(_decoded(file))
            header: list[str] = []
            while True:
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield reader.line_num, f"it is not CSV: {error}"
                    continue
                if cells is None:
                    return
                if not header:
                    header = cells
                elif cells and len(cells) != len(header):
                    yield reader.line_num, f"it has {len(cells)} cells, the heading has {len(header)}"
                elif any("\ufffd" in cell for cell in cells):
                    yield reader.line_num, "it is not UTF-8"
                elif cells:
                    row = zip(header, cells, strict=True)
                    yield reader.line_num, {name: cell.strip() for name, cell in row if cell.strip()}

    def _json_rows(self) -> Iterator[tuple[int, Row | str]]:
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield number, f"it is not JSON: {error}"
                    continue
                yield number, row if isinstance(row, dict) else "it is not a JSON object"

    def _run(self, locator: str, row: Row) -> Run:
        columns, notes = self._mapping.columns, list[str]()
        objective = self._cell(row, self._objective)
        value = None if objective is None else cell_number(objective, self._objective)
        status = self._status(row, value)
        identity = self._cell(row, columns["id"]) if "id" in columns else None
        task_name = ""
        if "column" in self._mapping.task:
            task_name = str(self._cell(row, self._mapping.task["column"]) or "")
            if not task_name:
                raise Unreadable(f"column {self._mapping.task['column']!r}, which names the task, is empty")
        cost, fidelity, seed = (self._single(row, key, notes) for key in ("cost_seconds", "fidelity", "seed"))
        if seed is not None and not float(seed).is_integer():
            notes.append(f"the seed {seed} is no whole number: left out")
            seed = None
        worker = self._cell(row, columns["worker_id"]) if "worker_id" in columns else None
        return Run(
            locator=locator,
            identity=f"id\0{identity}"
            if identity is not None
            else f"row\0{json.dumps(row, sort_keys=True, default=str)}",
            values=self._values(row),
            status=status,
            objective_value=value,
            metrics=self._numbers(row, self._mapping.metrics or {}, notes),
            learning_curve=self._curve(row, columns["curve"]) if "curve" in columns else (),
            fidelity=fidelity,
            cost_seconds=cost,
            proxies=self._numbers(row, self._mapping.proxies, notes),
            seed=None if seed is None else int(seed),
            worker_id="" if worker is None else str(worker),
            task_name=task_name,
            notes=tuple(notes),
        )

    def _values(self, row: Row) -> dict[str, Value]:
        parameters = self._mapping.parameters
        if isinstance(parameters, str):
            content = self._cell(row, parameters)
            content = parsed_json(content) if isinstance(content, str) else content
            if not isinstance(content, dict):
                raise Unreadable(f"column {parameters!r} is to hold the parameters as an object")
            cells = {name: self._converted(cell, name) for name, cell in content.items()}
            self.met.convertible.update(cells)
        else:
            assert parameters is not None
            cells = {name: self._cell(row, column) for name, column in parameters.items()}
        values: dict[str, Value] = {}
        for name, cell in cells.items():
            if cell is None:
                continue
            value = plain_value(cell) if isinstance(cell, str) and self._is_guessed(name) else cell
            if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
                raise Unreadable(f"parameter {name!r} is {str(value)[:80]}: neither word, number nor truth value")
            values[name] = value
        return values

    def _is_guessed(self, name: str) -> bool:
        """Whether a text of a CSV file may stand for a number; with a given type, or in JSON, it does not."""
        parameters = self._mapping.parameters
        column = parameters.get(name, name) if isinstance(parameters, dict) else name
        conversion = self._mapping.conversions.get(column)
        return self._source == "csv" and (conversion is None or not conversion.kind)

    def _status(self, row: Row, value: float | None) -> ExperimentStatus:
        column = self._mapping.columns.get("status")
        word = self._cell(row, column) if column is not None else None
        if column is None:
            return ExperimentStatus.COMPLETED
        if word is None:
            raise Unreadable(f"column {column!r}, the status, is empty")
        status = _STATUS.get(str(word).lower())
        if status is None:
            raise Unreadable(f"status {str(word)[:40]!r} is not known: map it with convert.{column}.values")
        return status

    def _single(self, row: Row, key: str, notes: list[str]) -> float | None:
        if key not in self._mapping.columns:
            return None
        return self._numbers(row, {key: self._mapping.columns[key]}, notes).get(key)

    def _numbers(self, row: Row, columns: Mapping[str, str], notes: list[str]) -> dict[str, float]:
        numbers = {}
        for name, column in columns.items():
            cell = self._cell(row, column)
            if cell is None:
                continue
            try:
                numbers[name] = cell_number(cell, column)
            except Unreadable as problem:
                notes.append(f"{problem}: left out")
        return numbers

    def _curve(self, row: Row, column: str) -> tuple[CurvePoint, ...]:
        """Scale and offset of the curve's own column apply to each of its values."""
        conversion = self._mapping.conversions.get(column, Conversion())
        cell = self._held(row, column)
        if cell is None:
            return ()
        points = _points(convert(cell, replace(conversion, scale=1.0, offset=0.0), column))
        return tuple(replace(point, value=conversion.scaled(point.value)) for point in points)

    def _cell(self, row: Row, column: str) -> Any:
        """The converted content of a column."""
        return self._converted(self._held(row, column), column)

    def _held(self, row: Row, column: str) -> Any:
        """The content of a column, also of an inner one ("config.lr"); None without any."""
        content: Any = row
        for part in [column] if column in row else column.split("."):
            if not isinstance(content, dict) or part not in content:
                return None
            content = content[part]
        self.met.add([column])
        return content

    def _converted(self, cell: Any, column: str) -> Any:
        conversion = self._mapping.conversions.get(column)
        if conversion is None or cell is None:
            return cell
        return convert(cell, conversion, column)


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.decode("utf-8-sig" if number == 0 else "utf-8", errors="replace")


def _points(cell: Any) -> tuple[CurvePoint, ...]:
    """Points from a list of values (after 1, 2, ... units), a list of pairs, or an object {fidelity: value}."""
    content = parsed_json(cell)
    if content is None:
        return ()
    if isinstance(content, dict):
        content = list(content.items())
    if not isinstance(content, list):
        raise Unreadable(f"the curve is {str(content)[:40]!r}: neither a list nor an object")
    points = []
    for index, point in enumerate(content, start=1):
        fidelity, value = point if isinstance(point, list | tuple) and len(point) == 2 else (index, point)
        points.append(
            CurvePoint(cell_number(fidelity, "curve"), math.nan if value is None else cell_number(value, "curve"))
        )
    return tuple(points)
