"""Tables as they are read, before anything is checked against a space or sent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import grpc
import pytest

from headstart.errors import NotFound
from headstart.history import run_import
from headstart.history.importing import _derived
from headstart.history.model import Note, Run, UsageProblem
from headstart.history.sources import Request, SourceHistory, open_history
from headstart.record_stream import RecordedMany
from headstart.spaces import Float, Integer, SearchSpace
from headstart.values import Task

TASK = {"direction": "maximize"}


def opened(folder: Path, lines: list[Any], **sections: Any) -> SourceHistory:
    """A history of CSV lines, or of JSON lines where they are objects."""
    source = "csv" if isinstance(lines[0], str) else "jsonl"
    table, mapping = folder / f"runs.{source}", folder / "mapping.json"
    table.write_text("".join((line if source == "csv" else json.dumps(line)) + "\n" for line in lines))
    mapping.write_text(json.dumps({"task": TASK, **sections}))
    return open_history(Request(source, str(table), mapping))


def test_parameters_are_texts_in_csv_and_have_kinds_in_json(tmp_path: Path) -> None:
    columns = {"parameters": ["x"], "objective": "y"}
    assert opened(tmp_path, ["x,y", "1,2"], columns=columns).texts
    assert not opened(tmp_path, [{"x": 1, "y": 2}], columns=columns).texts


def test_a_broken_number_costs_its_line_and_makes_no_choices(tmp_path: Path) -> None:
    lines = [f"{0.1 + index / 1000},{index}" for index in range(30)]
    history = opened(tmp_path, ["x,y", *lines, "0.1x,3"], columns={"parameters": ["x"], "objective": "y"})
    space, count = _derived(history, "table")
    assert count == 31
    assert space.parameters[0].domain == Float(0.1, 0.129)


ROWS = [{"cfg": {"lr": 0.1, "cap": None}, "y": 1, "broken": [1, 2]}, {"cfg": {"lr": 0.2}, "y": 2}]


def test_a_parameter_that_no_line_has_makes_no_space(tmp_path: Path) -> None:
    columns = {"parameters": {"lr": "cfg.lr", "layers": "cfg.layrs", "cap": "cfg.cap"}, "objective": "y"}
    with pytest.raises(UsageProblem, match=r"parameters: 'cfg\.layrs';"):
        _derived(opened(tmp_path, ROWS, columns=columns), "table")
    declared = {
        "layers": {"type": "integer", "lower": 1, "upper": 3},
        "cap": {"type": "integer", "lower": 1, "upper": 3},
    }
    space, _ = _derived(opened(tmp_path, ROWS, columns=columns, space={"parameters": declared}), "table")
    assert {parameter.name for parameter in space.parameters} == {"lr", "layers", "cap"}


def test_columns_that_no_line_has_are_told(tmp_path: Path) -> None:
    columns = {"parameters": {"lr": "cfg.lr"}, "objective": "y", "seed": "sede", "metrics": ["los"], "curve": "broken"}
    convert = {"y": {"scale": 1}, "cfg.lr": {"scale": 1}, "lr": {"scale": 1}, "broken": {"scale": 1}}
    history = opened(tmp_path, ROWS, columns=columns, convert=convert)
    assert not any(isinstance(entry, Note) for entry in history.runs())
    assert history.met is not None
    assert history.met.missing() == ["columns.seed 'sede'", "columns.metrics 'los'", "convert.lr"]


class EmptyService:
    """All that a dry run asks of a service that has nothing."""

    def get_search_space(self, search_space_id: str) -> SearchSpace:
        raise NotFound(grpc.StatusCode.NOT_FOUND, "", search_space_id)

    def get_task(self, task_id: str) -> Task:
        raise NotFound(grpc.StatusCode.NOT_FOUND, "", task_id)


def test_an_import_says_which_columns_no_line_has(tmp_path: Path) -> None:
    columns = {"parameters": {"lr": "cfg.lr"}, "objective": "y", "seed": "sede"}
    opened(tmp_path, ROWS, columns=columns)
    told: list[str] = []
    service: Any = EmptyService()
    mapping = tmp_path / "mapping.json"
    run_import(service, "jsonl", str(tmp_path / "runs.jsonl"), mapping=mapping, dry_run=True, say=told.append)
    assert told[-1] == "the mapping file names what no entry has: columns.seed 'sede'"


def test_conversions_of_no_column_are_told_of_csv_and_of_parameters_in_one_column(tmp_path: Path) -> None:
    columns = {"parameters": "cfg", "objective": "y"}
    convert = {"lr": {"scale": 2}, "rate": {"scale": 2}, "z": {"scale": 2}}
    history = opened(tmp_path, ["cfg,y,z", '"{""lr"": 0.1}",1,'], columns=columns, convert=convert)
    assert [entry.values for entry in history.runs() if isinstance(entry, Run)] == [{"lr": 0.2}]
    assert history.met is not None
    assert history.met.missing() == ["convert.rate"]


def test_nothing_is_missing_where_no_line_could_be_read(tmp_path: Path) -> None:
    columns = {"parameters": ["lr"], "objective": "y", "status": "state", "seed": "sede"}
    history = opened(tmp_path, ROWS, columns=columns)
    assert all(isinstance(entry, Note) for entry in history.runs())
    assert history.met is not None
    assert (history.met.missing_parameters(), history.met.missing()) == ([], [])


def test_a_curve_has_a_scale_of_its_own(tmp_path: Path) -> None:
    history = opened(
        tmp_path,
        ["x,y,curve", '1,91,"[50, null, 91]"', '2,92,"{""3"": 40}"', "3,93,"],
        columns={"parameters": ["x"], "objective": "y", "curve": "curve"},
        convert={"y": {"scale": 0.01}, "curve": {"scale": 0.01, "offset": 1}},
    )
    curves = [
        [(point.fidelity, point.value) for point in run.learning_curve]
        for run in history.runs()
        if isinstance(run, Run)
    ]
    assert str(curves) == "[[(1.0, 1.5), (2.0, nan), (3.0, 1.9100000000000001)], [(3.0, 1.4)], []]"
    assert not any(isinstance(entry, Note) for entry in history.runs())


def test_a_line_that_is_nested_too_deep_is_told_and_the_next_one_read(tmp_path: Path) -> None:
    history = opened(tmp_path, [{"lr": 0.1, "y": 1}], columns={"parameters": ["lr"], "objective": "y"})
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write("[" * 100_000 + "\n" + '{"lr": 0.2, "y": 2}\n')
    first, deep, last = history.runs()
    assert isinstance(deep, Note) and "not JSON" in deep.reason
    assert isinstance(first, Run) and isinstance(last, Run)


@pytest.mark.parametrize(
    ("lines", "declared"),
    [
        (["x,w,y", "1,2,5", "3,4,6", "1e9,9,"], {}),
        (["x,w,y", "1,2,5", "3,4,6", "1e9,9,nan"], {}),
        (["x,w,y", "1,2,5", "3,4,6", "1e9,99,7"], {"w": {"type": "integer", "lower": 2, "upper": 4}}),
        (["x,w,y", *[f"{1 + place / 10},{place},5" for place in range(21)], "3,3,5", "1e9,3w,7"], {}),
        (["x,w,y", "1,2,5", "3,4,6", ",,7"], {}),
    ],
)
def test_a_line_that_is_not_recorded_does_not_shape_the_space(
    tmp_path: Path, lines: list[str], declared: dict[str, Any]
) -> None:
    columns = {"parameters": ["x", "w"], "objective": "y"}
    space, _ = _derived(opened(tmp_path, lines, columns=columns, space={"parameters": declared}), "table")
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    assert set(domains) == {"x", "w"}
    assert getattr(domains["x"], "upper", None) == 3


def test_a_failed_line_without_all_parameters_does_not_shape_the_space(tmp_path: Path) -> None:
    columns = {"parameters": ["x", "w"], "objective": "y", "status": "s"}
    history = opened(tmp_path, ["x,w,y,s", "1,2,5,done", "3,4,6,done", "1e9,,,failed"], columns=columns)
    space, _ = _derived(history, "table")
    assert space.parameters[0].domain == Integer(1, 3)


def test_a_curve_of_ten_thousand_points_is_one_cell(tmp_path: Path) -> None:
    curve = ", ".join(f"0.{point:015d}" for point in range(10_000))
    assert len(curve) > 131_072
    columns = {"parameters": ["x"], "objective": "y", "curve": "c"}
    (run,) = opened(tmp_path, ["x,y,c", f'1,2,"[{curve}]"'], columns=columns).runs()
    assert isinstance(run, Run) and len(run.learning_curve) == 10_000


HALF = "\ud83d"


@pytest.mark.parametrize(
    "broken",
    [{"cfg": {"lr": HALF}, "y": 1}, {"cfg": {"lr": 0.5}, "id": HALF, "y": 1}, {"cfg": {"lr": 0.5, HALF: 1}, "y": 1}],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_line_that_is_not_unicode_is_skipped_and_told(tmp_path: Path, broken: dict[str, Any], dry_run: bool) -> None:
    columns = {"parameters": "cfg", "objective": "y", "id": "id"}
    lines = [{"cfg": {"lr": 0.1}, "id": "a", "y": 1}, broken]
    opened(tmp_path, lines, columns=columns)
    client: Any = EmptyService()
    client.record_many = lambda records, chunk_size: RecordedMany(len(records), 0)
    client.create_search_space = client.create_task = lambda value: value
    report = run_import(
        client, "jsonl", str(tmp_path / "runs.jsonl"), mapping=tmp_path / "mapping.json", dry_run=dry_run
    )
    assert (report.recorded_count, [note.locator for note in report.skipped]) == (1, ["runs.jsonl:2"])
    assert "half a character" in report.skipped[0].reason
    assert [parameter.name for parameter in report.spaces[0].parameters] == ["lr"]


def test_a_file_whose_name_is_not_unicode_is_imported(tmp_path: Path) -> None:
    name = os.fsdecode(b"run\xff.csv")
    (tmp_path / name).write_text("x,y\n1,2\n")
    columns = {"parameters": ["x"], "objective": "y"}
    (tmp_path / "mapping.json").write_text(json.dumps({"task": TASK, "columns": columns}))
    client: Any = EmptyService()
    client.create_search_space = client.create_task = lambda value: value
    sent: list[Any] = []
    client.record_many = lambda records, chunk_size: sent.extend(records) or RecordedMany(len(records), 0)
    report = run_import(client, "csv", str(tmp_path / name), mapping=tmp_path / "mapping.json")
    assert report.recorded_count == 1
    assert report.spaces[0].description == "From run?.csv"
