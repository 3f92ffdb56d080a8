"""The benchmark of protocol T runs as its documentation says, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.transfer_search", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.timeout(400)
def test_searches_are_measured_from_the_same_histories_and_a_second_run_adds_nothing(tmp_path: Path) -> None:
    results, work = tmp_path / "transfer_search.json", tmp_path / "work.jsonl"
    options = ("--quick", "--work", str(work), "--results", str(results), "--image", str(tmp_path / "regret.png"))
    done = run(*options)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())
    assert set(told["families"]) == {"nas-bench-201"}
    searches = told["families"]["nas-bench-201"]
    assert set(searches) == {"warm start", "no history", "random", "past, then tpe"}
    assert all(each["seeds"] == [2] and 0.0 <= each["area"]["mean"] < 1.0 for each in searches.values())
    # These tasks agree at .83: whoever starts from the others is far ahead of chance.
    assert searches["warm start"]["area"]["mean"] < searches["random"]["area"]["mean"]
    assert {"what", "figure", "unit", "target", "at_most", "met"} <= set(told["rows"][0])
    assert (tmp_path / "regret.png").stat().st_size > 10_000
    lines = work.read_text()
    assert len(lines.splitlines()) == 8
    again = run(*options)
    assert again.returncode == 0, again.stderr[-4000:]
    assert "Starting a service" not in again.stdout
    assert work.read_text() == lines


@pytest.mark.parametrize(
    ("options", "named"), [(("nas-bench-none",), "nas-bench-none"), (("--searches", "luck"), "luck")]
)
def test_unknown_names_are_refused(options: tuple[str, ...], named: str) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert named in done.stderr
