"""Exports as Parquet, for data frames and SQL engines: one row an experiment, spaces and tasks in the file's metadata.

Candidates are JSON texts, since their values differ in kind from space to space; everything else has columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headstart.history.formats import Contents
from headstart.history.formats.stored_form import (
    candidate_from_json,
    candidate_to_json,
    space_from_json,
    space_to_json,
    task_from_json,
    task_to_json,
)
from headstart.history.model import MissingExtra, Note, UsageProblem
from headstart.packages import is_installed
from headstart.spaces.declaration import SearchSpace
from headstart.values import CurvePoint, Experiment, ExperimentStatus, Outcome, Task

if not is_installed("pyarrow"):
    raise MissingExtra("Parquet", "parquet")
import pyarrow
import pyarrow.parquet

VERSION = 1

# Size of a batch in memory: rows, and points of their curves, which are larger.
_ROWS, _POINTS = 5_000, 100_000
_READ_ROWS = 500

# Errors for content that no export has.
_WRONG = (KeyError, TypeError, ValueError, AttributeError, OverflowError)

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, allow_nan=False).encode

_number_map = pyarrow.map_(pyarrow.string(), pyarrow.float64())
_point = pyarrow.struct([("fidelity", pyarrow.float64()), ("value", pyarrow.float64())])

SCHEMA = pyarrow.schema(
    [
        pyarrow.field("experiment_id", pyarrow.string(), nullable=False),
        pyarrow.field("task_id", pyarrow.string(), nullable=False),
        pyarrow.field("search_space_id", pyarrow.string(), nullable=False),
        pyarrow.field("candidate", pyarrow.string(), nullable=False),
        pyarrow.field("fingerprint", pyarrow.string()),
        pyarrow.field("status", pyarrow.string(), nullable=False),
        pyarrow.field("objective_value", pyarrow.float64()),
        pyarrow.field("metrics", _number_map),
        pyarrow.field("learning_curve", pyarrow.list_(_point)),
        pyarrow.field("fidelity", pyarrow.float64()),
        pyarrow.field("cost_seconds", pyarrow.float64()),
        pyarrow.field("proxies", _number_map),
        pyarrow.field("seed", pyarrow.int64()),
        pyarrow.field("decision_id", pyarrow.string()),
        pyarrow.field("worker_id", pyarrow.string()),
        pyarrow.field("record_time", pyarrow.timestamp("us", tz="UTC")),
    ]
)


def write(path: Path, spaces: Iterable[SearchSpace], tasks: Iterable[Task], experiments: Iterable[Experiment]) -> None:
    metadata = {
        "headstart_export": str(VERSION),
        "headstart_search_spaces": _encode([space_to_json(space) for space in spaces]),
        "headstart_tasks": _encode([task_to_json(task) for task in tasks]),
    }
    with pyarrow.parquet.ParquetWriter(path, SCHEMA.with_metadata(metadata), compression="zstd") as writer:
        for batch in _batches(experiments):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(batch, schema=SCHEMA))


def read(path: Path) -> Contents:
    """Raises UsageProblem for a file that is not an export of a known version."""
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageProblem(f"{path} cannot be read as Parquet: {error}") from None
    metadata = file.schema_arrow.metadata or {}
    if metadata.get(b"headstart_export") != str(VERSION).encode() or not set(SCHEMA.names) <= set(
        file.schema_arrow.names
    ):
        raise UsageProblem(f"{path} is no export of Headstart: it lacks the metadata of one")
    try:
        spaces = tuple(space_from_json(space) for space in json.loads(metadata[b"headstart_search_spaces"]))
        tasks = tuple(task_from_json(task) for task in json.loads(metadata[b"headstart_tasks"]))
    except (*_WRONG, RecursionError) as error:
        raise UsageProblem(f"{path}: its search spaces and tasks are not as exports have them: {error!r}") from None
    return Contents(spaces, tasks, _experiments(path, file), count=file.metadata.num_rows)


def _experiments(path: Path, file: Any) -> Iterator[tuple[str, Experiment] | Note]:
    number = 0
    with file:
        for batch in file.iter_batches(batch_size=_READ_ROWS):
            for row in batch.to_pylist():
                number += 1
                locator = f"{path.name}, row {number}"
                try:
                    yield locator, _experiment(row)
                except (*_WRONG, RecursionError) as error:
                    yield Note(locator, f"it is not an experiment as exports have them: {error!r}")


def _batches(experiments: Iterable[Experiment]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    points = 0
    for experiment in experiments:
        rows.append(_row(experiment))
        points += len(experiment.outcome.learning_curve)
        if len(rows) >= _ROWS or points >= _POINTS:
            yield rows
            rows, points = [], 0
    if rows:
        yield rows


def _row(experiment: Experiment) -> dict[str, Any]:
    outcome = experiment.outcome
    return {
        "experiment_id": experiment.experiment_id,
        "task_id": experiment.task_id,
        "search_space_id": experiment.search_space_id,
        "candidate": _encode(candidate_to_json(experiment.candidate)),
        "fingerprint": experiment.fingerprint,
        "status": outcome.status.name,
        "objective_value": outcome.objective_value,
        "metrics": sorted(outcome.metrics.items()),
        "learning_curve": [{"fidelity": point.fidelity, "value": point.value} for point in outcome.learning_curve],
        "fidelity": outcome.fidelity,
        "cost_seconds": outcome.cost_seconds,
        "proxies": sorted(outcome.proxies.items()),
        "seed": outcome.seed,
        "decision_id": experiment.decision_id or None,
        "worker_id": experiment.worker_id,
        "record_time": experiment.record_time,
    }


def _experiment(row: dict[str, Any]) -> Experiment:
    time: datetime | None = row["record_time"]
    return Experiment(
        row["experiment_id"],
        row["task_id"],
        row["search_space_id"],
        candidate_from_json(json.loads(row["candidate"])),
        row["fingerprint"] or "",
        Outcome(
            ExperimentStatus[row["status"]],
            row["objective_value"],
            dict(row["metrics"] or ()),
            tuple(CurvePoint(point["fidelity"], point["value"]) for point in row["learning_curve"] or ()),
            row["fidelity"],
            row["cost_seconds"],
            dict(row["proxies"] or ()),
            row["seed"],
        ),
        row["decision_id"] or "",
        row["worker_id"] or "",
        None if time is None else time.astimezone(UTC),
    )
