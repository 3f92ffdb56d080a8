"""The simulation of many workers runs from end to end, small, without a failed or a lost call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.mark.timeout(300)
def test_simulated_workers_search_without_an_error(tmp_path: Path) -> None:
    results, picture = tmp_path / "simulation.json", tmp_path / "simulation.png"
    command = ["-m", "benchmarks.simulation", "--quick", "--results", str(results), "--picture", str(picture)]
    done = subprocess.run(
        [sys.executable, *command], cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    written = json.loads(results.read_text())
    steady = written["steady"]
    assert steady["failures"] == {}
    assert steady["kept"] >= steady["acknowledged"] > 0
    assert {"SelectStrategy", "RecordExperiment"} <= steady["milliseconds"].keys()
    assert all(own["p50"] <= own["p95"] <= own["p99"] <= own["max"] for own in steady["milliseconds"].values())
    assert written["steps"][0]["scale"] == 2 * written["scale"]
    assert picture.read_bytes().startswith(b"\x89PNG")
