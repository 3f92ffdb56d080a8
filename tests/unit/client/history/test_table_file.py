"""Tables as they are read, before anything is checked against a space or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.history.importing import _derived
from headstart.history.model import Note, Run
from headstart.history.sources import History, Request, open_history
from headstart.spaces import Float

TASK = {"direction": "maximize"}


def opened(folder: Path, lines: list[Any], **sections: Any) -> History:
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
