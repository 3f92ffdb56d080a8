"""CSV and JSON lines files into a real service: what is right goes in, what is not is told with its line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headstart
from headstart.history import UsageProblem, run_import
from headstart.spaces import Categorical, Float, Integer
from headstart.values import ExperimentStatus

MAPPING = """
[task]
id = "{task}"
direction = "maximize"
fidelity_unit = "epoch"
descriptor = {{ modality = "image" }}
meta_features = {{ rows = 50000.0 }}

[space]
id = "{space}"

[columns]
parameters = ["lr", "layers", "optimizer", "momentum", "bias"]
objective = "accuracy"
status = "state"
metrics = {{ test = "test_accuracy" }}
proxies = ["flops"]
curve = "curve"
cost_seconds = "minutes"
fidelity = "epochs"
seed = "seed"
worker_id = "host"

[convert.accuracy]
scale = 0.01
[convert.minutes]
scale = 60
[convert.state]
values = {{ oom = "failed" }}
"""

HEADING = "lr,layers,optimizer,momentum,bias,accuracy,state,test_accuracy,flops,curve,minutes,epochs,seed,host"

LINES = [
    '0.1,2,sgd,0.9,true,91.5,done,0.9,1e6,"[0.5, 0.9]",2.5,200,7,node1',
    "0.01,3,adam,,false,80,done,0.7,2e6,,1,200,8,node1",
    "0.001,2,adam,,true,,oom,,,,0.5,,9,node2",
    "0.1,4,sgd,0.5,true,nan,done,,,,,,,",
    "0.1,4,sgd,0.5,true,,done,,,,,,,",
    "0.1,4,sgd,0.5,true,70,melted,,,,,,,",
    "0.1,4,sgd",
    '0.1,2,sgd,0.9,true,91.5,done,0.9,1e6,"[0.5, 0.9]",2.5,200,7,node1',
    "0.05,2,sgd,,true,60,done,,,,,,,",
    "0.05,2,sgd,0.1,true,60,done,soso,,,,,,",
]


class Files:
    """A table with its mapping file, for a task and space of their own."""

    def __init__(self, folder: Path, unique_id: Callable[[str], str]) -> None:
        self.folder = folder
        self.task, self.space = unique_id("table"), unique_id("table")

    def mapping(self, text: str = MAPPING, name: str = "mapping.toml") -> Path:
        path = self.folder / name
        path.write_text(text.format(task=self.task, space=self.space))
        return path

    def table(self, lines: list[str], name: str = "runs.csv") -> str:
        path = self.folder / name
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return str(path)


@pytest.fixture
def files(tmp_path: Path, unique_id: Callable[[str], str]) -> Files:
    return Files(tmp_path, unique_id)


def test_wrong_lines_are_told_with_their_number_and_the_rest_goes_in(client: headstart.Client, files: Files) -> None:
    report = run_import(client, "csv", files.table([HEADING, *LINES]), mapping=files.mapping())
    assert [(note.locator, note.reason) for note in report.skipped] == [
        ("runs.csv:5", "it is completed with the value nan: that must be a finite number"),
        ("runs.csv:6", "it has no value of the objective"),
        ("runs.csv:7", "status 'melted' is not known: map it with convert.state.values"),
        ("runs.csv:8", "it has 3 cells, the heading has 14"),
        ("runs.csv:9", "a duplicate of an earlier entry"),
    ]
    assert [note.locator for note in report.amended] == ["runs.csv:11"]
    assert report.read_count == len(LINES) == report.recorded_count + report.skipped_count
    assert report.exit_code == 1
    first, _, third, *_ = client.list_experiments(files.task, files.space)
    assert first.candidate.values["momentum"] == 0.9
    assert first.outcome == headstart.Outcome(
        ExperimentStatus.COMPLETED,
        0.915,
        {"test": 0.9},
        (headstart.CurvePoint(1.0, 0.5), headstart.CurvePoint(2.0, 0.9)),
        fidelity=200.0,
        cost_seconds=150.0,
        proxies={"flops": 1e6},
        seed=7,
    )
    assert first.worker_id == "node1"
    assert (third.outcome.status, third.outcome.objective_value) == (ExperimentStatus.FAILED, None)
    task = client.get_task(files.task)
    assert (dict(task.descriptor), dict(task.meta_features)) == ({"modality": "image"}, {"rows": 50000.0})
    assert task.objective == headstart.Objective("accuracy", headstart.Direction.MAXIMIZE)


def test_a_file_that_grew_and_moved_adds_only_what_is_new(client: headstart.Client, files: Files) -> None:
    mapping = files.mapping()
    run_import(client, "csv", files.table([HEADING, *LINES[:2]]), mapping=mapping)
    new = "0.05,3,sgd,0.9,true,70,done,,,,,,,"
    moved = files.table([HEADING, new, *LINES[:2]], "all.csv")
    report = run_import(client, "csv", moved, mapping=mapping)
    assert (report.recorded_count, report.already_known_count) == (1, 2)


def test_a_wrong_import_is_replaced(client: headstart.Client, files: Files) -> None:
    """A mapping that forgot the scale is corrected: the same lines come in again under their request ids."""
    table = files.table([HEADING, *LINES[:2]])
    forgot = MAPPING.replace("[convert.accuracy]\nscale = 0.01\n", "")
    run_import(client, "csv", table, mapping=files.mapping(forgot))
    again = run_import(client, "csv", table, mapping=files.mapping())
    assert [note.reason for note in again.skipped] == [
        "it was recorded before with another content, which stays (see --replace)"
    ] * 2
    report = run_import(client, "csv", table, mapping=files.mapping(), replace=True)
    assert (report.recorded_count, report.skipped_count) == (2, 0)
    values = [each.outcome.objective_value for each in client.list_experiments(files.task, files.space)]
    assert values == pytest.approx([0.915, 0.8])


def test_a_dry_run_tells_all_and_sends_nothing(client: headstart.Client, files: Files) -> None:
    told: list[str] = []
    table = files.table([HEADING, *LINES])
    report = run_import(client, "csv", table, mapping=files.mapping(), dry_run=True, say=told.append)
    assert told[:2] == [f"search space {files.space!r}, derived:", "  lr: float 0.001 to 0.1, logarithmic"]
    assert report.dry_run and report.recorded_count + report.skipped_count == len(LINES)
    domains = {parameter.name: parameter.domain for parameter in report.spaces[0].parameters}
    assert domains["lr"] == Float(0.001, 0.1, True)
    assert domains["layers"] == Integer(2, 3)
    assert domains["optimizer"] == Categorical(("adam", "sgd"))
    assert domains["bias"] == Categorical((False, True))
    assert report.tasks[0].task_id == files.task
    with pytest.raises(headstart.NotFound):
        client.get_search_space(files.space)
    with pytest.raises(headstart.NotFound):
        client.get_task(files.task)


def test_a_dry_run_needs_no_service(files: Files) -> None:
    told: list[str] = []
    with headstart.connect("127.0.0.1:1", timeout=0.5) as nobody:
        table = files.table([HEADING, *LINES])
        report = run_import(nobody, "csv", table, mapping=files.mapping(), dry_run=True, say=told.append)
    assert report.read_count == len(LINES)
    assert any("out of reach" in line for line in told)


def test_json_lines_with_inner_objects_and_a_task_for_each_data_set(client: headstart.Client, files: Files) -> None:
    rows: list[Any] = [
        {
            "data": f"{files.task} {name}",
            "config": {"lr": 0.1 * (i + 1), "norm": ["batch", None][i]},
            "result": {"acc": 0.5},
        }
        for name in ("A", "B")
        for i in range(2)
    ]
    lines = [json.dumps(row) for row in rows]
    lines[1:1] = ["{broken", "[]"]
    mapping = files.mapping(
        '{{"task": {{"column": "data", "direction": "maximize"}}, "space": {{"id": "{space}"}},'
        '"columns": {{"parameters": "config", "objective": "result.acc"}}}}',
        "mapping.json",
    )
    report = run_import(client, "jsonl", files.table(lines, "runs.jsonl"), mapping=mapping)
    assert [note.locator for note in report.skipped] == ["runs.jsonl:2", "runs.jsonl:3"]
    assert sorted(task.task_id for task in report.tasks) == [f"{files.task}-a", f"{files.task}-b"]
    assert {parameter.name for parameter in report.spaces[0].parameters} == {"lr", "norm", "has_norm"}
    for task in report.tasks:
        values = [dict(e.candidate.values) for e in client.list_experiments(task.task_id, files.space)]
        assert values == [{"lr": 0.1, "norm": "batch", "has_norm": True}, {"lr": 0.2, "has_norm": False}]


def test_declared_parameters_bound_what_goes_in(client: headstart.Client, files: Files) -> None:
    mapping = files.mapping(
        """
[task]
id = "{task}"
direction = "minimize"
[space]
id = "{space}"
[space.parameters.kind]
type = "categorical"
choices = ["tree", "net"]
[space.parameters.depth]
type = "integer"
lower = 1
upper = 8
when = {{ parameter = "kind", values = ["tree"] }}
[columns]
parameters = ["kind", "depth"]
objective = "loss"
id = "id"
"""
    )
    table = files.table(
        ["id,kind,depth,loss", "1,tree,3,0.5", "2,net,,0.4", "3,tree,9,0.1", "4,net,2,0.3", "1,tree,4,0.6"]
    )
    report = run_import(client, "csv", table, mapping=mapping)
    assert [(note.locator, note.reason) for note in report.skipped] == [
        ("runs.csv:4", "values[depth]: 9 is outside 1 to 8"),
        ("runs.csv:5", "values[depth]: only allowed where kind is one of ['tree']"),
        ("runs.csv:6", "a duplicate of an earlier entry"),
    ]
    changed = files.table(["id,kind,depth,loss", "1,tree,3,0.9", "5,tree,3,0.5"])
    again = run_import(client, "csv", changed, mapping=mapping)
    assert again.recorded_count == 1
    assert [(note.locator, note.reason) for note in again.skipped] == [
        ("runs.csv:2", "it was recorded before with another content, which stays (see --replace)")
    ]


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ("[columns]\nparameters = ['lr']", "columns.objective is missing"),
        ("[columns]\nobjective = 'accuracy'", "columns.parameters is missing"),
        ("[columns]\nparameters = ['lr']\nobjective = 'accuracy'", "maximize or minimize"),
        ("[task]\ndirection='up'\n[columns]\nparameters = ['lr']\nobjective = 'accuracy'", "maximize or minimize"),
        ("[colums]\nparameters = ['lr']", "unknown names: colums"),
        ("[task]\ndirection='maximize'\n[columns]\nparameters=['depth']\nobjective='accuracy'", "no column 'depth'"),
        ("[[[", "cannot be read"),
    ],
)
def test_a_wrong_mapping_is_told_before_anything_is_sent(
    client: headstart.Client, files: Files, mapping: str, told: str
) -> None:
    with pytest.raises(UsageProblem, match=told):
        run_import(client, "csv", files.table([HEADING, *LINES]), mapping=files.mapping(mapping))


def test_a_task_with_another_objective_is_left_alone(client: headstart.Client, files: Files) -> None:
    client.create_task(headstart.Task(files.task, headstart.Objective("error", headstart.Direction.MINIMIZE)))
    with pytest.raises(UsageProblem, match="is to minimize 'error', this history to maximize 'accuracy'"):
        run_import(client, "csv", files.table([HEADING, *LINES]), mapping=files.mapping())
    with pytest.raises(headstart.NotFound):
        client.get_search_space(files.space)


def test_values_that_fit_no_space_cost_their_line_only(client: headstart.Client, files: Files) -> None:
    mapping = files.mapping(
        '[task]\nid = "{task}"\ndirection = "maximize"\n[space]\nid = "{space}"\n'
        '[columns]\nparameters = ["x", "kind"]\nobjective = "y"\n'
    )
    rows: list[Any] = [
        {"x": 1, "kind": "a", "y": 1},
        {"x": 2**70, "kind": "a", "y": 1},
        {"x": 2, "kind": "a\0", "y": 1},
        {"x": 3, "kind": "b" * 5000, "y": 1},
        {"x": math.inf, "kind": "a", "y": 1},
        {"x": [4], "kind": "a", "y": 1},
        {"x": 5, "kind": "b", "y": 1},
    ]
    report = run_import(client, "jsonl", files.table(list(map(json.dumps, rows)), "runs.jsonl"), mapping=mapping)
    assert [note.locator for note in report.skipped] == [f"runs.jsonl:{number}" for number in (2, 3, 4, 5, 6)]
    assert {parameter.name: parameter.domain for parameter in report.spaces[0].parameters} == {
        "x": Integer(1, 5),
        "kind": Categorical(("a", "b")),
    }
    assert len(list(client.list_experiments(files.task, files.space))) == 2
