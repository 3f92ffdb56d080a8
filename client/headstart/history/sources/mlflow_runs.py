"""Reads the runs of MLflow experiments: parameters, last metrics, and the history of the objective as learning curve.

Parameters are texts in MLflow; what reads as a number or truth value is one.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.history.locations import local_path, removed_after, removed_with, sqlite_url
from headstart.history.mapping import Mapped
from headstart.history.model import MissingExtra, Note, Run, UsageProblem
from headstart.history.selection import mapping_for, objective_named, selected, task_for, text_value
from headstart.history.sources import Request, SourceHistory, chosen, listed
from headstart.packages import is_installed
from headstart.values import CurvePoint, ExperimentStatus

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_STATUS = {
    "FINISHED": ExperimentStatus.COMPLETED,
    "FAILED": ExperimentStatus.FAILED,
    "KILLED": ExperimentStatus.STOPPED,
}

_PAGE = 1000


def open_history(request: Request) -> SourceHistory:
    """Raises UsageProblem."""
    mapping = mapping_for(request)
    client = _client(request.location)
    experiments = {experiment.name: experiment.experiment_id for experiment in _pages(client.search_experiments)}
    if not request.studies:
        # Every store has it, even if it is not used.
        default = experiments.get("Default")
        if default is not None and not _asked(client.search_runs, [default], max_results=1):
            del experiments["Default"]
    names = chosen(sorted(experiments), request.studies, "MLflow experiment")

    metric = objective_named(request, mapping, lambda: _metrics(client, [experiments[name] for name in names]))
    task = task_for(request, mapping, metric, "", "step")

    def runs() -> Iterator[Run | Note]:
        for name in names:
            order = ["attributes.start_time ASC"]
            parents = _parents(_pages(client.search_runs, [experiments[name]]))
            for run in _pages(client.search_runs, [experiments[name]], order_by=order):
                if parents.get(run.info.run_id, set()) - run.data.params.keys():
                    yield Note(f"run {run.info.run_id}", "it is the parent of other runs, which have the parameters")
                    continue
                yield _run(client, run, metric, mapping, task_name=name if len(names) > 1 else "")

    description = f"MLflow experiment {listed(names)}"
    return selected(
        SourceHistory(
            name=names[0],
            task=replace(task, description=task.description or description),
            runs=runs,
            space_description=f"From {description}",
            texts=True,
        ),
        mapping,
    )


def _client(location: str) -> MlflowClient:
    """A client for a tracking URI, a folder of the file store or an SQLite file. Never creates a missing store."""
    # Since 3.8 the file store must be enabled by name.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if not is_installed("mlflow"):
        raise MissingExtra("reading MLflow runs", "mlflow")
    from mlflow.tracking import MlflowClient

    uri, path = location, local_path(location)
    if path is not None:
        if not path.exists():
            raise UsageProblem(f"there is no MLflow store at {location}")
        if not _is_store(path):
            raise UsageProblem(f"{location} is no MLflow store")
        uri = sqlite_url(path) if path.is_file() else path.resolve().as_uri()
    try:
        # A store creates folders when it is opened: for artifacts here, and one for deleted runs.
        with removed_after(Path("mlruns")):
            client = MlflowClient(tracking_uri=uri)
            if path is not None and path.is_dir():
                removed_with(client, path / ".trash")
            client.search_experiments(max_results=1)
    except Exception as error:
        reason = " ".join(str(error).split())[:500]
        raise UsageProblem(f"{location} cannot be read as an MLflow store: {reason}") from error
    return client


def _is_store(path: Path) -> bool:
    """Whether MLflow has written it: in any other database it would create its tables."""
    if path.is_dir():
        return any(path.glob("*/meta.yaml"))
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except sqlite3.Error:
        return False
    return {("experiments",), ("alembic_version",)} <= set(tables)


def _asked(ask: Any, *arguments: Any, **options: Any) -> Any:
    """Raises OSError if the store does not answer, whatever the cause."""
    try:
        return ask(*arguments, **options)
    except Exception as error:
        reason = " ".join(str(error).split())[:500]
        raise OSError(f"the MLflow store cannot be read: {reason}") from error


def _pages(search: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
    token = None
    while True:
        page = _asked(search, *arguments, max_results=_PAGE, page_token=token, **options)
        yield from page
        token = page.token
        if not token:
            return


def _parents(runs: Iterable[Any]) -> dict[str, set[str]]:
    """Parameters of the runs below a run, by the id of that run."""
    of_children: dict[str, set[str]] = {}
    for run in runs:
        parent = run.data.tags.get("mlflow.parentRunId")
        if parent:
            of_children.setdefault(parent, set()).update(run.data.params)
    return of_children


def _metrics(client: MlflowClient, experiment_ids: list[str]) -> Iterator[str]:
    """The metrics of the first runs."""
    for run in _asked(client.search_runs, experiment_ids, max_results=20):
        yield from run.data.metrics


def _run(client: MlflowClient, run: Any, metric: str, mapping: Mapped, task_name: str) -> Run | Note:
    locator = f"run {run.info.run_id}"
    status = _STATUS.get(run.info.status)
    if status is None:
        return Note(locator, f"it has not ended: its status is {run.info.status}")
    metrics = {name: _number(value) for name, value in run.data.metrics.items()}
    value = metrics.pop(metric, None)
    begin, end = run.info.start_time, run.info.end_time
    return Run(
        locator=locator,
        identity=f"mlflow\0{run.info.run_id}",
        values={name: text_value(text, name, mapping) for name, text in run.data.params.items()},
        status=status,
        objective_value=value,
        metrics=metrics,
        learning_curve=() if value is None else _curve(_asked(client.get_metric_history, run.info.run_id, metric)),
        cost_seconds=(end - begin) / 1000 if begin is not None and end is not None else None,
        worker_id=f"mlflow:{run.info.run_id}",
        task_name=task_name,
    )


def _curve(history: list[Any]) -> tuple[CurvePoint, ...]:
    """Values by step, the last of each step; a single value is no curve."""
    latest = {point.step: point.value for point in sorted(history, key=lambda point: (point.step, point.timestamp))}
    if len(latest) < 2:
        return ()
    return tuple(CurvePoint(float(step), _number(value)) for step, value in sorted(latest.items()))


def _number(value: float) -> float:
    """SQL stores keep infinity as the largest number."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)
