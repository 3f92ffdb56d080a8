"""The benchmark of the import rate runs as its documentation says, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_import_is_measured_against_execute_values_of_the_same_rows(tmp_path: Path) -> None:
    results = tmp_path / "import.json"
    command = [sys.executable, "-m", "benchmarks.knowledge_base.import_rate", "--rows", "400", "--runs", "1"]
    done = subprocess.run([*command, "--results", str(results)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())
    assert told["imported"] == 400
    assert len(told["tasks"]) == 8
    assert all(rate["mean"] > 0 for rate in told["rows_per_second"].values())
    assert all(ratio["mean"] > 0 for ratio in told["ratio"].values())
