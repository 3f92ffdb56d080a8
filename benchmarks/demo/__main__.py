"""What Headstart is for, in a few minutes: a search on a new task, with and without what earlier searches have left.

Loads the cold searches of seven NAS-Bench-Graph tasks as history, waits for the predictor trained on them, then
searches the eighth with four worker processes that ask the service, and beside it with four that do not. Tables stand
in for the training of the graph networks: their values were measured, only the waiting is left out.

    python -m benchmarks.demo [--target DATASET] [--seeds N] [--quick] [--address HOST:PORT]
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

import headstart
from benchmarks.demo.report import ADVISED, ALONE, draw, results_grid, verdict
from benchmarks.demo.search import Arm, Trace, arms, run_arms, task_prefix
from benchmarks.history import EVALUATIONS, load_history
from benchmarks.progress import bars
from benchmarks.report import commit, machine
from benchmarks.service import ServiceProblem, add_address_option, running_service, wait_for_predictor
from benchmarks.tables import MissingTable, Table, nas_bench_graph_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS

GOAL_SHARE = 0.001
TRAINING_SECONDS = 150.0

# A space is trained again once it has grown by a fifth: a model of this share of the results is the one to wait for.
_TRAINED_SHARE = 0.8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.demo",
        description="A search on a new task, with and without what earlier searches have left.",
    )
    add_address_option(parser)
    parser.add_argument(
        "--target", choices=SHARED_SPACE_DATASETS, default="citeseer", help="the new task (%(default)s)"
    )
    parser.add_argument("--seeds", type=int, default=5, help="how often to repeat the searches (%(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="processes of each search (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS, help="of each search (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="2 source tasks, 60 evaluations, 2 workers, 1 seed")
    parser.add_argument("--output", type=Path, default=Path("demo.png"), help="where the picture goes (%(default)s)")
    options = parser.parse_args()
    options.sources = [name for name in SHARED_SPACE_DATASETS if name != options.target]
    if options.quick:
        options.sources, options.seeds, options.workers, options.evaluations = options.sources[:2], 1, 2, 60
    return options


def prepare(client: headstart.Client, options: argparse.Namespace, progress: Progress) -> None:
    """History in, leftovers of earlier demos out, and a predictor trained. Raises ServiceProblem."""
    target = nas_bench_graph_table(options.target)
    _forget_earlier_demos(client, target)
    sources = [nas_bench_graph_table(name) for name in options.sources]
    total = len(sources) * options.evaluations
    bar = progress.add_task("History of earlier tasks", total=total, note="")
    # One chunk is one commit: the worker sees all of the history at once and trains once.
    recorded = load_history(
        client,
        sources,
        evaluations=options.evaluations,
        chunk_size=total,
        progress=lambda count: progress.update(bar, completed=count),
    )
    progress.update(bar, note=f"{len(sources)} tasks, {recorded.already_known_count} experiments known before")
    waiting = progress.add_task("Training the predictor", total=None, note="")
    predictor = wait_for_predictor(
        client,
        target.space.search_space_id,
        int(_TRAINED_SHARE * _distinct_results(client, sources)),
        TRAINING_SECONDS,
        lambda passed: progress.update(waiting, completed=int(passed)),
    )
    if predictor is None:
        progress.update(waiting, note="no model yet: going on without (is a worker running?)")
        return
    note = f"{predictor.kind}, {predictor.training_size} experiments, {predictor.training_seconds:.0f} s"
    progress.update(waiting, total=1, completed=1, note=note)


def _distinct_results(client: headstart.Client, tables: Sequence[Table]) -> int:
    """Pairs of task and architecture with a result: what a predictor counts as its training size."""
    return sum(
        len(
            {
                e.fingerprint
                for e in client.list_experiments(table.name, table.space.search_space_id)
                if e.outcome.objective_value is not None
            }
        )
        for table in tables
    )


def _forget_earlier_demos(client: headstart.Client, target: Table) -> None:
    for task in list(client.list_tasks()):
        if task.task_id.startswith(task_prefix(target)):
            client.delete_task(task.task_id)
        elif task.task_id == target.name and any(summary.experiment_count for summary in task.summaries):
            raise ServiceProblem(
                f"the service already has results of {target.name}, so it would not be a new task: "
                "choose another --target, or stop the service and let the demo start its own"
            )


def search_all(client: headstart.Client, options: argparse.Namespace, progress: Progress) -> dict[str, list[Trace]]:
    """The traces of both searches, one for each seed."""
    traces: dict[str, list[Trace]] = {ADVISED: [], ALONE: []}
    rows = {name: progress.add_task(f"Search {name}", total=options.evaluations, note="") for name in traces}

    def watch(arm: Arm, evaluations: int, best: float | None) -> None:
        note = f"seed {arm.seed + 1} of {options.seeds}" + ("" if best is None else f", best {best:.4f}")
        progress.update(rows[ADVISED if arm.advised else ALONE], completed=evaluations, note=note)

    # Spawned, not forked: gRPC's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2 * options.workers, mp_context=context) as executor:
        for seed in range(options.seeds):
            both = arms(options.target, seed, uuid.uuid4().hex[:8])
            advised, alone = run_arms(executor, client, both, options.workers, options.evaluations, watch)
            traces[ADVISED].append(advised)
            traces[ALONE].append(alone)
    return traces


def run(options: argparse.Namespace, console: Console) -> None:
    table = nas_bench_graph_table(options.target)
    goal = table.threshold(GOAL_SHARE)
    with (
        running_service(options.address, console.print) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        prepare(client, options, progress)
        traces = search_all(client, options, progress)
    console.print(results_grid(table, traces, goal, GOAL_SHARE))
    console.print(verdict(table, traces, goal))
    about = machine()
    console.print(f"Measured on {about['processor']}, {about['cores']} cores; commit {commit()}")
    draw(options.output, table, traces, goal, options.workers)
    console.print(f"Picture: {options.output}")


def main() -> int:
    try:
        run(arguments(), Console())
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
