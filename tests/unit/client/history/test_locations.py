"""The places of a history in the ways that tools and people write them; reading makes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from headstart.history.locations import local_path
from headstart.history.model import UsageProblem
from headstart.history.sources import Request, mlflow_runs, optuna_storage
from headstart.values import Direction

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("runs", "runs"),
        ("file:runs", "runs"),
        ("file:{here}/my runs", "{here}/my runs"),
        ("file://{here}/my%20runs", "{here}/my runs"),
        ("file://localhost{here}/my%20runs", "{here}/my runs"),
        ("what?", "what?"),
        ("my%20literal", "my%20literal"),
        ("file:my%20literal", "my%20literal"),
        ("sqlite:///x.db?timeout=60", "x.db"),
        ("sqlite+pysqlite:///x.db", "x.db"),
        ("sqlite:///{here}/odd?.db", "{here}/odd?.db"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "x.db"),
        ("sqlite:///none.db?timeout=60", "none.db"),
    ],
)
def test_a_place_is_the_same_however_it_is_written(folder: Path, location: str, path: str) -> None:
    for name in ("runs", "my runs", "what?", "my%20literal"):
        (folder / name).mkdir()
    for name in ("x.db", "odd?.db"):
        (folder / name).touch()
    assert local_path(location.format(here=folder)) == Path(path.format(here=folder))


def test_a_url_of_a_server_is_no_path() -> None:
    assert local_path("http://tracking:5000") is None
    assert local_path("postgresql://db/optuna") is None


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(params=["my runs", "what?", "a%20b"])
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param
    import mlflow

    mlflow.end_run()


def read_mlflow(location: str) -> int:
    request = Request("mlflow", location, objective="acc", direction=Direction.MAXIMIZE)
    return len(list(mlflow_runs.open_history(request).runs()))


def logged(uri: str, artifacts: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("dense", artifact_location=artifacts.as_uri()))
    client.log_param(run.info.run_id, "lr", "0.1")
    client.log_metric(run.info.run_id, "acc", 0.5)
    client.set_terminated(run.info.run_id)


def test_an_mlflow_folder_of_any_name_is_read_and_left_as_it_is(folder: Path, name: str) -> None:
    logged((folder / name).as_uri(), folder / "artifacts")
    (folder / name / ".trash").rmdir()
    before = everything(folder)
    for location in (name, f"file:{name}", f"file:{folder / name}", (folder / name).as_uri()):
        assert read_mlflow(location) == 1
    assert everything(folder) == before


def test_an_mlflow_database_of_any_name_is_read_and_left_as_it_is(folder: Path, name: str) -> None:
    logged(f"sqlite:///{folder / 'plain.db'}", folder / "artifacts")
    (folder / "plain.db").rename(folder / name)
    shutil.rmtree(folder / "mlruns", ignore_errors=True)
    before = everything(folder)
    for location in (name, f"sqlite:///{name}", f"sqlite:///{folder / name}", f"sqlite:///{folder / name}?timeout=60"):
        assert read_mlflow(location) == 1
    assert everything(folder) == before
    with pytest.raises(UsageProblem, match="there is no MLflow store"):
        read_mlflow("sqlite:///none.db?timeout=60")
    assert everything(folder) == before


def test_an_optuna_database_of_any_name_is_read_and_left_as_it_is(folder: Path, name: str) -> None:
    study = optuna.create_study(storage=f"sqlite:///{folder / 'plain.db'}", study_name="study")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    (folder / "plain.db").rename(folder / name)
    before = everything(folder)
    for location in (name, f"sqlite:///{name}", f"sqlite:///{folder / name}?timeout=60"):
        assert len(list(optuna_storage.open_history(Request("optuna", location)).runs())) == 1
    for location in ("none.db", "sqlite:///none.db?timeout=60", "sqlite+pysqlite:///none.db"):
        with pytest.raises(UsageProblem, match="there is no Optuna storage"):
            optuna_storage.open_history(Request("optuna", location))
    assert everything(folder) == before
