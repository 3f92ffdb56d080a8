"""A real Optuna study into a real service, out of it, and into the service again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

import headstart
from headstart.history import UsageProblem, run_export, run_import
from headstart.history.formats import format_of
from headstart.spaces import Categorical, Condition, Float, Integer
from headstart.values import ExperimentStatus

optuna.logging.set_verbosity(optuna.logging.CRITICAL)

STATUS = {
    "COMPLETE": ExperimentStatus.COMPLETED,
    "FAIL": ExperimentStatus.FAILED,
    "PRUNED": ExperimentStatus.STOPPED,
}


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
    if trial.number % 3 == 1:
        trial.suggest_float("label_smoothing", 0.0, 0.2)
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
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(storage=storage, study_name="CIFAR 10, dense", direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=40, catch=RuntimeError)
    return study


def values_of(trial: optuna.trial.FrozenTrial) -> dict[str, object]:
    values = {name: "None" if value is None else value for name, value in trial.params.items()}
    return {**values, "has_label_smoothing": "label_smoothing" in values}


def outcome_of(trial: optuna.trial.FrozenTrial) -> headstart.Outcome:
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


def content(experiment: headstart.Experiment) -> headstart.Experiment:
    """All that an export is to bring back."""
    return replace(experiment, experiment_id=str(experiment.sequence), record_time=None)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_study_comes_in_goes_out_and_is_the_same(
    client: headstart.Client,
    study: optuna.Study,
    storage: str,
    unique_id: Callable[[str], str],
    tmp_path: Path,
    format: str,
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
    assert (report.read_count, report.recorded_count, report.skipped, report.amended) == (40, 40, (), ())
    assert done[-1] == (40, 40)

    exported = run_export(client, task_ids=[task_id], format=format, output=tmp_path / "history")
    assert (exported.space_count, exported.task_count, exported.experiment_count) == (1, 1, 40)
    contents = format_of(tmp_path / "history").read(tmp_path / "history")
    experiments = [entry[1] for entry in contents.experiments if isinstance(entry, tuple)]
    for experiment, trial in zip(experiments, study.trials, strict=True):
        assert experiment.candidate.values == values_of(trial)
        assert experiment.outcome == outcome_of(trial)
        assert experiment.worker_id == f"optuna:CIFAR 10, dense#{trial.number}"
    assert experiments == list(client.list_experiments(task_id, space_id))
    task = client.get_task(task_id)
    assert contents.tasks == (replace(task, create_time=None, update_time=None, summaries=()),)
    assert task.objective == headstart.Objective("value", headstart.Direction.MAXIMIZE)
    assert task.summaries[0].incumbent is not None
    assert task.summaries[0].incumbent.objective_value == study.best_value

    client.delete_task(task_id)
    restored = run_import(client, "export", str(tmp_path / "history"))
    assert (restored.recorded_count, restored.skipped) == (40, ())
    again = list(client.list_experiments(task_id, space_id))
    assert [content(experiment) for experiment in again] == [content(experiment) for experiment in experiments]
    assert replace(client.get_task(task_id), create_time=None, update_time=None) == replace(
        task, create_time=None, update_time=None
    )


def test_the_space_is_that_of_the_distributions(
    client: headstart.Client, study: optuna.Study, storage: str, unique_id: Callable[[str], str]
) -> None:
    report = run_import(
        client, "optuna", storage, task_id=unique_id("cifar"), space_id=unique_id("dense"), dry_run=True
    )
    declared = {parameter.name: (parameter.domain, parameter.condition) for parameter in report.spaces[0].parameters}
    assert declared == {
        "lr": (Float(1e-5, 1e-1, True), None),
        "layers": (Integer(1, 3), None),
        "units_0": (Integer(4, 256, True), None),
        "units_1": (Integer(4, 256, True), Condition("layers", (2, 3))),
        "units_2": (Integer(4, 256, True), Condition("layers", (3,))),
        "heads": (Categorical((2, 4, 6, 8, 10)), None),
        "dropout": (Categorical((0.0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5)), None),
        "optimizer": (Categorical(("sgd", "adam", "None")), None),
        "momentum": (Float(0.0, 0.99), Condition("optimizer", ("sgd",))),
        "batch": (Categorical((32, 64, 128)), None),
        "amsgrad": (Categorical((True, False)), None),
        "has_label_smoothing": (Categorical((False, True)), None),
        "label_smoothing": (Float(0.0, 0.2), Condition("has_label_smoothing", (True,))),
    }


def test_a_second_import_records_what_is_new_and_nothing_twice(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    journal = tmp_path / "journal.log"
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="growing")
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=5)
    task_id, space_id = unique_id("growing"), unique_id("line")
    first = run_import(client, "optuna", str(journal), task_id=task_id, space_id=space_id)
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=3)
    study.ask()
    second = run_import(client, "optuna", str(journal), task_id=task_id, space_id=space_id)
    assert (first.recorded_count, second.recorded_count, second.already_known_count) == (5, 3, 5)
    assert [(note.locator, note.reason) for note in second.skipped] == [
        ("study 'growing', trial 8", "it has not ended: its state is RUNNING")
    ]
    assert second.exit_code == 1
    assert len(list(client.list_experiments(task_id, space_id))) == 8


def test_the_caller_says_which_of_several_objectives_counts(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'two.db'}"
    study = optuna.create_study(storage=storage, study_name="two", directions=["maximize", "minimize"])
    study.set_metric_names(["accuracy", "latency"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 2.0), n_trials=3)
    task_id, space_id = unique_id("two"), unique_id("line")
    with pytest.raises(UsageProblem, match=r"0 \(accuracy\), 1 \(latency\)"):
        run_import(client, "optuna", storage, task_id=task_id, space_id=space_id)
    run_import(client, "optuna", storage, task_id=task_id, space_id=space_id, objective="latency")
    assert client.get_task(task_id).objective == headstart.Objective("latency", headstart.Direction.MINIMIZE)
    outcomes = [experiment.outcome for experiment in client.list_experiments(task_id, space_id)]
    assert [outcome.objective_value for outcome in outcomes] == [2.0] * 3
    assert [outcome.metrics["accuracy"] for outcome in outcomes] == [trial.values[0] for trial in study.trials]


def test_one_study_of_many_is_named(client: headstart.Client, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'many.db'}"
    for name in ("a", "b"):
        optuna.create_study(storage=storage, study_name=name)
    with pytest.raises(UsageProblem, match="name the Optuna study to import; there are: a, b"):
        run_import(client, "optuna", storage)
    with pytest.raises(UsageProblem, match="no Optuna study 'c'"):
        run_import(client, "optuna", storage, studies=["c"])
    with pytest.raises(UsageProblem, match="no Optuna storage"):
        run_import(client, "optuna", f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_an_existing_space_is_used_and_holds_what_goes_in(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'wide.db'}"
    study = optuna.create_study(storage=storage, study_name=unique_id("wide"))
    for x in (0.5, 3.0):
        study.enqueue_trial({"x": x})
    study.optimize(lambda trial: trial.suggest_float("x", 0, 5), n_trials=2)
    space = headstart.SearchSpace(unique_id("narrow"), (headstart.Parameter("x", Float(0.0, 1.0)),))
    client.create_search_space(space)
    report = run_import(client, "optuna", storage, task_id=unique_id("wide"), space_id=space.search_space_id)
    assert report.spaces == (space,)
    assert report.recorded_count == 1
    assert [note.reason for note in report.skipped] == ["values[x]: 3.0 is outside 0.0 to 1.0"]
    # Without a name the derived space takes the study's, which is then there with another declaration.
    client.create_search_space(replace(space, search_space_id=study.study_name))
    with pytest.raises(UsageProblem, match="exists with another declaration"):
        run_import(client, "optuna", storage)


def test_several_studies_share_a_space_and_keep_their_tasks(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'several.db'}"
    names = [unique_id("first"), unique_id("second")]
    for name, width in zip(names, (1.0, 2.0), strict=True):
        study = optuna.create_study(storage=storage, study_name=name)
        study.optimize(lambda trial, width=width: trial.suggest_float("x", 0, width), n_trials=4)
    space_id, joined = unique_id("line"), unique_id("joined")
    report = run_import(client, "optuna", storage, studies=names, space_id=space_id)
    assert [task.task_id for task in report.tasks] == names
    assert report.spaces[0].parameters == (headstart.Parameter("x", Float(0.0, 2.0)),)
    assert [len(list(client.list_experiments(name, space_id))) for name in names] == [4, 4]
    run_import(client, "optuna", storage, studies=names, space_id=space_id, task_id=joined)
    assert len(list(client.list_experiments(joined, space_id))) == 8
