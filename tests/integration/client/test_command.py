"""The ``headstart`` command against a real service."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.cli import main
from headstart.spaces import SearchSpace, mlp_classifier, nas_bench_201, sample
from headstart.values import CurvePoint, ExperimentStatus, Outcome

Run = Callable[..., tuple[int, str, str]]

COMMANDS = (
    *(
        "tasks",
        "task",
        "spaces",
        "space",
        "experiments",
        "experiment",
        "predictor",
        "suggest",
        "explain",
        "transfer",
        "strategies",
    ),
    *("similar", "clusters", "import", "export", "delete-task"),
)

# The service is shared: other tests leave tasks and spaces of their own.
ALL = ("--limit", "5000")


@pytest.fixture
def run(shared_service: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["--address", shared_service.address, *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def names(shared_service: Any, unique_id: Callable[[str], str]) -> tuple[str, str]:
    """A task and a space with six results: 0, 0.1, ..., 0.5, with 10, 20, ..., 60 parameters."""
    task_id, space_id = unique_id("digits"), unique_id("mlp")
    space = replace(mlp_classifier(), search_space_id=space_id)
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy"), "Handwritten digits"))
        record_some(client, task_id, space, 6)
    return task_id, space_id


def record_some(client: headstart.Client, task_id: str, space: SearchSpace, count: int) -> None:
    generator = random.Random(0)
    for index in range(count):
        outcome = headstart.completed(index / 10, proxies={"parameters": 10.0 * (index + 1)})
        client.record(task_id, space.search_space_id, sample(space, generator), outcome, worker_id="w1")


def sequences(told: str) -> list[int]:
    """Of the experiments in a table."""
    return [int(line.split()[0]) for line in told.splitlines()[1:]]


def test_help_names_every_command(run: Run) -> None:
    code, told, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f" {command} " in told
        assert run(command, "--help")[0] == 0


def test_tables(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    code, told, _ = run("tasks", *ALL)
    assert code == 0 and "EXPERIMENTS" in told
    assert any(line.split()[:5] == [task_id, "maximize", "accuracy", "6", "0.5"] for line in told.splitlines())
    code, told, _ = run("task", task_id)
    assert code == 0 and "Handwritten digits" in told and f"{task_id}/{space_id}/6" in told
    code, told, _ = run("spaces", *ALL)
    assert code == 0 and space_id in told
    code, told, _ = run("space", space_id)
    assert code == 0 and any(line.split()[:2] == ["learning_rate", "float"] for line in told.splitlines())
    code, told, _ = run("experiments", task_id, space_id, "--limit", "4")
    assert code == 0 and len(told.splitlines()) == 5 and "learning_rate=" in told and "w1" in told
    code, told, _ = run("suggest", task_id, space_id, "-n", "3")
    assert code == 0 and "ORIGIN" in told and "learning_rate=" in told


def test_json_has_the_same_ids_as_the_table(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    for command, of_many, id_field in (
        ("tasks", "tasks", "task_id"),
        ("spaces", "search_spaces", "search_space_id"),
    ):
        code, told, _ = run(command, *ALL, "--json")
        ids = [each[id_field] for each in json.loads(told)[of_many]]
        assert code == 0 and ids and ids == [line.split()[0] for line in run(command, *ALL)[1].splitlines()[1:]]
    code, told, _ = run("experiments", task_id, "--json")
    ids = [json.loads(line)["experiment_id"] for line in told.splitlines()]
    assert ids == [line.split()[0] for line in run("experiments", task_id)[1].splitlines()[1:]]
    assert ids == [f"{task_id}/{space_id}/{sequence}" for sequence in range(1, 7)]


def test_json_of_one_is_what_the_client_gets(run: Run, names: tuple[str, str], shared_service: Any) -> None:
    task_id, space_id = names
    with headstart.connect(shared_service.address) as client:
        experiment = client.get_experiment(f"{task_id}/{space_id}/2")
        told = json.loads(run("experiment", experiment.experiment_id, "--json")[1])
        assert told["candidate"]["values"] == experiment.candidate.values
        assert told["outcome"]["status"] == "COMPLETED" and told["outcome"]["objective_value"] == 0.1
        assert datetime.fromisoformat(told["record_time"]) == experiment.record_time
        task = json.loads(run("task", task_id, "--json")[1])
        assert task["summaries"][0]["incumbent"]["experiment_id"] == f"{task_id}/{space_id}/6"
        space = json.loads(run("space", space_id, "--json")[1])
        names_of = [parameter.name for parameter in client.get_search_space(space_id).parameters]
        assert [parameter["name"] for parameter in space["parameters"]] == names_of
    answer = json.loads(run("suggest", task_id, space_id, "-n", "2", "--json")[1])
    assert len(answer["suggestions"]) == 2 and answer["suggestions"][0]["origin"] in {"GENERATED", "EXPLORATION"}


def test_numbers_that_json_has_not_are_strings(run: Run, names: tuple[str, str], shared_service: Any) -> None:
    task_id, space_id = names
    with headstart.connect(shared_service.address) as client:
        candidate = client.get_experiment(f"{task_id}/{space_id}/1").candidate
        diverged = Outcome(ExperimentStatus.FAILED, math.nan, learning_curve=(CurvePoint(1, -math.inf),))
        experiment_id = client.record(task_id, space_id, candidate, diverged).experiment_id
    outcome = json.loads(run("experiment", experiment_id, "--json")[1])["outcome"]
    assert outcome["objective_value"] == "NaN" and outcome["learning_curve"] == [
        {"fidelity": 1.0, "value": "-Infinity"}
    ]
    assert outcome["fidelity"] is None


def test_filters_and_orders_of_experiments(run: Run, names: tuple[str, str], shared_service: Any) -> None:
    task_id, space_id = names
    with headstart.connect(shared_service.address) as client:
        third = client.get_experiment(f"{task_id}/{space_id}/3")
        client.record(task_id, space_id, third.candidate, Outcome(ExperimentStatus.FAILED))

    def of(*options: str) -> list[int]:
        code, told, problem = run("experiments", task_id, space_id, *options)
        assert code == 0, problem
        return sequences(told)

    assert of() == [1, 2, 3, 4, 5, 6, 7]
    assert of("--status", "failed") == [7]
    assert of("--status", "failed", "--status", "completed", "--descending") == [7, 6, 5, 4, 3, 2, 1]
    assert of("--min", "0.15", "--max", "0.4") == [3, 4, 5]
    assert of("--sort", "value", "--descending", "--limit", "2") == [6, 5]
    assert of("--proxy", "parameters=25..40") == [3, 4]
    assert of("--proxy", "parameters=..40", "--min", "0.3") == [4]
    assert of("--nodes", "1..") == []
    assert of("--nodes", "0") == [1, 2, 3, 4, 5, 6, 7]
    assert third.record_time is not None
    moment = third.record_time.isoformat()
    assert of("--since", moment) == [3, 4, 5, 6, 7]
    assert of("--until", moment) == [1, 2]
    assert of("--since", (datetime.now(UTC) + timedelta(days=1)).date().isoformat()) == []


def test_experiments_of_all_tasks_come_by_time(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    code, told, _ = run("experiments", "--descending", "--limit", "6")
    newest = [line.split()[0] for line in told.splitlines()[1:]]
    assert code == 0 and newest == [f"{task_id}/{space_id}/{sequence}" for sequence in (6, 5, 4, 3, 2, 1)]


def test_a_list_that_was_cut_unasked_says_so_beside_it(run: Run, names: tuple[str, str], shared_service: Any) -> None:
    with headstart.connect(shared_service.address) as client:
        record_some(client, names[0], client.get_search_space(names[1]), 44)
        for form in ((), ("--json",)):
            code, told, said = run("experiments", *names, *form)
            assert (code, len(told.splitlines()), said) == (0, 51 - len(form), "")
        record_some(client, names[0], client.get_search_space(names[1]), 1)
    for form in ((), ("--json",)):
        code, told, said = run("experiments", *names, *form)
        assert (code, len(told.splitlines())) == (0, 51 - len(form))
        assert said == "headstart: there are more than these 50: --limit N for more\n"
        code, told, said = run("experiments", *names, "--limit", "5", *form)
        assert (code, len(told.splitlines()), said) == (0, 6 - len(form), "")


def test_graph_of_an_experiment(run: Run, shared_service: Any, unique_id: Callable[[str], str]) -> None:
    task_id, space = unique_id("cifar"), replace(nas_bench_201(), search_space_id=unique_id("nb201"))
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
        record_some(client, task_id, space, 1)
    code, told, _ = run("space", space.search_space_id)
    assert code == 0 and "template of 8 nodes" in told
    code, told, _ = run("experiment", f"{task_id}/{space.search_space_id}/1")
    assert code == 0 and "parameters=10" in told


def test_a_task_is_deleted_after_a_yes(
    run: Run, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch, shared_service: Any
) -> None:
    task_id, _ = names
    for answer in ("", "n\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        code, told, said = run("delete-task", task_id)
        assert (code, told) == (1, "") and f"{task_id} and its 6 experiments" in said
        assert said.splitlines()[-1] == "headstart: not confirmed, nothing was done"
        assert run("task", task_id)[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("delete-task", task_id)[:2] == (0, f"{task_id} is gone, and 6 experiments with it\n")
    code, _, problem = run("delete-task", task_id, "--yes")
    assert code == 1 and "NOT_FOUND" in problem


def test_similar_tasks(run: Run, names: tuple[str, str], shared_service: Any, unique_id: Callable[[str], str]) -> None:
    task_id, space_id = names
    other = unique_id("digits")
    with headstart.connect(shared_service.address) as client:
        task = replace(client.get_task(task_id), descriptor={"domain": "tabular", "source": other})
        client.update_task(task)
        client.create_task(replace(task, task_id=other))
        space = client.get_search_space(space_id)
        record_some(client, other, space, 6)
    code, told, _ = run("similar", "task", task_id, "--space", space_id, "-n", "1")
    assert code == 0 and told.splitlines()[1].split()[0] == other and "measured agreement 1.00 (6" in told
    found = json.loads(run("similar", "task", task_id, "--space", space_id, "-n", "1", "--json")[1])["tasks"]
    assert [each["task_id"] for each in found] == [other]
    assert {basis["kind"]: basis["count"] for basis in found[0]["basis"]}["MEASURED_AGREEMENT"] == 6


def test_an_import_tells_what_it_skipped_and_the_exit_code_says_so(
    run: Run, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    task_id, runs, mapping = unique_id("table"), tmp_path / "runs.csv", tmp_path / "mapping.toml"
    mapping.write_text(
        f'[task]\nid = "{task_id}"\ndirection = "maximize"\n[space]\nid = "{task_id}"\n'
        '[columns]\nparameters = ["rate", "layers"]\nobjective = "accuracy"\n'
    )
    runs.write_text("rate,layers,accuracy\n0.1,2,0.9\n0.2,3,nan\n0.3,4,0.7\n0.1,2,0.9\n")
    arguments = ("import", "csv", str(runs), "--mapping", str(mapping))
    code, told, said = run(*arguments, "--dry-run")
    assert code == 1 and told.startswith("4 read: 2 would be recorded") and run("task", task_id)[0] == 1
    assert said.splitlines()[0] == f"headstart: search space '{task_id}', derived:" and "layers: integer 2 to 4" in said
    code, told, said = run(*arguments)
    assert code == 1 and told.startswith("4 read: 2 recorded, 0 known before, 2 skipped")
    assert said.splitlines() == [
        "headstart: only what was tried is in range for rate, layers: where more is allowed, say --range "
        "NAME=LOWEST..HIGHEST"
    ]
    skipped = told[told.index("SKIPPED") :].splitlines()[1:]
    assert [line.split()[0] for line in skipped] == ["runs.csv:3", "runs.csv:5"]
    assert "finite" in skipped[0] and "duplicate" in skipped[1]
    code, told, said = run(*arguments, "--limit", "1")
    assert code == 1 and "runs.csv:5" not in told and "there are 2 of these" in said
    code, told, _ = run(*arguments, "--json")
    report = json.loads(told)
    assert code == 1 and (report["recorded_count"], report["already_known_count"]) == (0, 2)
    assert [each["locator"] for each in report["skipped"]] == ["runs.csv:3", "runs.csv:5"]
    runs.write_text("rate,layers,accuracy\n0.1,2,0.9\n")
    assert run(*arguments)[0] == 0


def test_an_import_that_is_not_possible_as_asked_is_exit_code_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mapping.toml").write_text("[colums]\n")
    (tmp_path / "runs.csv").write_text("rate\n1\n")
    for arguments, word in (
        (("csv", str(tmp_path / "runs.csv")), "mapping file"),
        (("csv", str(tmp_path / "runs.csv"), "--mapping", str(tmp_path / "mapping.toml")), "colums"),
    ):
        code, told, problem = run("import", *arguments)
        assert (code, told) == (2, "") and word in problem and len(problem.splitlines()) == 1


def test_errors_are_one_line_and_exit_code_1(run: Run, names: tuple[str, str]) -> None:
    for arguments, word in (
        (("task", "nowhere"), "nowhere"),
        (("predictor", names[1]), "NOT_FOUND"),
        (("experiment", "nowhere/at/1", "--json"), "NOT_FOUND"),
        (("similar", "architectures", "elsewhere", "--experiment", f"{names[0]}/{names[1]}/1"), "elsewhere"),
    ):
        code, told, problem = run(*arguments)
        assert (code, told) == (1, "")
        assert len(problem.splitlines()) == 1 and problem.startswith("headstart: ") and word in problem


def test_no_service(capsys: pytest.CaptureFixture[str]) -> None:
    for form in ((), ("--json",)):
        assert main(["--address", "127.0.0.1:1", "tasks", *form]) == 1
        told = capsys.readouterr()
        assert told.err == "headstart: 127.0.0.1:1: no service there; `headstart-server up` starts one\n"
        assert told.out == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("suggest", "a", "b", "-n", "none"), "--count"),
        (("experiments", "a", "b", "--limit", "0"), "--limit"),
        (("experiments", "a", "--nodes", "few"), "MIN..MAX"),
        (("experiments", "a", "--nodes", "1.5..2"), "whole numbers"),
        (("experiments", "a", "--proxy", "3..4"), "NAME=MIN..MAX"),
        (("experiments", "a", "--since", "yesterday"), "2026-01-31"),
        (("experiments", "--sort", "value"), "TASK"),
        (("similar", "architectures", "a"), "--experiment"),
        (("similar", "architectures", "a", "--candidate", "{"), "JSON"),
        (("clusters", "--map", "map.jpeg"), ".svg"),
        (("export", "history.xlsx"), ".parquet"),
        (("nothing",), "nothing"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--address", "127.0.0.1:1", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and word in told.err


def test_an_experiment_is_named_as_a_list_shows_it(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    whole = run("experiment", f"{task_id}/{space_id}/3")
    assert whole[0] == 0 and whole == run("experiment", task_id, space_id, "3")
    code, _, told = run("experiment", "3")
    assert code == 2 and "TASK SPACE SEQUENCE" in " ".join(told.split())


def test_a_candidate_is_whole_in_a_pipe(run: Run, shared_service: Any, unique_id: Callable[[str], str]) -> None:
    space = SearchSpace(
        unique_id("wide"),
        tuple(headstart.Parameter(f"a_rather_long_name_{number}", headstart.Integer(1, 9)) for number in range(20)),
    )
    task_id = unique_id("wide")
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task(task_id, headstart.Objective("acc")))
        record_some(client, task_id, space, 1)
    told = run("experiments", task_id, space.search_space_id)[1]
    assert all(f"a_rather_long_name_{number}=" in told for number in range(20))


def test_a_mistyped_id_is_answered_with_those_that_are_like_it(run: Run, names: tuple[str, str]) -> None:
    task_id, space_id = names
    code, _, told = run("task", task_id[:-1])
    assert code == 1 and f"did you mean {task_id}" in " ".join(told.split())
    code, _, told = run("space", f"x{space_id}")
    assert code == 1 and "did you mean" in told and space_id in told
    assert "did you mean" not in run("task", "qqqqqqqqqqqq")[2]


def test_an_imported_task_can_be_described(run: Run, names: tuple[str, str], shared_service: Any) -> None:
    task_id, _ = names
    options = ("--description", "Digits, of 1998", "--descriptor", "modality=image", "--meta-feature", "classes=10")
    code, told, _ = run("update-task", task_id, *options)
    assert code == 0 and "modality=image" in told
    run("update-task", task_id, "--descriptor", "domain=post", "--meta-feature", "classes=")
    with headstart.connect(shared_service.address) as client:
        task = client.get_task(task_id)
    assert (task.description, dict(task.descriptor)) == ("Digits, of 1998", {"modality": "image", "domain": "post"})
    assert dict(task.meta_features) == {}
    assert run("update-task", task_id, "--descriptor", "image")[0] == 2
