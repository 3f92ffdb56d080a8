"""The benchmark of learning curves runs as its documentation says, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.curve_files import write_curve_tables


@pytest.mark.timeout(300)
def test_curves_are_measured_against_their_baselines(tmp_path: Path) -> None:
    write_curve_tables(tmp_path / "data")
    results = tmp_path / "curves.json"
    command = [sys.executable, "-m", "benchmarks.learning_curves", "--quick", "--data", str(tmp_path / "data")]
    command += ["--results", str(results), "--images", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())["figures"]
    for part in told["nlp"]["by_share"].values():
        assert part["methods"]["headstart"]["median"]["mean"] < part["methods"]["last value"]["median"]["mean"]
    assert told["nlp"]["stopping"]["times"]["mean"] > 1.0
    assert set(told["graph_and_curve"]) == {"graph", "curve (5 epochs)", "graph and curve"}
    assert (tmp_path / "learning_curves.png").stat().st_size > 10_000
    assert (tmp_path / "learning_curves_examples.png").exists()


def test_without_the_data_it_says_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.learning_curves", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no learning curves in" in done.stderr
