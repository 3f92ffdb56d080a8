"""Out of one service and into another without loss; broken imports go on; nothing is recorded twice."""

from __future__ import annotations

import json
import math
import random
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.history import UsageProblem, run_export, run_import
from headstart.spaces import Candidate, Graph, Node, mlp_classifier, nas_bench_graph, sample
from headstart.values import CurvePoint, Direction, Experiment, ExperimentStatus, Objective, Outcome, Record, Task

EXPLICIT = headstart.SearchSpace("explicit", explicit_graphs=True, op_roles={"input": headstart.OpRole.INPUT})


def fill(client: headstart.Client, task_ids: tuple[str, str]) -> None:
    """Two tasks in three spaces with everything that an experiment can hold."""
    first, second = task_ids
    client.create_task(
        Task(first, Objective("accuracy"), "The first", {"modality": "image"}, {"rows": 5.0}, "epoch", 9.0)
    )
    client.create_task(Task(second, Objective("loss", Direction.MINIMIZE)))
    for space in (mlp_classifier(), nas_bench_graph(), EXPLICIT):
        client.create_search_space(space)
    generator = random.Random(0)
    chain = Graph((Node("input"), Node("conv", {"width": 3, "bias": True, "rate": 1.0})), ((0, 1),))
    records = [
        Record(first, EXPLICIT.search_space_id, Candidate({}, chain), headstart.completed(0.5, seed=-(2**63))),
        Record(
            first,
            EXPLICIT.search_space_id,
            Candidate({}, chain),
            Outcome(
                ExperimentStatus.FAILED, math.nan, learning_curve=(CurvePoint(0.5, 0.1), CurvePoint(1.0, math.inf))
            ),
            decision_id=str(uuid.uuid4()),
            worker_id="worker ü",
        ),
        Record(second, "nas-bench-graph", sample(nas_bench_graph(), generator), Outcome(ExperimentStatus.STOPPED)),
        Record(
            second, "nas-bench-graph", sample(nas_bench_graph(), generator), Outcome(ExperimentStatus.FAILED, -math.inf)
        ),
    ]
    records += [
        Record(
            task_id,
            mlp_classifier().search_space_id,
            sample(mlp_classifier(), generator),
            headstart.completed(
                generator.random(),
                metrics={"recall": generator.random()},
                proxies={"flops": generator.random() * 1e9},
                learning_curve=(CurvePoint(1.0, 0.1), CurvePoint(9.0, 0.2)),
                fidelity=9.0,
                cost_seconds=generator.random() * 100,
            ),
        )
        for task_id in task_ids
        for _ in range(20)
    ]
    client.record_many(records)


def held(client: headstart.Client, task_ids: tuple[str, str]) -> list[tuple[Task, list[Experiment]]]:
    """All that a service has of the tasks, less what it gives of itself (of NaN only that it is one)."""
    found = []
    for task_id in task_ids:
        task = client.get_task(task_id)
        experiments = [
            replace(experiment, record_time=None, outcome=replace(experiment.outcome, objective_value=repr(value)))  # type: ignore[arg-type]
            for summary in task.summaries
            for experiment in client.list_experiments(task_id, summary.search_space_id)
            for value in (experiment.outcome.objective_value,)
        ]
        found.append((replace(task, create_time=None, update_time=None), experiments))
    return found


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_out_of_one_service_into_another(
    shared_service: Any, service: Any, unique_id: Callable[[str], str], tmp_path: Path, format: str
) -> None:
    task_ids = (unique_id("first"), unique_id("second"))
    path = tmp_path / "history"
    with headstart.connect(shared_service.address) as source, headstart.connect(service.address) as target:
        fill(source, task_ids)
        exported = run_export(source, task_ids=task_ids, format=format, output=path)
        assert (exported.space_count, exported.task_count, exported.experiment_count) == (3, 2, 44)
        assert exported.byte_count == path.stat().st_size
        # Into where it came from: it is all there.
        home = run_import(source, "export", str(path))
        assert (home.recorded_count, home.already_known_count, home.skipped_count) == (0, 44, 0)

        report = run_import(target, "export", str(path), chunk_size=10)
        assert (report.recorded_count, report.already_known_count, report.skipped_count) == (44, 0, 0)
        assert held(target, task_ids) == held(source, task_ids)
        assert {space.search_space_id: space for space in target.list_search_spaces()} == {
            space_id: source.get_search_space(space_id)
            for space_id in ("explicit", "mlp-classifier", "nas-bench-graph")
        }
        again = run_import(target, "export", str(path))
        assert (again.recorded_count, again.already_known_count) == (0, 44)

        copy = tmp_path / "copy.jsonl"
        run_export(source, task_ids=task_ids, format="jsonl", output=path)
        everything = run_export(target, format="jsonl", output=copy)
        assert everything.task_count == 2
        assert without_times(copy) == without_times(path)


def without_times(path: Path) -> list[Any]:
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    for entry in entries:
        entry.get("experiment", {}).pop("record_time", None)
    return entries


def test_an_export_makes_the_same_bytes_again(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    task_ids = (unique_id("first"), unique_id("second"))
    fill(client, task_ids)
    for name in ("one", "other"):
        run_export(client, task_ids=task_ids, format="jsonl", output=tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_wrong_lines_of_an_export_are_told_and_the_rest_goes_in(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    task_ids = (unique_id("first"), unique_id("second"))
    fill(client, task_ids)
    path = tmp_path / "history.jsonl"
    run_export(client, task_ids=task_ids, format="jsonl", output=path)
    for task_id in task_ids:
        client.delete_task(task_id)
    lines = path.read_text(encoding="utf-8").split("\n")
    one = json.loads(lines[10])
    bad_seed = {"experiment": {**one["experiment"], "seed": 1.5}}
    bad_curve = {"experiment": {**one["experiment"], "learning_curve": [[2, 0.1], [1, 0.1]]}}
    bad_task = {"experiment": {**one["experiment"], "task_id": "elsewhere"}}
    bad_candidate = {"experiment": {**one["experiment"], "candidate": {"values": {"x": 1}}}}
    lines[8:8] = ["{", *map(json.dumps, (bad_seed, bad_curve, bad_task, bad_candidate))]
    lines.insert(20, lines[19])
    path.write_text("\n".join(lines), encoding="utf-8")
    report = run_import(client, "export", str(path))
    told = {note.locator.removeprefix("history.jsonl:"): note.reason for note in report.skipped}
    assert sorted(map(int, told)) == [9, 10, 11, 12, 13, 21]
    assert "learning_curve[1].fidelity: must increase" in told["11"]
    assert "'elsewhere' is not in the file" in told["12"]
    assert told["21"] == "a duplicate of an earlier entry"
    assert (report.recorded_count, report.exit_code) == (44, 1)


def test_an_export_changes_nothing_that_is_there(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    task_ids = (unique_id("first"), unique_id("second"))
    fill(client, task_ids)
    path = tmp_path / "history.jsonl"
    run_export(client, task_ids=task_ids, format="jsonl", output=path)
    task = client.get_task(task_ids[0])
    client.update_task(replace(task, description="Described anew"))
    told: list[str] = []
    report = run_import(client, "export", str(path), say=told.append)
    assert (report.already_known_count, told) == (
        44,
        [f"task {task_ids[0]!r} is there with another description, which stays"],
    )
    assert client.get_task(task_ids[0]).description == "Described anew"
    other = path.read_text(encoding="utf-8").replace('"direction":"MINIMIZE"', '"direction":"MAXIMIZE"')
    (tmp_path / "other.jsonl").write_text(other, encoding="utf-8")
    with pytest.raises(UsageProblem, match=f"task {task_ids[1]!r} is to minimize 'loss'"):
        run_import(client, "export", str(tmp_path / "other.jsonl"))
    space = unique_id("explicit")
    client.create_search_space(replace(mlp_classifier(), search_space_id=space))
    other = path.read_text(encoding="utf-8").replace('"search_space_id":"explicit"', f'"search_space_id":"{space}"')
    (tmp_path / "other.jsonl").write_text(other, encoding="utf-8")
    for dry_run in (False, True):
        with pytest.raises(UsageProblem, match=f"{space!r} is here with another declaration"):
            run_import(client, "export", str(tmp_path / "other.jsonl"), dry_run=dry_run)
    with pytest.raises(UsageProblem, match="no options"):
        run_import(client, "export", str(path), task_id="elsewhere")


class Broken(Exception):
    """The terminal was closed, say."""


def test_a_broken_import_goes_on(client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path) -> None:
    table = tmp_path / "runs.jsonl"
    table.write_text("".join(json.dumps({"x": index / 500, "y": index}) + "\n" for index in range(500)))
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[task]\ndirection = "maximize"\n[columns]\nparameters = ["x"]\nobjective = "y"\n')
    task_id, space_id = unique_id("broken"), unique_id("line")

    def close(done: int, total: int | None) -> None:
        assert total == 500
        if done >= 200:
            raise Broken

    def go(**options: Any) -> Any:
        return run_import(
            client, "jsonl", str(table), mapping=mapping, task_id=task_id, space_id=space_id, chunk_size=50, **options
        )

    with pytest.raises(Broken):
        go(progress=close)
    report = go()
    assert (report.recorded_count, report.already_known_count) == (300, 200)
    values = [experiment.outcome.objective_value for experiment in client.list_experiments(task_id, space_id)]
    assert values == [float(index) for index in range(500)]


def test_what_cannot_be_exported_leaves_the_old_file(
    client: headstart.Client, unique_id: Callable[[str], str], tmp_path: Path
) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text("old")
    with pytest.raises(UsageProblem, match="not known"):
        run_export(client, task_ids=["never-made"], format="jsonl", output=path)
    with pytest.raises(UsageProblem, match="no format"):
        run_export(client, format="xml", output=path)
    with pytest.raises(UsageProblem, match="cannot be written"):
        run_export(client, format="jsonl", output=tmp_path / "none" / "history.jsonl")

    def close(done: int, total: int | None) -> None:
        raise Broken

    task_ids = (unique_id("first"), unique_id("second"))
    fill(client, task_ids)
    with pytest.raises(Broken):
        run_export(client, task_ids=task_ids, format="jsonl", output=path, progress=close)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["history.jsonl"]
