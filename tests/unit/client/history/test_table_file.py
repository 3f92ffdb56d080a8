"""Tables as they are read, before anything is checked against a space or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.history.model import Note, Run
from headstart.history.sources import History, Request, open_history

TASK = {"direction": "maximize"}


def opened(folder: Path, lines: list[Any], **sections: Any) -> History:
    """A history of CSV lines, or of JSON lines where they are objects."""
    source = "csv" if isinstance(lines[0], str) else "jsonl"
    table, mapping = folder / f"runs.{source}", folder / "mapping.json"
    table.write_text("".join((line if source == "csv" else json.dumps(line)) + "\n" for line in lines))
    mapping.write_text(json.dumps({"task": TASK, **sections}))
    return open_history(Request(source, str(table), mapping))


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
