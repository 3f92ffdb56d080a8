"""What the texts of MLflow runs become, and what is no store of MLflow; none is needed for that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.history.mapping import mapping_of
from headstart.history.model import Run, UsageProblem
from headstart.history.sources import mlflow_runs


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
