"""Eight workers on one task at once: how many of their evaluations repeat one, or an equivalent of one, of another.

Each worker asks WarmStart for one candidate, evaluates it (for a while drawn at random, so that the workers do not keep
step) and records it, until 300 are recorded. The service tells with every record how many experiments tried an
equivalent. Each task of NAS-Bench-Graph in turn, the others with a cold search each on record; also counted:
evaluations until one of the best 0.1 %, which may be more than for one worker, who knows each result before asking.

    python -m benchmarks.warm_start.workers [--quick] [--address HOST:PORT]

writes benchmarks/results/warm_start_workers.json.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.progress import bars
from benchmarks.report import RESULTS, commit, machine, write_json
from benchmarks.service import ServiceProblem, own_service, running_service
from benchmarks.tables import MissingTable, nas_bench_graph_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS
from benchmarks.warm_start.searches import Goal, Place, place, record_history
from headstart.errors import HeadstartError

WORKERS = 8
BUDGET, QUICK_BUDGET = 300, 100
GOAL_SHARE = 0.001
_EVALUATION_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    evaluations: int
    repeated: int
    to_goal: int


class _Shared:
    """What the workers of one search have done together."""

    def __init__(self, where: Place, budget: int) -> None:
        self.budget = budget
        self.lock = threading.Lock()
        self.goal = Goal(where.table, GOAL_SHARE, budget)
        self.begun = 0
        self.repeated = 0
        self.recorded = 0
        self.to_goal = budget + 1


def work(where: Place, shared: _Shared, number: int, seed: int) -> None:
    generator = random.Random(f"{where.table.name}/{seed}/{number}")
    task_id, space_id = where.task.task_id, where.space.search_space_id
    with headstart.connect(where.client.address) as client:
        while True:
            with shared.lock:
                if shared.begun >= shared.budget:
                    return
                shared.begun += 1
            suggestions = client.warm_start(task_id, space_id, 1, seed=generator.getrandbits(62)).suggestions
            if not suggestions:
                return
            time.sleep(_EVALUATION_SECONDS * generator.random())
            candidate = suggestions[0].candidate
            answer = client.record(task_id, space_id, candidate, where.table.evaluate(candidate, generator))
            with shared.lock:
                shared.recorded += 1
                shared.repeated += answer.equivalent_count > 1
                if not shared.goal.reached:
                    shared.goal.see(candidate)
                    if shared.goal.reached:
                        shared.to_goal = shared.recorded


def search(client: headstart.Client, dataset: str, seed: int, budget: int) -> Outcome:
    tables = {name: nas_bench_graph_table(name) for name in SHARED_SPACE_DATASETS}
    with place(client, tables[dataset], [table for name, table in tables.items() if name != dataset]) as where:
        record_history(where, seed, shuffled=False)
        shared = _Shared(where, budget)
        with ThreadPoolExecutor(WORKERS) as threads:
            for done in [threads.submit(work, where, shared, number, seed) for number in range(WORKERS)]:
                done.result()
        return Outcome(shared.recorded, shared.repeated, shared.to_goal)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start.workers")
    parser.add_argument("--address", metavar="HOST:PORT", help="a running service; without it one is started")
    parser.add_argument("--quick", action="store_true", help="one task, 100 evaluations")
    parser.add_argument("--results", type=Path, default=RESULTS / "warm_start_workers.json")
    options = parser.parse_args(arguments)
    console = Console()
    datasets = SHARED_SPACE_DATASETS[: 1 if options.quick else None]
    results: dict[str, Outcome] = {}
    changes = {"OMP_NUM_THREADS": "1", "HEADSTART_TRAINING_MIN_EXPERIMENTS": "1000000"}
    service = (
        own_service(console.print, changes)
        if options.address is None
        else running_service(options.address, console.print)
    )
    try:
        with service as address, headstart.connect(address) as client, bars(console) as progress:
            bar = progress.add_task("tasks", total=len(datasets), note="")
            for dataset in datasets:
                progress.update(bar, note=dataset)
                results[dataset] = search(client, dataset, 0, QUICK_BUDGET if options.quick else BUDGET)
                progress.advance(bar)
    except (MissingTable, ServiceProblem, HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    grid = Grid(title=f"{WORKERS} workers on one task")
    for heading in ("task", "evaluations", "repeated or equivalent", "to the best 0.1 %"):
        grid.add_column(heading, justify="left" if heading == "task" else "right")
    for dataset, outcome in results.items():
        grid.add_row(dataset, str(outcome.evaluations), str(outcome.repeated), str(outcome.to_goal))
    total, repeated = (sum(getattr(each, name) for each in results.values()) for name in ("evaluations", "repeated"))
    grid.add_row("all", str(total), f"{repeated} ({repeated / total:.2%})", "", style="bold")
    console.print(grid)
    console.print(f"machine  {machine()['processor']}; commit {commit()}")
    command = "python -m benchmarks.warm_start.workers" + (" --quick" if options.quick else "")
    write_json(
        options.results,
        {
            "benchmark": "warm_start_workers",
            "command": command,
            "workers": WORKERS,
            "tasks": {dataset: vars(outcome) for dataset, outcome in results.items()},
            "repeated_share": repeated / total,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
