"""Real training with Headstart: small torch networks on data sets that come with scikit-learn, nothing downloaded.

Three searches, one after the other, each by several worker processes: wine, then breast cancer, then digits. What the
first two leave behind is what the third starts from. Every training reports its learning curve, its cost and its
parameter count; one that diverges is recorded as FAILED, one that the service advises against half-way as STOPPED.

    python examples/digits/run.py [--address 127.0.0.1:50051] [--quick] [--run NAME]

A worker process that dies is started again and goes on from what the service has; so does the whole run with its name.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table as Grid
from space import small_networks
from training import DATASETS, describe, train

import headstart
from headstart import Candidate, CurvePoint, ExperimentStatus, HeadstartError, Outcome, Query, StopAdvice

# Of one worker process, before the run is given up.
STARTS = 4


@dataclass(frozen=True)
class Job:
    """What a worker process is to do: search on one task until it has ``budget`` experiments."""

    address: str
    task_id: str
    dataset: str
    epochs: int
    budget: int
    worker: int


def work(job: Job) -> Counter[str]:
    """One worker process: how many candidates each strategy proposed."""
    # The workers share the machine: one thread each.
    torch.set_num_threads(1)
    space = small_networks()
    with headstart.connect(job.address) as client:

        def evaluate(candidate: Candidate) -> Outcome:
            def should_stop(curve: Sequence[CurvePoint]) -> bool:
                return len(curve) == job.epochs // 2 and advised_to_stop(client, job.task_id, candidate, curve)

            return train(space, candidate, job.dataset, epochs=job.epochs, seed=job.worker, should_stop=should_stop)

        result = headstart.search(
            client, job.task_id, space, evaluate, job.budget, seed=job.worker, worker_id=f"worker-{job.worker}"
        )
    return Counter(step.proposed_by for step in result.steps)


def work_to_the_end(job: Job) -> Counter[str]:
    """The same in a process of its own, which is started again where it is killed, for want of memory, say.

    Raises BrokenProcessPool where that happens again and again.
    """
    # Spawned, not forked: gRPC's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    for _ in range(STARTS - 1):
        with ProcessPoolExecutor(1, mp_context=context) as process:
            try:
                return process.submit(work, job).result()
            except BrokenProcessPool:
                print(f"worker {job.worker} of {job.dataset} died and is started again", file=sys.stderr)
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(work, job).result()


def advised_to_stop(client: headstart.Client, task_id: str, candidate: Candidate, curve: Sequence[CurvePoint]) -> bool:
    """What the service makes of half a learning curve. No forecast, or no service: go on training."""
    try:
        answer = client.predict(task_id, "small-networks", [Query(candidate, learning_curve=tuple(curve))])
    except HeadstartError:
        return False
    forecast = answer.predictions[0].curve_forecast
    return forecast is not None and forecast.advice is StopAdvice.STOP


def search(
    client: headstart.Client, dataset: str, run: str, options: argparse.Namespace
) -> tuple[list[str], Counter[str]]:
    """Search on one data set with all workers; a row of the final table, and how many each strategy proposed."""
    task = describe(dataset, options.epochs, run)
    client.create_task(task)
    jobs = [
        Job(client.address, task.task_id, dataset, options.epochs, options.evaluations, worker)
        for worker in range(options.workers)
    ]
    with ThreadPoolExecutor(options.workers) as threads:
        proposed_by = sum(threads.map(work_to_the_end, jobs), Counter[str]())
    experiments = list(client.list_experiments(task.task_id, "small-networks"))
    statuses = Counter(experiment.outcome.status for experiment in experiments)
    completed = [e for e in experiments if e.outcome.status is ExperimentStatus.COMPLETED]
    best = max(completed, key=lambda experiment: experiment.outcome.objective_value or 0.0)
    first = next(n for n, e in enumerate(experiments, start=1) if e.experiment_id == best.experiment_id)
    row = [
        dataset,
        str(len(experiments)),
        str(statuses[ExperimentStatus.FAILED]),
        str(statuses[ExperimentStatus.STOPPED]),
        f"{best.outcome.objective_value:.4f}",
        str(first),
        f"{best.outcome.proxies['parameters']:,.0f}",
        f"{sum(experiment.outcome.cost_seconds or 0.0 for experiment in experiments):.0f} s",
    ]
    return row, proposed_by


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Search for small networks on scikit-learn's data sets.")
    parser.add_argument("--address", default="127.0.0.1:50051", help="the service (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--evaluations", type=int, default=60, help="trainings on each data set (%(default)s)")
    parser.add_argument("--epochs", type=int, default=16, help="of a full training (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="6 trainings of 4 epochs on each data set")
    parser.add_argument("--run", metavar="NAME", help="go on with an earlier run")
    options = parser.parse_args()
    if options.quick:
        options.evaluations, options.epochs = 6, 4
    return options


def main() -> int:
    options = arguments()
    console = Console()
    headings = ("data", "trained", "failed", "stopped", "best", "found at", "weights", "time")
    grid = Grid(*headings, title="Validation accuracy of small networks")
    # A name for this run, so that each run searches on new tasks and starts from the earlier ones.
    run = options.run or uuid.uuid4().hex[:6]
    proposed_by: Counter[str] = Counter()
    print(f"run {run}: if it ends early, --run {run} goes on with it", file=sys.stderr)
    try:
        with headstart.connect(options.address) as client:
            client.create_search_space(small_networks())
            for dataset in DATASETS:
                with console.status(f"{dataset}: {options.evaluations} trainings of {options.epochs} epochs"):
                    row, proposals = search(client, dataset, run, options)
                grid.add_row(*row)
                proposed_by += proposals
    except (HeadstartError, BrokenProcessPool) as problem:
        print(problem, file=sys.stderr)
        return 2
    console.print(grid)
    console.print("Proposed by", ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in proposed_by.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
