"""Reads the result folder of a Ray Tune experiment, without Ray: one folder a trial, as Ray 2 writes them.

``params.json`` is the configuration (each report repeats it), ``result.json`` (a line a report) or ``progress.csv``
what was reported, ``experiment_state-*.json`` knows how trials ended; without it, ``error.txt`` says that one died.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.history.cells import allow_long_cells, plain_value
from headstart.history.locations import local_path
from headstart.history.model import Note, Run, UsageProblem
from headstart.history.selection import mapping_for, objective_named, selected, task_for
from headstart.history.sources import Request, SourceHistory
from headstart.spaces.declaration import Value
from headstart.values import CurvePoint, ExperimentStatus

_STATUS = {
    "TERMINATED": ExperimentStatus.COMPLETED,
    "ERROR": ExperimentStatus.FAILED,
    # A trial that a scheduler paused for good is stopped.
    "PAUSED": ExperimentStatus.STOPPED,
}

# Entries that Ray adds to every report.
_OWN = {
    "checkpoint_dir_name",
    "config",
    "date",
    "done",
    "episodes_total",
    "experiment_id",
    "experiment_tag",
    "hostname",
    "iterations_since_restore",
    "node_ip",
    "pid",
    "should_checkpoint",
    "time_since_restore",
    "time_this_iter_s",
    "time_total_s",
    "timestamp",
    "timesteps_since_restore",
    "timesteps_total",
    "training_iteration",
    "trial_id",
    "warmup_time",
}

# One of these files makes a folder a trial's.
_FILES = ("params.json", "result.json", "progress.csv", "error.txt")

Report = dict[str, Any]


def open_history(request: Request) -> SourceHistory:
    """Raises UsageProblem."""
    mapping = mapping_for(request)
    folder = local_path(request.location)
    if folder is None or not folder.is_dir():
        raise UsageProblem(f"there is no folder {request.location}")
    states = _states(folder)
    trials = _trials(folder, states)
    if not trials:
        raise UsageProblem(f"{folder} holds no Ray Tune trials: no folder in it has a {' or '.join(_FILES)}")
    metric = objective_named(request, mapping, lambda: _metrics(trials))
    name = folder.resolve().name
    lengths = _Lengths(stated=not mapping.task.get("max_fidelity"))

    def runs() -> Iterator[Run | Note]:
        lengths.of_completed.clear()
        for trial in trials:
            run = _run(trial, name, metric, states)
            lengths.add(run)
            yield run

    description = f"Ray Tune experiment {name}"
    return selected(
        SourceHistory(
            name=name,
            task=task_for(request, mapping, metric, description, "training iteration"),
            runs=runs,
            count=len(trials),
            space_description=f"From {description}",
            remarks=lengths.remarks,
        ),
        mapping,
    )


class _Lengths:
    """The numbers of iterations after which completed trials ended, which may show that a scheduler stopped some."""

    def __init__(self, stated: bool) -> None:
        self._told = stated
        self.of_completed: list[float] = []

    def add(self, run: Run | Note) -> None:
        if isinstance(run, Run) and run.status is ExperimentStatus.COMPLETED and run.fidelity is not None:
            self.of_completed.append(run.fidelity)

    def remarks(self) -> list[str]:
        longest = max(self.of_completed, default=0.0)
        shorter = sum(length < longest for length in self.of_completed)
        if not (self._told and shorter):
            return []
        return [
            f"{shorter} of {len(self.of_completed)} completed trials ended before iteration {longest:g}, which the "
            "longest reached, and count as fully trained: where a scheduler (ASHA, say) stopped them, say "
            f"max_fidelity = {longest:g} in the mapping file's [task]"
        ]


def _trials(folder: Path, states: Mapping[str, str]) -> list[Path]:
    """Folders with a trial, and those without one that the state file names."""
    result = {path.parent for name in _FILES for path in folder.glob(f"*/{name}")}
    return sorted(result | {folder / name for name in states if name and "/" not in name})


def _states(folder: Path) -> dict[str, str]:
    """The final state of trials by folder name, from the newest state file; empty without one."""
    states: dict[str, str] = {}
    for path in sorted(folder.glob("experiment_state-*.json"))[-1:]:
        content = _parsed(path.read_text(encoding="utf-8", errors="replace"))
        entries = content.get("trial_data", []) if isinstance(content, dict) else []
        for entry in entries:
            predicted = _parsed(entry[0]) if isinstance(entry, list) and entry and isinstance(entry[0], str) else None
            if isinstance(predicted, dict) and "status" in predicted:
                states[str(predicted.get("relative_logdir", ""))] = str(predicted["status"])
    return states


def _metrics(trials: Sequence[Path]) -> Iterator[str]:
    """The numeric metrics of the first trials."""
    for trial in trials[:20]:
        for report in _reports(trial, []):
            yield from (
                name for name, value in report.items() if name.split("/")[0] not in _OWN and _number(value) is not None
            )


def _run(trial: Path, experiment: str, metric: str, states: Mapping[str, str]) -> Run | Note:
    if not trial.is_dir():
        return Note(trial.name, "the folder of the trial is missing")
    notes: list[str] = []
    reports = list(_reports(trial, notes))
    params = _params(trial, reports)
    if isinstance(params, Note):
        return params
    state = states.get(trial.name)
    if state is not None:
        # A trial that failed and was repeated keeps the file of its error.
        status = _STATUS.get(state)
    elif any((trial / name).exists() for name in ("error.txt", "error.pkl")):
        status = ExperimentStatus.FAILED
    else:
        status = ExperimentStatus.COMPLETED if reports else None
    if status is None:
        return Note(trial.name, f"it has not ended: its status is {state}" if state else "it has no results")
    last = reports[-1] if reports else {}
    identity = last.get("trial_id", trial.name)
    return Run(
        locator=trial.name,
        identity=f"ray\0{experiment}\0{identity}",
        values={name: _value(value) for name, value in _flat(params).items() if value is not None},
        status=status,
        objective_value=_last_value(reports, metric, notes),
        metrics={
            name: number
            for name, value in last.items()
            if name != metric and name.split("/")[0] not in _OWN and (number := _number(value)) is not None
        },
        learning_curve=_curve(reports, metric),
        # A trial that ended before a full training, for example stopped by a scheduler, has its value at that
        # fidelity.
        fidelity=_number(last.get("training_iteration")),
        cost_seconds=_number(last.get("time_total_s")),
        worker_id=f"ray:{identity}",
        notes=tuple(notes),
    )


def _params(trial: Path, reports: list[Report]) -> dict[str, Any] | Note:
    """The configuration of a trial: from its file, or from its reports."""
    path = trial / "params.json"
    if path.is_file():
        params = _parsed(path.read_text(encoding="utf-8", errors="replace"))
        return params if isinstance(params, dict) else Note(f"{trial.name}/params.json", "it is not a JSON object")
    repeated = {
        name.removeprefix("config/"): value
        for name, value in (reports[-1] if reports else {}).items()
        if name.startswith("config/")
    }
    return repeated or Note(trial.name, "it has no params.json, and no report that repeats its configuration")


def _last_value(reports: list[Report], metric: str, notes: list[str]) -> float | None:
    """The last reported value of the objective, which need not be in the last report."""
    for back, report in enumerate(reversed(reports)):
        value = _number(report.get(metric))
        if value is None:
            continue
        if back:
            iteration = report.get("training_iteration", len(reports) - back)
            notes.append(f"the last report has no {metric!r}: its value is that of iteration {iteration}")
        return value
    return None


def _reports(trial: Path, notes: list[str]) -> Iterator[Report]:
    """The reports of a trial in order, inner names joined by "/"."""
    log = trial / "result.json"
    if log.is_file() and log.stat().st_size > 0:
        with log.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                report = _parsed(line)
                if isinstance(report, dict):
                    yield _flat(report)
                else:
                    notes.append(f"result.json:{number} is not a JSON object: left out")
        return
    progress = trial / "progress.csv"
    if progress.is_file():
        allow_long_cells()
        with progress.open(encoding="utf-8", errors="replace", newline="") as table:
            try:
                for row in csv.DictReader(table):
                    yield {name: plain_value(cell) for name, cell in row.items() if isinstance(cell, str) and cell}
            except csv.Error as error:
                notes.append(f"progress.csv is read to where it is no CSV any more ({error})")


def _curve(reports: list[Report], metric: str) -> tuple[CurvePoint, ...]:
    """Values by training iteration; of repeated iterations of a restored trial the last counts. One report is no
    curve.
    """
    points: dict[float, float] = {}
    for report in reports:
        iteration, value = _number(report.get("training_iteration")), _number(report.get(metric))
        if iteration is not None and value is not None:
            points[iteration] = value
    return tuple(CurvePoint(*point) for point in sorted(points.items())) if len(points) > 1 else ()


def _flat(content: Mapping[str, Any], prefix: str = "") -> Report:
    flat: Report = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}/"))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _value(value: Any) -> Value:
    """A list of a configuration (for example layer sizes) is a word."""
    plain = isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else json.dumps(value)


def _number(value: Any) -> float | None:
    """Texts are numbers only if they are not finite: Ray's CSV writes nan and inf."""
    if isinstance(value, str) and value.lower().lstrip("-") in ("nan", "inf"):
        return float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
