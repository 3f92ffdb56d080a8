"""A real Optuna study into a real service, and out again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

import headstart
from headstart.history import UsageProblem, run_import
from headstart.values import ExperimentStatus

optuna.logging.set_verbosity(optuna.logging.WARNING)

STATUS = {
    "COMPLETE": ExperimentStatus.COMPLETED,
    "FAIL": ExperimentStatus.FAILED,
    "PRUNED": ExperimentStatus.STOPPED,
}


@pytest.fixture
def client(shared_service: Any) -> Iterator[headstart.Client]:
    with headstart.connect(shared_service.address) as client:
        yield client


def objective(trial: optuna.Trial) -> float:
    """Every kind of distribution, parameters that are there only sometimes, curves, failed and pruned trials."""
    learning_rate = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 3)
    for layer in range(layers):
        trial.suggest_int(f"units_{layer}", 4, 256, log=True)
    trial.suggest_int("heads", 2, 10, step=2)
    trial.suggest_float("dropout", 0.0, 0.5, step=0.1)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", None])
    if optimizer == "sgd":
        trial.suggest_float("momentum", 0.0, 0.99)
    trial.suggest_categorical("batch", [32, 64, 128])
    trial.suggest_categorical("amsgrad", [True, False])
    trial.set_user_attr("parameters", 1000 * layers)
    trial.set_user_attr("note", "words are left out")
    if trial.number % 7 == 5:
        raise RuntimeError("out of memory")
    value = math.log10(learning_rate)
    for step in range(4):
        trial.report(value * (step + 1) / 4, step)
        if trial.number % 5 == 3 and step == 2:
            raise optuna.TrialPruned
    return value


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'study.db'}"


@pytest.fixture(scope="module")
def study(storage: str) -> optuna.Study:
    study = optuna.create_study(
        storage=storage,
        study_name="CIFAR 10, dense",
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=1),
    )
    study.optimize(objective, n_trials=40, catch=RuntimeError)
    return study


def expected_outcome(trial: optuna.trial.FrozenTrial) -> headstart.Outcome:
    return headstart.Outcome(
        status=STATUS[trial.state.name],
        objective_value=trial.value,
        metrics={"parameters": float(trial.user_attrs["parameters"])},
        learning_curve=tuple(
            headstart.CurvePoint(float(step), value) for step, value in sorted(trial.intermediate_values.items())
        ),
        fidelity=2.0 if trial.state.name == "PRUNED" else None,
        cost_seconds=trial.duration.total_seconds() if trial.duration else None,
    )


def test_a_study_comes_in_whole_and_only_once(
    client: headstart.Client, study: optuna.Study, storage: str, unique_id: Callable[[str], str]
) -> None:
    task_id, space_id = unique_id("cifar"), unique_id("dense")
    done: list[tuple[int, int | None]] = []
    report = run_import(
        client,
        "optuna",
        storage,
        task_id=task_id,
        space_id=space_id,
        chunk_size=7,
        progress=lambda count, total: done.append((count, total)),
    )
    assert (report.read_count, report.recorded_count, report.skipped) == (40, 40, ())
    assert report.exit_code == 0
    assert done[-1] == (40, 40)
    experiments = list(client.list_experiments(task_id, space_id))
    for experiment, trial in zip(experiments, study.trials, strict=True):
        params = {name: "None" if value is None else value for name, value in trial.params.items()}
        assert experiment.candidate.values == params
        assert experiment.outcome == expected_outcome(trial)
        assert experiment.worker_id == f"optuna:CIFAR 10, dense#{trial.number}"
    task = client.get_task(task_id)
    assert task.objective == headstart.Objective("value", headstart.Direction.MAXIMIZE)
    assert task.summaries[0].incumbent is not None
    assert task.summaries[0].incumbent.objective_value == study.best_value

    again = run_import(client, "optuna", storage, task_id=task_id, space_id=space_id)
    assert (again.recorded_count, again.already_known_count) == (0, 40)
    assert len(list(client.list_experiments(task_id, space_id))) == 40
