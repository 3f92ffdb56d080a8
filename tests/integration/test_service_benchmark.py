"""The benchmark of the service under load runs as its documentation says, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_recording_is_measured_beside_a_call_that_does_nothing_and_a_proxy_of_optuna(tmp_path: Path) -> None:
    results, image = tmp_path / "service.json", tmp_path / "service.png"
    command = [sys.executable, "-m", "benchmarks.serving", "--quick", "--parts", "recording"]
    command += ["--results", str(results), "--image", str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())
    rows = {row["what"]: row["figure"] for row in told["rows"]}
    recorded = told["recording"]["rounds"][0]
    nothing = (recorded["before"]["per_second"] + recorded["after"]["per_second"]) / 2
    assert rows["RecordExperiment, 32 in flight / no-op call"] == recorded["record"]["per_second"] / nothing
    assert 0 < told["recording"]["optuna_trials_per_second"] < recorded["record"]["per_second"]
    assert image.stat().st_size > 0
