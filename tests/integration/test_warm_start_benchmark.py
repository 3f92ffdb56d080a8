"""The benchmarks of warm starts run as their documentation says, and write what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *options], capture_output=True, text=True, check=False)


@pytest.mark.timeout(400)
def test_all_searches_are_measured_from_the_same_histories(tmp_path: Path) -> None:
    results = tmp_path / "warm_start.json"
    options = ("--quick", "--results", str(results), "--image", str(tmp_path / "warm_start.png"))
    done = run("benchmarks.warm_start", *options)
    assert done.returncode == 0, done.stderr[-4000:]
    [told] = json.loads(results.read_text())["tables"].values()
    [task] = told["tasks"].values()
    assert set(task["evaluations"]) == {"cold", "naive", "no history", "shuffled history", "warm start"}
    assert all(len(counts) == 2 for counts in task["evaluations"].values())
    assert told["repeated"] == 0
    assert len(list(tmp_path.glob("*.png"))) == 2


@pytest.mark.timeout(400)
def test_eight_workers_do_not_repeat_each_other(tmp_path: Path) -> None:
    results = tmp_path / "workers.json"
    done = run("benchmarks.warm_start.workers", "--quick", "--results", str(results))
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())
    assert told["repeated_share"] < 0.01
    [task] = told["tasks"].values()
    assert task["evaluations"] == 100


@pytest.mark.timeout(400)
def test_shifts_are_measured(tmp_path: Path) -> None:
    results = tmp_path / "shift.json"
    options = ("--quick", "--results", str(results), "--image", str(tmp_path / "shift.png"))
    done = run("benchmarks.warm_start.domain_shift", *options)
    assert done.returncode == 0, done.stderr[-4000:]
    pasts = json.loads(results.read_text())["pasts"]
    assert len(pasts) == 5
    assert all(set(own) == {"ranks", "values", "ranks, by importance", "importance_gain"} for own in pasts.values())


@pytest.mark.timeout(400)
def test_everyday_pasts_are_measured(tmp_path: Path) -> None:
    results = tmp_path / "everyday.json"
    done = run("benchmarks.warm_start.everyday", "--quick", "--results", str(results))
    assert done.returncode == 0, done.stderr[-4000:]
    assert "transferred of 8" in done.stdout
    told = json.loads(results.read_text())
    assert set(told["draws"]) == {
        "one alike",
        "one alike, 20 results",
        "three alike",
        "two alike, one unlike",
        "one alike, eight unlike",
    }
    assert all(len(draws) == 2 for draws in told["draws"].values())
    assert len(told["rows"]) == 20
    for row in told["rows"]:
        assert {"what", "figure", "unit", "target", "at_most", "met"} <= set(row)
        assert row["met"] == (row["figure"] >= row["target"])


def test_unknown_tables_are_refused() -> None:
    done = run("benchmarks.warm_start", "nas-bench-none")
    assert done.returncode == 2
    assert "nas-bench-none" in done.stderr
