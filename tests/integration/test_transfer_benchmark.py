"""The benchmark of fine-tuning plans runs as its documentation says, and writes what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_plans_are_measured_against_full_fine_tuning_and_scratch(tmp_path: Path) -> None:
    results, image = tmp_path / "transfer.json", tmp_path / "transfer.png"
    command = [sys.executable, "-m", "benchmarks.transfer", "--quick", "--results", str(results), "--image", str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(results.read_text())
    assert [own["pair"] for own in told["figures"]] == ["digits 0-4 to 5-9", "breast cancer: means to worst cells"]
    for own in told["figures"]:
        assert set(own["by_seed"]) == {"plan", "full fine-tuning", "from scratch"}
        # Of two and five classes: each way learned something.
        assert all(accuracy > 0.6 for values in own["by_seed"].values() for accuracy in values)
    assert not {own["pair"] for own in told["figures"]} & set(told["settings_chosen_on"])
    assert image.stat().st_size > 5_000


def test_without_a_service_it_says_what_it_needs() -> None:
    command = [sys.executable, "-m", "benchmarks.transfer", "--address", "127.0.0.1:1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no Headstart service answers" in done.stderr
