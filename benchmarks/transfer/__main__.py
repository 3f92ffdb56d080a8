"""Whether a fine-tuning plan is worth following: small networks trained on one data set and tuned on another.

Digits and breast cancer cells as scikit-learn brings them, and shifts of them (``pairs``): a network is trained on a
source with hundreds of examples; the service is told of the tasks of all pairs by their meta-features, and asked by
TransferArchitecture for the target's candidate and a plan; the network is tuned on 5 or 20 examples of each class.
Three ways, with as many epochs, the same optimizer and the same learning rate: by the plan (``headstart.torch``), all
layers at once, and from scratch without the source. Reported is the accuracy on what is left of the target. Constants
of the plan and the learning rate were chosen on other pairs, with other seeds (``--chosen-on`` measures those).

    python -m benchmarks.transfer [--quick] [--address HOST:PORT] [--seeds N]

writes benchmarks/results/transfer.json and docs/img/transfer.png.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, bootstrap, commit, machine, write_json
from benchmarks.service import ServiceProblem, add_address_option, running_service
from benchmarks.transfer import tuning
from benchmarks.transfer.pairs import CHOSEN_ON, REPORTED, Data, Pair, pair
from benchmarks.transfer.pictures import draw
from headstart import Candidate, FineTuningPlan, Integer, Objective, Parameter, ParameterRole, SearchSpace, Task
from headstart.errors import HeadstartError, NotFound

PLAN, FULL, SCRATCH = "plan", "full fine-tuning", "from scratch"
METHODS = (PLAN, FULL, SCRATCH)
WIDTH = 16
LEARNING_RATE = 3e-3
FIRST_CHOSEN_SEED = 100

# The width has no role: weights are to be kept, and would not fit a network of another one.
SPACE = SearchSpace(
    "benchmark-transfer",
    (
        Parameter("classes", Integer(2, 100), role=ParameterRole.OUTPUT_UNITS),
        Parameter("width", Integer(4, 256, logarithmic=True)),
    ),
    description="Small networks of the benchmark of fine-tuning plans",
)


@dataclass(frozen=True)
class Run:
    """One pair with so many examples of each class, by one method; ``accuracy`` on the target's test examples."""

    pair: str
    per_class: int
    seed: int
    method: str
    accuracy: float


@dataclass(frozen=True)
class Asked:
    """What the service said of a pair: units of the last layer, a plan, and the Kendall tau that it expects."""

    classes: int
    plan: FineTuningPlan
    tau: float


# Tasks of the source and of the target, by pair and number of examples of a class.
Places = dict[tuple[str, int], tuple[str, str]]


def describe(task_id: str, own: Pair, data: Data) -> Task:
    inputs = data.inputs[..., None] if own.image else data.inputs
    kind: Any = "image" if own.image else "table"
    options: dict[str, Any] = {"value_range": (0.0, 1.0)} if own.image else {}
    found = headstart.metafeatures.describe(inputs, data.labels, kind=kind, **options)
    return Task(
        task_id, Objective("accuracy"), own.name, descriptor=found.descriptor, meta_features=found.meta_features
    )


@contextmanager
def declared(client: headstart.Client, names: Sequence[str], sizes: Sequence[int], seed: int) -> Iterator[Places]:
    """All tasks of a seed at once, until the end: how near two of them are is measured by how far apart all are."""
    client.create_search_space(SPACE)
    places: Places = {}
    made: list[str] = []
    try:
        for name in names:
            source = f"transfer-source-{uuid.uuid4().hex[:12]}"
            made.append(source)
            client.create_task(describe(source, own := pair(name, seed, sizes[0]), own.source))
            for per_class in sizes:
                target = f"transfer-target-{uuid.uuid4().hex[:12]}"
                made.append(target)
                client.create_task(describe(target, own := pair(name, seed, per_class), own.train))
                places[name, per_class] = source, target
        yield places
    finally:
        for task_id in made:
            with suppress(NotFound):
                client.delete_task(task_id)


def ask(client: headstart.Client, own: Pair, source: str, target: str) -> Asked:
    """What the service says to a user with a network of the source."""
    candidate = Candidate({"classes": own.source.classes, "width": WIDTH})
    [told] = client.transfer_architecture(SPACE.search_space_id, candidate, source, target).architectures
    assert told.plan is not None and told.transferability is not None
    return Asked(int(told.candidate.values["classes"]), told.plan, told.transferability.mean)


def tuned(asked: Asked, own: Pair, source: torch.nn.Module, seed: int) -> dict[str, float]:
    """Accuracy of each method."""
    epochs = sum(stage.epochs for stage in asked.plan.stages)
    rate = LEARNING_RATE
    models = {
        PLAN: tuning.by_plan(source, own.train, asked.classes, asked.plan, rate, seed),
        FULL: tuning.all_at_once(source, own.train, asked.classes, epochs, rate, seed),
        SCRATCH: tuning.from_scratch(own.train, WIDTH, epochs, rate, seed),
    }
    return {method: tuning.accuracy(model, own.test) for method, model in models.items()}


def measure(options: argparse.Namespace, console: Console) -> tuple[list[Run], dict[tuple[str, int], list[Asked]]]:
    """All runs, and what the service said of each pair and size, by seed."""
    runs: list[Run] = []
    told: dict[tuple[str, int], list[Asked]] = {}
    with (
        running_service(options.address, console.print) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        total = len(options.pairs) * len(options.seeds) * len(options.per_class)
        bar = progress.add_task("pairs", total=total, note="")
        for seed in options.seeds:
            with declared(client, options.pairs, options.per_class, seed) as places:
                answers = {key: ask(client, pair(key[0], seed, key[1]), *place) for key, place in places.items()}
            for name in options.pairs:
                source: torch.nn.Module | None = None
                for per_class in options.per_class:
                    own = pair(name, seed, per_class)
                    # The source is the same for every number of the target's examples.
                    source = source or tuning.pretrained(own.source, WIDTH, options.pretraining_epochs, seed)
                    asked = answers[name, per_class]
                    told.setdefault((name, per_class), []).append(asked)
                    found = tuned(asked, own, source, seed)
                    runs += [Run(name, per_class, seed, method, value) for method, value in found.items()]
                    progress.update(bar, advance=1, note=f"{name}, {per_class} of a class")
    return runs, told


def figures_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each pair and size: accuracies by seed, their means, and what the plan gains, seed by seed."""
    told = []
    for name, per_class in dict.fromkeys((run.pair, run.per_class) for run in runs):
        by_method = {
            method: [r.accuracy for r in runs if (r.pair, r.per_class, r.method) == (name, per_class, method)]
            for method in METHODS
        }
        told.append(
            {
                "pair": name,
                "per_class": per_class,
                "accuracy": {method: bootstrap(values) for method, values in by_method.items()},
                "gain": {other: bootstrap(_gains(by_method, other)) for other in (FULL, SCRATCH)},
                "by_seed": by_method,
            }
        )
    return told


def overall(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean gains of the plan over all pairs, for each number of examples; an interval over the seeds' means."""
    told: dict[str, Any] = {}
    for per_class in dict.fromkeys(own["per_class"] for own in figures):
        mine = [own["by_seed"] for own in figures if own["per_class"] == per_class]
        told[str(per_class)] = {
            other: bootstrap(
                [sum(gains) / len(gains) for gains in zip(*(_gains(own, other) for own in mine), strict=True)]
            )
            for other in (FULL, SCRATCH)
        }
    return told


def _gains(by_method: dict[str, list[float]], other: str) -> list[float]:
    return [plan - reference for plan, reference in zip(by_method[PLAN], by_method[other], strict=True)]


def print_table(console: Console, figures: Sequence[dict[str, Any]], seeds: int) -> None:
    grid = Grid(title=f"Accuracy on the target, mean of {seeds} seeds with 95 % intervals")
    grid.add_column("source to target")
    for heading in ("of a class", *METHODS, "plan - full", "plan - scratch"):
        grid.add_column(heading, justify="right")
    for own in figures:
        accuracies = [f"{own['accuracy'][method]:.3f}" for method in METHODS]
        gains = [f"{own['gain'][other]:+.3f}" for other in (FULL, SCRATCH)]
        grid.add_row(own["pair"], str(own["per_class"]), *accuracies, *gains)
    for per_class, gains_of in overall(figures).items():
        grid.add_row("all", per_class, "", "", "", *(f"{gains_of[other]:+.3f}" for other in (FULL, SCRATCH)))
    console.print(grid)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add_address_option(parser)
    parser.add_argument("--seeds", type=int, default=5, help="how many (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="two pairs, one seed, a short training of the source")
    parser.add_argument(
        "--chosen-on", action="store_true", help="the pairs and seeds that constants were chosen on, instead"
    )
    parser.add_argument("--results", type=Path, default=RESULTS / "transfer.json", help="where the figures go")
    parser.add_argument("--image", type=Path, default=IMAGES / "transfer.png", help="where the picture goes")
    options = parser.parse_args(arguments)
    options.pairs = list(CHOSEN_ON if options.chosen_on else REPORTED)
    options.per_class, options.pretraining_epochs = (5, 20), tuning.PRETRAINING_EPOCHS
    if options.quick:
        options.pairs, options.seeds = [options.pairs[0], options.pairs[-1]], 1
        options.per_class, options.pretraining_epochs = (5,), 5
    first = FIRST_CHOSEN_SEED if options.chosen_on else 0
    options.seeds = range(first, first + options.seeds)
    # Small layers: more threads only wait for each other.
    torch.set_num_threads(1)
    console = Console()
    try:
        runs, told = measure(options, console)
    except (ServiceProblem, HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    figures = figures_of(runs)
    for own in figures:
        asked = told[own["pair"], own["per_class"]]
        own["expected_tau"] = [each.tau for each in asked]
        own["plans"] = [[asdict(stage) for stage in each.plan.stages] for each in asked]
    print_table(console, figures, len(options.seeds))
    write_json(
        options.results,
        {
            "benchmark": "transfer",
            "command": "python -m benchmarks.transfer"
            + (" --quick" if options.quick else "")
            + (" --chosen-on" if options.chosen_on else ""),
            "seeds": list(options.seeds),
            "learning_rate": LEARNING_RATE,
            "settings_chosen_on": list(CHOSEN_ON),
            "figures": figures,
            "overall_gain": overall(figures),
        },
    )
    draw(options.image, figures, METHODS)
    console.print(f"Written: {options.results} and {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
