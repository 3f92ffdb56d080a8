"""MLflow runs, written by MLflow itself, and Ray Tune folders, laid out as Ray 2 writes them, into a real service."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import headstart
from headstart.history import UsageProblem, run_export, run_import
from headstart.spaces import Categorical, Float, Integer
from headstart.values import ExperimentStatus

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")


@pytest.fixture(params=["file", "sqlite"])
def tracking_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store with five runs: three finished, one failed, one killed, and one that goes on."""
    import mlflow

    uri = (tmp_path / "mlruns").as_uri() if request.param == "file" else f"sqlite:///{tmp_path / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("dense", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment("dense")
    for index, status in enumerate(["FINISHED", "FINISHED", "FINISHED", "FAILED", "KILLED", None]):
        mlflow.start_run()
        mlflow.log_params(
            {"lr": 10.0 ** -(index + 1), "optimizer": "adam" if index % 2 else "sgd", "width": 32 * (index + 1)}
        )
        mlflow.log_params({"nesterov": index == 0, "seed": index})
        for step in range(3):
            mlflow.log_metric("val_accuracy", 0.1 * index + 0.2 * step, step=step)
        mlflow.log_metric("loss", math.nan if index == 1 else 0.5)
        mlflow.log_metric("parameter_count", 1000)
        if status:
            mlflow.end_run(status)
    yield uri
    mlflow.end_run()


def test_mlflow_runs_come_in_with_their_curves(
    client: headstart.Client, tracking_uri: str, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        """
        [task]
        direction = "maximize"
        fidelity_unit = "epoch"
        [columns]
        objective = "val_accuracy"
        seed = "seed"
        proxies = ["parameter_count"]
        """
    )
    task_id, space_id = unique_id("dense"), unique_id("dense")
    report = run_import(client, "mlflow", tracking_uri, mapping=mapping, task_id=task_id, space_id=space_id)
    assert (report.read_count, report.recorded_count, report.skipped_count) == (6, 5, 1)
    assert report.skipped[0].reason == "it has not ended: its status is RUNNING"
    assert [note.reason for note in report.amended] == ["metric 'loss' is nan: left out"]
    domains = {parameter.name: parameter.domain for parameter in report.spaces[0].parameters}
    assert domains == {
        "lr": Float(1e-5, 0.1, True),
        "optimizer": Categorical(("adam", "sgd")),
        "width": Integer(32, 160),
        "nesterov": Categorical((False, True)),
    }
    experiments = list(client.list_experiments(task_id, space_id))
    statuses = [experiment.outcome.status for experiment in experiments]
    assert statuses == [ExperimentStatus.COMPLETED] * 3 + [ExperimentStatus.FAILED, ExperimentStatus.STOPPED]
    second = experiments[1]
    assert second.candidate.values == {"lr": 0.01, "optimizer": "adam", "width": 64, "nesterov": False}
    assert second.outcome.objective_value == 0.1 * 1 + 0.2 * 2
    assert second.outcome.learning_curve == tuple(
        headstart.CurvePoint(float(step), 0.1 * 1 + 0.2 * step) for step in range(3)
    )
    assert (second.outcome.metrics, second.outcome.proxies) == ({}, {"parameter_count": 1000.0})
    assert second.outcome.seed == 1
    assert second.outcome.cost_seconds is not None
    assert second.worker_id.startswith("mlflow:")
    again = run_import(client, "mlflow", tracking_uri, mapping=mapping, task_id=task_id, space_id=space_id)
    assert (again.recorded_count, again.already_known_count) == (0, 5)


def test_mlflow_needs_a_store(client: headstart.Client, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no MLflow store"):
        run_import(client, "mlflow", str(tmp_path))
    with pytest.raises(UsageProblem, match="no MLflow store"):
        run_import(client, "mlflow", f"sqlite:///{tmp_path}/none.db", objective="loss", direction="minimize")
    assert not (tmp_path / "none.db").exists()


def write_trial(folder: Path, index: int, reports: list[dict[str, object]], *, error: bool = False) -> str:
    """A trial's folder as Ray 2 names and fills it."""
    config = {"lr": 10.0 ** -(index + 1), "model": {"layers": [64] * (index + 1), "dropout": 0.1 * index}}
    trial_id = f"4f2a1_{index:05d}"
    trial = folder / f"train_{trial_id}_{index}_lr={config['lr']}_2026-01-02_03-04-05"
    trial.mkdir(parents=True)
    (trial / "params.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    with (trial / "result.json").open("w") as log:
        for iteration, report in enumerate(reports, start=1):
            own = {
                "timestamp": 1767319445 + iteration,
                "checkpoint_dir_name": None,
                "done": False,
                "training_iteration": iteration,
                "trial_id": trial_id,
                "date": "2026-01-02_03-04-05",
                "time_this_iter_s": 1.5,
                "time_total_s": 1.5 * iteration,
                "pid": 4242,
                "hostname": "node",
                "node_ip": "127.0.0.1",
                "config": config,
                "time_since_restore": 1.5 * iteration,
                "iterations_since_restore": iteration,
                "experiment_tag": f"{index}_lr={config['lr']}",
            }
            log.write(json.dumps({**report, **own}) + "\n")
    if error:
        (trial / "error.txt").write_text("Failure # 1 (occurred at 2026-01-02_03-04-05)\nRuntimeError: out of memory\n")
    return trial.name


@pytest.fixture
def ray_results(tmp_path: Path) -> Path:
    folder = tmp_path / "train_2026-01-02_03-04-00"
    names = [
        write_trial(folder, 0, [{"accuracy": 0.1 * step, "inner": {"f1": 0.2}} for step in range(1, 5)]),
        write_trial(folder, 1, [{"accuracy": 0.3}, {"accuracy": 0.4}]),
        write_trial(folder, 2, [{"accuracy": 0.2}], error=True),
        write_trial(folder, 3, []),
    ]
    statuses = ["TERMINATED", "TERMINATED", "ERROR", "PENDING"]
    trial_data = [
        [json.dumps({"trial_id": name, "status": status, "relative_logdir": name}), "{}"]
        for name, status in zip(names, statuses, strict=True)
    ]
    state = {"trial_data": trial_data, "runner_data": {}, "stats": {}}
    (folder / "experiment_state-2026-01-02_03-04-05.json").write_text(json.dumps(state))
    (folder / "tuner.pkl").write_bytes(b"")
    with (folder / names[1] / "result.json").open("a") as log:
        log.write('{"accuracy": 0.5, "trai')
    return folder


def test_ray_tune_trials_come_in_without_ray(
    client: headstart.Client, ray_results: Path, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    task_id, space_id = unique_id("ray"), unique_id("ray")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text("[task]\nmax_fidelity = 4\n")
    report = run_import(
        client,
        "ray",
        str(ray_results),
        mapping=mapping,
        task_id=task_id,
        space_id=space_id,
        objective="accuracy",
        direction="maximize",
    )
    assert (report.read_count, report.recorded_count) == (4, 3)
    assert [note.reason for note in report.skipped] == ["it has not ended: its status is PENDING"]
    assert [note.reason for note in report.amended] == ["result.json:3 is not a JSON object: left out"]
    assert {parameter.name: parameter.domain for parameter in report.spaces[0].parameters} == {
        "lr": Float(10.0**-3, 0.1, True),
        "model/dropout": Float(0.0, 0.2),
        "model/layers": Categorical(("[64, 64, 64]", "[64, 64]", "[64]")),
    }
    first, second, third = (e.outcome for e in client.list_experiments(task_id, space_id))
    assert (first.status, first.objective_value, first.fidelity) == (ExperimentStatus.COMPLETED, 0.4, 4.0)
    assert first.learning_curve == tuple(headstart.CurvePoint(float(step), 0.1 * step) for step in range(1, 5))
    assert (first.metrics, first.cost_seconds) == ({"inner/f1": 0.2}, 6.0)
    # Stopped by the scheduler after two of four iterations: not a full training, so no incumbent.
    assert (second.objective_value, second.fidelity) == (0.4, 2.0)
    assert third.status is ExperimentStatus.FAILED
    assert client.get_task(task_id).summaries[0].completed_count == 1
    run_export(client, task_ids=[task_id], format="jsonl", output=tmp_path / "out.jsonl")
    restored = run_import(client, "export", str(tmp_path / "out.jsonl"))
    assert (restored.recorded_count, restored.already_known_count) == (0, 3)


def test_ray_folders_without_state_or_log_are_read_from_what_is_there(
    client: headstart.Client, ray_results: Path
) -> None:
    next(ray_results.glob("experiment_state-*")).unlink()
    first = min(ray_results.glob("train_*"))
    (first / "result.json").unlink()
    (first / "progress.csv").write_text("accuracy,training_iteration,time_total_s\n0.1,1,1.5\nnan,2,3.0\n0.6,3,4.5\n")
    report = run_import(client, "ray", str(ray_results), objective="accuracy", direction="maximize", dry_run=True)
    assert (report.read_count, report.recorded_count) == (4, 3)
    assert [note.reason for note in report.skipped] == ["it has no results"]
    assert report.tasks[0].task_id == "train-2026-01-02-03-04-00"
    assert "1 points of the learning curve" in report.amended[0].reason
