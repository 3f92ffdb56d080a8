"""What the texts of MLflow runs become, and what is no store of MLflow; none is needed for that."""

from __future__ import annotations

import math
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.history.importing import _derived
from headstart.history.mapping import mapping_of
from headstart.history.model import Note, Run, UsageProblem
from headstart.history.sources import Request, SourceHistory, mlflow_runs
from headstart.values import Direction


def test_a_parameter_with_a_type_keeps_its_text() -> None:
    info = SimpleNamespace(run_id="r1", status="FINISHED", start_time=0, end_time=1000)
    data = SimpleNamespace(params={"arch": "12e4", "width": "64"}, metrics={})
    store: Any = None
    mapping = mapping_of({"convert": {"arch": {"type": "text"}}})
    run = mlflow_runs._run(store, SimpleNamespace(info=info, data=data), "acc", mapping, "")
    assert isinstance(run, Run)
    assert run.values == {"arch": "12e4", "width": 64}


def test_what_is_no_store_of_mlflow_stays_as_it_is(tmp_path: Path) -> None:
    database, folder = tmp_path / "study.db", tmp_path / "folder"
    folder.mkdir()
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.commit()
    before = database.read_bytes()
    for path in (database, folder):
        for location in (str(path), f"sqlite:///{path}" if path.is_file() else path.as_uri()):
            with pytest.raises(UsageProblem, match="is no MLflow store"):
                mlflow_runs._client(location)
    assert (database.read_bytes(), list(folder.iterdir())) == (before, [])


def test_a_store_that_stops_answering_is_an_error_of_reading() -> None:
    def broken(**options: Any) -> None:
        raise RuntimeError("the database is gone")

    with pytest.raises(OSError, match="the database is gone"):
        list(mlflow_runs._pages(broken))


def mlflow_run(run_id: str, params: dict[str, str], metrics: dict[str, float], parent: str = "") -> Any:
    info = SimpleNamespace(run_id=run_id, status="FINISHED", start_time=0, end_time=1000)
    tags = {"mlflow.parentRunId": parent} if parent else {}
    return SimpleNamespace(info=info, data=SimpleNamespace(params=params, metrics=metrics, tags=tags))


class Page(list[Any]):
    token = ""


def history_of(monkeypatch: pytest.MonkeyPatch, runs: list[Any], objective: str | None = "acc") -> SourceHistory:
    """What is opened where MLflow has one experiment with these runs."""
    store = SimpleNamespace(
        search_experiments=lambda **asked: Page([SimpleNamespace(name="dense", experiment_id="1")]),
        search_runs=lambda ids, **asked: Page(runs),
        get_metric_history=lambda run_id, metric: [],
    )
    monkeypatch.setattr(mlflow_runs, "_client", lambda location: store)
    return mlflow_runs.open_history(Request("mlflow", "there", objective=objective, direction=Direction.MAXIMIZE))


@pytest.mark.parametrize("own", [{}, {"n_trials": "2"}])
def test_a_parent_run_is_no_candidate_and_does_not_shape_the_space(
    monkeypatch: pytest.MonkeyPatch, own: dict[str, str]
) -> None:
    parent = mlflow_run("p", own, {"acc": 0.9})
    children = [mlflow_run(f"c{rate}", {"lr": rate}, {"acc": 0.5}, parent="p") for rate in ("0.1", "0.2")]
    history = history_of(monkeypatch, [parent, *children])
    space, count = _derived(history, "dense")
    assert [parameter.name for parameter in space.parameters] == ["lr"]
    assert count == 3
    skipped = [entry for entry in history.runs() if isinstance(entry, Note)]
    assert [note.locator for note in skipped] == ["run p"]


def test_a_parent_that_has_the_parameters_of_its_folds_is_a_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = mlflow_run("p", {"lr": "0.1"}, {"acc": 0.9})
    history = history_of(monkeypatch, [parent, mlflow_run("fold", {}, {"acc": 0.8}, parent="p")])
    assert all(isinstance(entry, Run) for entry in history.runs())
    space, _ = _derived(history, "dense")
    assert [parameter.name for parameter in space.parameters] == ["lr"]


def test_the_largest_number_stands_for_infinity(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = sys.float_info.max
    run = mlflow_run("r", {"lr": "0.1"}, {"acc": -largest, "loss": largest, "size": 1e300})
    (read,) = history_of(monkeypatch, [run]).runs()
    assert isinstance(read, Run)
    assert (read.objective_value, dict(read.metrics)) == (-math.inf, {"loss": math.inf, "size": 1e300})
    points = [SimpleNamespace(step=step, timestamp=step, value=value) for step, value in ((1, largest), (2, 0.5))]
    assert mlflow_runs._curve(points)[0].value == math.inf


def test_who_names_no_metric_is_told_the_option_and_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageProblem, match=r"--objective METRIC; there are: acc, loss$"):
        history_of(monkeypatch, [mlflow_run("r", {"lr": "0.1"}, {"loss": 1, "acc": 0})], objective=None)
