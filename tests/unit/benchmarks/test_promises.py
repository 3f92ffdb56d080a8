"""Files of results: each has rows that one reader checks, and the rows follow from the figures beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import promises
from benchmarks.report import RESULTS, write_json
from benchmarks.rows import Row, row_figures, rows_of
from benchmarks.targets import TARGETS, promised

FILES = sorted(RESULTS.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_file_of_results_has_rows(path: Path) -> None:
    figures = json.loads(path.read_text())
    rows = rows_of(figures)
    assert rows and row_figures(rows) == figures["rows"], "rows are written by row_figures"
    assert len({row.what for row in rows}) == len(rows)
    if figures.get("benchmark") in TARGETS:
        assert rows == promised(figures["benchmark"], figures)


def test_a_figure_is_met_at_its_target_and_missed_beyond() -> None:
    assert Row("speed", 3.0, "/s", 3.0, False).met and not Row("speed", 2.9, "/s", 3.0, False).met
    assert Row("wait", 3.0, "s", 3.0, True).met and not Row("wait", 3.1, "s", 3.0, True).met


def test_missed_promises_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.json"
    write_json(path, {"rows": row_figures([Row("kept", 1.0, "", 1.0, True), Row("broken", 2.0, "", 1.0, True)])})
    assert promises.main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert "broken" in printed and "kept" not in printed and "1 of 2 promises are met" in printed
    assert promises.main(["--all", str(path)]) == 0
    assert "kept" in capsys.readouterr().out


def test_a_file_without_rows_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps({"figures": []}))
    assert promises.main([str(path)]) == 2
    assert "some.json" in capsys.readouterr().err


def test_a_benchmark_without_targets_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_json(tmp_path / "some.json", {"benchmark": "unheard of"})
    assert not (tmp_path / "some.json").exists()
