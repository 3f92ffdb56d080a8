"""Does the service know which tasks are alike? Asked of eight tasks whose likeness is known from their full tables.

Protocol: the eight node-classification tasks of NAS-Bench-Graph that share a search space. How alike two of them are is
the Spearman correlation of their full tables. For each seed the same random architectures are recorded on all tasks, in
a space and under task ids of that seed's own; then SearchTasks is asked for every task. The score of a seed is the rank
correlation of what the answer rests on with the true likeness of the other seven, averaged over the eight tasks: for
each kind of evidence alone, and for the order of the answer. First it is asked before anything is recorded.

    python -m benchmarks.knowledge_base.task_similarity [--quick] [--address HOST:PORT]

writes benchmarks/results/knowledge_base_task_similarity.json and docs/img/knowledge_base_task_similarity.png.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as Grid
from scipy.stats import spearmanr

import headstart
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, Spread, bootstrap, commit, machine, write_json
from benchmarks.service import ServiceProblem, add_address_option, running_service
from benchmarks.tables import MissingTable, Table, nas_bench_graph_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS
from headstart.spaces import Candidate, canonicalize, enumerate_space
from headstart.values import Record, SimilarityKind, SimilarTask, Task, completed

PROFILE_SECONDS = 300.0

BEFORE = "words and numbers, nothing recorded"
ORDER = "order of the answer"
NAMES = {
    SimilarityKind.DESCRIPTOR: "descriptor alone",
    SimilarityKind.META_FEATURES: "meta-features alone",
    SimilarityKind.PERFORMANCE_PROFILE: "performance profile alone",
    SimilarityKind.MEASURED_AGREEMENT: "measured agreement alone",
}
ROWS = (*list(NAMES.values())[:2], BEFORE, *list(NAMES.values())[2:], ORDER)

Matrix = NDArray[np.float64]
# For each task the evidence, or the weight, of every other one by task id.
Told = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Truth:
    """``likeness`` [tasks, tasks]: Spearman correlation over ``candidates``, which all the tables hold."""

    tables: Sequence[Table]
    candidates: Sequence[Candidate]
    likeness: Matrix


@dataclass(frozen=True)
class SeedResult:
    seed: int
    scores: dict[str, float]
    told: dict[str, Matrix]


def truth() -> Truth:
    tables = [nas_bench_graph_table(name) for name in SHARED_SPACE_DATASETS]
    distinct = {canonicalize(tables[0].space, each).fingerprint: each for each in enumerate_space(tables[0].space)}
    values = {name: [table.value(each) for table in tables] for name, each in distinct.items()}
    held = [name for name, of_tables in values.items() if None not in of_tables]
    everything = np.array([values[name] for name in held], dtype=np.float64)
    return Truth(tables, [distinct[name] for name in held], np.asarray(spearmanr(everything).statistic))


def measure(
    client: headstart.Client, known: Truth, observations: int, seed: int, step: Callable[[str], None]
) -> SeedResult:
    run = f"{seed}-{uuid.uuid4().hex[:8]}"
    space = replace(known.tables[0].space, search_space_id=f"{known.tables[0].space.search_space_id}-similarity-{run}")
    tasks = [replace(table.task, task_id=f"{table.name}-similarity-{run}") for table in known.tables]
    client.create_search_space(space)
    for task in tasks:
        client.create_task(task)
    try:
        step("nothing recorded")
        told = {BEFORE: matrix(tasks, weights(ask(client, tasks, space.search_space_id)))}
        step("recording")
        drawn = random.Random(f"similarity/{seed}").sample(known.candidates, observations)
        record(client, known.tables, tasks, space.search_space_id, drawn)
        step("profiles")
        answers = profiled(client, tasks, space.search_space_id)
        told |= {name: matrix(tasks, evidence(answers, kind)) for kind, name in NAMES.items()}
        told[ORDER] = matrix(tasks, weights(answers))
    finally:
        for task in tasks:
            client.delete_task(task.task_id)
    return SeedResult(seed, {name: score(values, known.likeness) for name, values in told.items()}, told)


def record(
    client: headstart.Client,
    tables: Sequence[Table],
    tasks: Sequence[Task],
    space_id: str,
    candidates: Sequence[Candidate],
) -> None:
    records = [
        Record(task.task_id, space_id, candidate, completed(value))
        for table, task in zip(tables, tasks, strict=True)
        for candidate in candidates
        if (value := table.value(candidate)) is not None
    ]
    client.record_many(records, chunk_size=len(records))


def profiled(client: headstart.Client, tasks: Sequence[Task], space_id: str) -> dict[str, list[SimilarTask]]:
    """What the service says once its worker has made the profiles of all tasks."""
    deadline = time.monotonic() + PROFILE_SECONDS
    while time.monotonic() < deadline:
        answers = ask(client, tasks, space_id)
        profiles = evidence(answers, SimilarityKind.PERFORMANCE_PROFILE)
        if all(len(of_task) == len(tasks) - 1 for of_task in profiles.values()):
            return answers
        time.sleep(1.0)
    raise ServiceProblem(f"no profiles of the tasks in {space_id} after {PROFILE_SECONDS:.0f} s: is a worker running?")


def ask(client: headstart.Client, tasks: Sequence[Task], space_id: str) -> dict[str, list[SimilarTask]]:
    own = {task.task_id for task in tasks}
    return {
        task_id: [
            found
            for found in client.search_tasks(task_id, search_space_id=space_id, count=1000, timeout=60)
            if found.task_id in own
        ]
        for task_id in sorted(own)
    }


def weights(answers: Mapping[str, Sequence[SimilarTask]]) -> Told:
    return {task_id: {found.task_id: found.weight for found in of_task} for task_id, of_task in answers.items()}


def evidence(answers: Mapping[str, Sequence[SimilarTask]], kind: SimilarityKind) -> Told:
    return {
        task_id: {found.task_id: basis.value for found in of_task for basis in found.basis if basis.kind is kind}
        for task_id, of_task in answers.items()
    }


def matrix(tasks: Sequence[Task], told: Told) -> Matrix:
    """[tasks, tasks], NaN where nothing was said."""
    return np.array([[told[one.task_id].get(other.task_id, np.nan) for other in tasks] for one in tasks])


def score(told: Matrix, likeness: Matrix) -> float:
    """Mean over the tasks of the rank correlation with the true likeness of the others; without any order it is 0."""
    found = []
    for place in range(len(told)):
        others = np.arange(len(told)) != place
        correlation = spearmanr(told[place, others], likeness[place, others], nan_policy="omit").statistic
        found.append(0.0 if np.isnan(correlation) else float(correlation))
    return float(np.mean(found))


def spreads(results: Sequence[SeedResult]) -> dict[str, Spread]:
    return {name: bootstrap([result.scores[name] for result in results]) for name in ROWS}


def print_table(console: Console, options: argparse.Namespace, figures: Mapping[str, Spread], known: Truth) -> None:
    grid = Grid(
        title=f"Likeness of 8 tasks of NAS-Bench-Graph, {options.observations} architectures recorded on all of them, "
        f"{options.seeds} seeds (mean and 95 % interval)"
    )
    grid.add_column("the other tasks ranked by")
    grid.add_column("rank correlation with the truth", justify="right")
    for name, spread in figures.items():
        grid.add_row(name, f"{spread:.3f}")
    console.print(grid)
    console.print(f"truth: Spearman correlation over {len(known.candidates):,} architectures of the full tables")
    about = machine()
    console.print(f"machine: {about['processor']}, {about['cores']} cores; commit {commit()}")


def save(
    options: argparse.Namespace, figures: Mapping[str, Spread], results: Sequence[SeedResult], known: Truth
) -> None:
    write_json(
        options.results,
        {
            "benchmark": "knowledge_base_task_similarity",
            "command": "python -m benchmarks.knowledge_base.task_similarity" + (" --quick" if options.quick else ""),
            "table": "NAS-Bench-Graph, validation accuracy, the eight tasks of the shared space",
            "tasks": [table.name for table in known.tables],
            "observations": options.observations,
            "seeds": [result.seed for result in results],
            "architectures": len(known.candidates),
            "true_spearman": known.likeness.round(4).tolist(),
            "figures": dict(figures),
            "by_seed": [{"seed": result.seed, "rank_correlation": result.scores} for result in results],
        },
    )
    draw(options.image, options.observations, figures, results[0], known)


def draw(path: Path, observations: int, figures: Mapping[str, Spread], one: SeedResult, known: Truth) -> None:
    """Measured against true likeness of one seed, and the score of every kind of evidence with its interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.2), width_ratios=(2, 3), layout="constrained")
    upper = np.triu_indices(len(known.likeness), 1)
    for kind, marker in ((SimilarityKind.MEASURED_AGREEMENT, "o"), (SimilarityKind.PERFORMANCE_PROFILE, "x")):
        label = NAMES[kind].removesuffix(" alone")
        left.scatter(known.likeness[upper], one.told[NAMES[kind]][upper], marker=marker, s=22, label=label)
    left.set(xlabel="Spearman correlation of the full tables", ylabel="Kendall tau told by the service")
    left.set_title(f"28 pairs of tasks, seed {one.seed}")
    left.legend(frameon=False)
    names = list(figures)[::-1]
    means = [figures[name].mean for name in names]
    errors = [
        [figures[name].mean - figures[name].lower for name in names],
        [figures[name].upper - figures[name].mean for name in names],
    ]
    colours = ["tab:blue" if name == ORDER else "lightsteelblue" for name in names]
    right.barh(names, means, xerr=errors, color=colours, capsize=3)
    for row, mean in enumerate(means):
        right.text(0.02, row, f"{mean:.2f}", va="center")
    right.axvline(0.8, color="black", linewidth=0.8, linestyle="--")
    right.set(xlim=(min(0.0, *means) - 0.05, 1), xlabel="rank correlation with the true likeness")
    right.set_title(f"{observations} architectures recorded on every task")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.knowledge_base.task_similarity",
        description="Whether the service knows which tasks are alike.",
    )
    add_address_option(parser)
    parser.add_argument("--observations", type=int, default=60, help="architectures recorded (%(default)s)")
    parser.add_argument("--seeds", type=int, default=20, help="repetitions with other architectures (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="two seeds")
    parser.add_argument(
        "--results", type=Path, default=RESULTS / "knowledge_base_task_similarity.json", help="where the figures go"
    )
    parser.add_argument(
        "--image", type=Path, default=IMAGES / "knowledge_base_task_similarity.png", help="where the picture goes"
    )
    options = parser.parse_args()
    if options.quick:
        options.seeds = 2
    return options


def main() -> int:
    options = arguments()
    console = Console()
    try:
        known = truth()
        results = []
        with bars(console) as progress:
            bar = progress.add_task(f"{options.observations} observations, by seed", total=options.seeds, note="")
            for seed in range(options.seeds):

                def step(what: str, seed: int = seed) -> None:
                    progress.update(bar, note=f"seed {seed}: {what}")

                # A service that has learned nothing from the seeds before, unless it is somebody's own.
                with running_service(options.address, step) as address, headstart.connect(address) as client:
                    results.append(measure(client, known, options.observations, seed, step))
                progress.advance(bar)
            progress.update(bar, note="")
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    figures = spreads(results)
    print_table(console, options, figures, known)
    save(options, figures, results, known)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
