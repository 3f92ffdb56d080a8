"""How many evaluations a warm start saves, and whether asking ever costs any.

Each task in turn is new; every other task of its space has one cold search of 300 evaluations on record (regularized
evolution: population 50, sample 10, one mutation per child). Counted are the evaluations until an architecture among
the best 0.1 % of the table, 301 where it takes more than 300. Five searches: cold (that evolution), naive (the same
with the best of the other tasks as its first population), and three that ask WarmStart, with that history, with none,
and with a history whose results were handed out to its candidates at random. Each run has a space and tasks of its own
in the service, so nothing leaks from one to the next.

    python -m benchmarks.warm_start [--quick] [--address HOST:PORT] [--batch N] [--model] [TABLES ...]

TABLES: nas-bench-graph, nas-bench-201, hpobench, hpolib, and taskset with --data. TaskSet holds a sample of a space of
optimizer settings, so all searches choose among those (cold: at random), and the goal is one of the best 1 %. Writes
benchmarks/results/warm_start.json and docs/img/warm_start*.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, bootstrap, commit, machine, write_json
from benchmarks.service import ServiceProblem, own_service, running_service
from benchmarks.tables import MissingTable
from benchmarks.tables.sets import TABLE_SETS, tables_of
from benchmarks.warm_start.pictures import draw_reductions, draw_regrets
from benchmarks.warm_start.searches import (
    Found,
    Goal,
    asking,
    cold,
    naive,
    place,
    record_history,
    wait_for_model,
)
from headstart.errors import HeadstartError

COLD, NAIVE, ALONE, SHUFFLED, WARM = "cold", "naive", "no history", "shuffled history", "warm start"
SEARCHES = (COLD, NAIVE, ALONE, SHUFFLED, WARM)
TABLES = tuple(name for name in TABLE_SETS if name != "xgboost")
BUDGET = 300
GOAL_SHARE = 0.001
# Of a thousand candidates one in a thousand would be a single one.
GOAL_SHARE_OF_POOL = 0.01

# Settings of the service were chosen on these tasks, with other seeds; the others were only measured.
CHOSEN_ON = ("cora", "photo", "cs", "computers")


@dataclass(frozen=True)
class Run:
    """One search of one task: ``tables`` is the name of the set, ``seed`` also that of the history."""

    tables: str
    task: str
    search: str
    seed: int


Results = dict[Run, Found]


def runs_of(options: argparse.Namespace) -> list[Run]:
    """Seed by seed, so that what is cut off early is complete for fewer seeds."""
    first, last = options.first_seed, options.first_seed + options.seeds
    return [
        Run(name, table.name, search, seed)
        for seed in range(first, last)
        for name in options.tables
        for table in tables_of(name, options.data)[: options.tasks]
        for search in SEARCHES
    ]


def search_once(client: headstart.Client, run: Run, options: argparse.Namespace) -> Found:
    every = tables_of(run.tables, options.data)
    table = next(one for one in every if one.name == run.task)
    others = [one for one in every if one.name != run.task]
    goal = Goal(table, GOAL_SHARE_OF_POOL if table.pool else GOAL_SHARE, BUDGET)
    if run.search == COLD:
        return cold(table, run.seed, goal)
    if run.search == NAIVE:
        return naive(table, others, run.seed, goal)
    with place(client, table, [] if run.search == ALONE else others) as where:
        if run.search != ALONE:
            record_history(where, run.seed, shuffled=run.search == SHUFFLED)
            if options.model:
                wait_for_model(where)
        return asking(where, run.seed, options.batch, goal)


def measure(options: argparse.Namespace, console: Console) -> Iterator[Results]:
    """What is known after each run."""
    results: Results = {}
    runs = runs_of(options)
    # Whether a model is there makes a difference: without the option no run waits for one, so none may come by.
    changes = {"OMP_NUM_THREADS": "1", "HEADSTART_TRAINING_GROWTH": "100"}
    if not options.model:
        changes["HEADSTART_TRAINING_MIN_EXPERIMENTS"] = "1000000"
    service = (
        own_service(console.print, changes)
        if options.address is None
        else running_service(options.address, console.print)
    )
    with (
        service as address,
        headstart.connect(address) as client,
        bars(console) as progress,
        ThreadPoolExecutor(options.parallel) as threads,
    ):
        bar = progress.add_task("searches", total=len(runs), note="")
        waiting: dict[Future[Found], Run] = {threads.submit(search_once, client, run, options): run for run in runs}
        try:
            for done in as_completed(waiting):
                run = waiting[done]
                results[run] = done.result()
                progress.update(bar, advance=1, note=f"{run.task}, {run.search}: {results[run].evaluations}")
                yield results
        finally:
            threads.shutdown(cancel_futures=True)


def evaluations(results: Results, tables: str, task: str, search: str) -> list[int]:
    return [
        found.evaluations
        for run, found in sorted(results.items(), key=lambda item: item[0].seed)
        if (run.tables, run.task, run.search) == (tables, task, search)
    ]


def figures(results: Results, tables: str) -> dict[str, Any]:
    """For every task and over all of them: medians, reductions against cold, and what transfer costs or saves."""
    tasks = sorted({run.task for run in results if run.tables == tables})
    of_task: dict[str, Any] = {}
    for task in tasks:
        counts = {search: evaluations(results, tables, task, search) for search in SEARCHES}
        if not all(counts.values()):
            continue
        middle = {search: float(median(values)) for search, values in counts.items()}
        of_task[task] = {
            "evaluations": counts,
            "median": middle,
            "mean": {search: bootstrap(values) for search, values in counts.items()},
            "reduction": {search: 1 - middle[search] / middle[COLD] for search in SEARCHES},
            "against_no_history": {search: middle[search] / middle[ALONE] for search in (SHUFFLED, WARM)},
            "means_against_no_history": {
                search: fmean(counts[search]) / fmean(counts[ALONE]) for search in (SHUFFLED, WARM)
            },
        }
    reductions = {search: [of_task[task]["reduction"][search] for task in of_task] for search in SEARCHES}
    return {
        "tasks": of_task,
        "mean_reduction": {search: fmean(values) for search, values in reductions.items() if values},
        "worst_reduction": {search: min(values) for search, values in reductions.items() if values},
        "repeated": sum(found.repeated for run, found in results.items() if run.tables == tables),
    }


def print_tables(console: Console, results: Results) -> None:
    for tables in dict.fromkeys(run.tables for run in results):
        told = figures(results, tables)
        grid = Grid(title=f"{tables}: median evaluations to the goal (reduction against cold)")
        grid.add_column("task")
        for heading in (*SEARCHES, "warm / none", "shuffled / none"):
            grid.add_column(heading, justify="right")
        for task, own in told["tasks"].items():
            grid.add_row(
                task.removeprefix(f"{tables}-"),
                *(f"{own['median'][search]:.0f} ({own['reduction'][search]:.0%})" for search in SEARCHES),
                f"{own['against_no_history'][WARM]:.2f}",
                f"{own['against_no_history'][SHUFFLED]:.2f}",
            )
        for label, key in (("mean", "mean_reduction"), ("worst", "worst_reduction")):
            grid.add_row(label, *(f"{told[key].get(search, 0.0):.0%}" for search in SEARCHES), "", "", style="bold")
        console.print(grid)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")


def save(options: argparse.Namespace, results: Results) -> None:
    write_json(
        options.results,
        {
            "benchmark": "warm_start",
            "command": "python -m benchmarks.warm_start" + (" --quick" if options.quick else ""),
            "seeds": options.seeds,
            "first_seed": options.first_seed,
            "batch": options.batch,
            "trained_model": options.model,
            "settings_chosen_on": CHOSEN_ON,
            "tables": {tables: figures(results, tables) for tables in dict.fromkeys(run.tables for run in results)},
        },
    )


def draw(options: argparse.Namespace, results: Results) -> list[Path]:
    drawn = []
    for tables in dict.fromkeys(run.tables for run in results):
        told = figures(results, tables)["tasks"]
        if not told:
            continue
        reductions = options.image.with_name(f"{options.image.stem}_{tables}.png")
        draw_reductions(reductions, tables, {task: own["reduction"] for task, own in told.items()}, SEARCHES)
        regrets = options.image.with_name(f"{options.image.stem}_{tables}_regret.png")
        of_tables = {run: found.regrets for run, found in results.items() if run.tables == tables}
        draw_regrets(
            regrets,
            {
                task: {
                    search: [own for run, own in of_tables.items() if (run.task, run.search) == (task, search)]
                    for search in SEARCHES
                }
                for task in told
            },
        )
        drawn += [reductions, regrets]
    return drawn


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("tables", nargs="*", metavar="TABLES", help=f"of {', '.join(TABLES)}; default: the first two")
    parser.add_argument("--address", metavar="HOST:PORT", help="a running service; without it one is started")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0, help="others than those that settings were chosen with")
    parser.add_argument("--batch", type=int, default=1, help="suggestions asked for at a time (%(default)s)")
    parser.add_argument("--model", action="store_true", help="wait until a model is trained on the history")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of taskset_curves, for the tables taskset")
    parser.add_argument("--parallel", type=int, default=2, help="searches side by side (%(default)s)")
    parser.add_argument("--tasks", type=int, help="only so many of each set of tables")
    parser.add_argument("--quick", action="store_true", help="one task of NAS-Bench-Graph, two seeds")
    parser.add_argument("--results", type=Path, default=RESULTS / "warm_start.json")
    parser.add_argument("--image", type=Path, default=IMAGES / "warm_start.png")
    options = parser.parse_args(arguments)
    options.tables = options.tables or list(TABLES[:2])
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"no such tables: {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    if options.quick:
        options.tables, options.tasks, options.seeds, options.batch = ["nas-bench-graph"], 1, 2, 8
    console = Console()
    results: Results = {}
    try:
        for results in measure(options, console):
            # A run of an hour that is cut off has told what it had.
            if len(results) % 20 == 0:
                save(options, results)
    except (MissingTable, ServiceProblem, HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    save(options, results)
    print_tables(console, results)
    for path in draw(options, results):
        console.print(f"Drawn: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
