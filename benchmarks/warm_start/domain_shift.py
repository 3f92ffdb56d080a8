"""Whether past results should be reweighted by importance, and scales aligned by ranks, when a task's data shift.

A source's results teach a Gaussian process, which is asked to rank where the search of another task goes. Three ways:
on the ranks of the results (as the service does), on their values, and on ranks with each result weighted by how likely
a candidate like it is in the target's search (density ratio by logistic regression: Bickel, Bruckner and Scheffer, JMLR
2009). Five kinds of past: as evolution left it; on another scale; with label noise as large as the signal; with a tenth
of the runs diverged; and from one part of the space only. Figure: Kendall tau, mean over pairs of NAS-Bench-Graph tasks
and seeds.

    python -m benchmarks.warm_start.domain_shift [--quick]

works in this process, without a service; writes benchmarks/results/domain_shift.json and docs/img/domain_shift.png.
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as Grid
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.linear_model import LogisticRegression

from benchmarks.history import cold_search
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, bootstrap, commit, machine, write_json
from benchmarks.tables import MissingTable, Table, nas_bench_graph_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS
from headstart.spaces import Candidate, canonicalize, sample
from headstart_server.knowledge.similarity.rank_correlation import kendall_tau
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.normal_scores import normal_scores

RANKS, VALUES, IMPORTANCE = "ranks", "values", "ranks, by importance"
WAYS = (RANKS, VALUES, IMPORTANCE)
# Results of the target that tell where its search goes, and of a source.
_SEEN, _OF_SOURCE = 40, 250

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Past:
    features: Vector
    values: Vector


def results_of(table: Table, candidates: Sequence[Candidate], features: StructuralFeatures) -> Past:
    """Of distinct candidates that the table holds."""
    forms = [(canonicalize(table.space, each), each) for each in candidates]
    distinct = {form.fingerprint: (form, each) for form, each in forms}.values()
    told = [(form, table.value(each)) for form, each in distinct]
    known = [(each, value) for each, value in told if value is not None]
    sign = 1.0 if table.maximize else -1.0
    vectors = features.vectors([each for each, _ in known]).astype(np.float64)
    return Past(vectors, np.array([sign * value for _, value in known]))


def evolved(table: Table, seed: int) -> list[Candidate]:
    return [each.candidate for each in cold_search(table, seed)]


def one_part(table: Table, seed: int) -> list[Candidate]:
    """Drawn from the half of the space where the first parameter has one of its first choices."""
    generator = random.Random(f"part/{table.name}/{seed}")
    first = table.space.parameters[0]
    choices = first.domain.choices  # type: ignore[union-attr]
    allowed = set(choices[: len(choices) // 2])
    drawn = (sample(table.space, generator) for _ in range(4 * _OF_SOURCE))
    return [each for each in drawn if each.values[first.name] in allowed][:_OF_SOURCE]


def as_it_is(values: Vector, generator: np.random.Generator) -> Vector:
    return values


def other_scale(values: Vector, generator: np.random.Generator) -> Vector:
    return np.asarray(np.exp(2.0 * (values - values.max()) / values.std()))


def label_noise(values: Vector, generator: np.random.Generator) -> Vector:
    return np.asarray(values + values.std() * generator.normal(size=len(values)))


def diverged(values: Vector, generator: np.random.Generator) -> Vector:
    bad = generator.random(len(values)) < 0.1
    return np.where(bad, values.min() - 100.0 * values.std() * generator.random(len(values)), values)


SHIFTS: dict[str, tuple[Callable[[Table, int], list[Candidate]], Callable[..., Vector]]] = {
    "as evolution left it": (evolved, as_it_is),
    "another scale": (evolved, other_scale),
    "label noise": (evolved, label_noise),
    "a tenth diverged": (evolved, diverged),
    "one part of the space": (one_part, as_it_is),
}


def agreements(past: Past, near: Vector, later: Past) -> dict[str, float]:
    """Kendall tau of each way of learning from the past; ``near``: features of where the target has searched."""
    centre, spread = past.features.mean(axis=0), past.features.std(axis=0)
    varied = spread > 1e-6
    inputs, asked, around = (
        (each[:, varied] - centre[varied]) / spread[varied] / np.sqrt(varied.sum())
        for each in (past.features, later.features, near)
    )
    ranks = normal_scores(past.values, True)
    values = (past.values - past.values.mean()) / max(past.values.std(), 1e-12)
    by_ranks = GaussianProcessRegressor(Matern(nu=2.5) + WhiteKernel(0.3), normalize_y=True).fit(inputs, ranks)
    by_values = GaussianProcessRegressor(Matern(nu=2.5) + WhiteKernel(0.3), normalize_y=True).fit(inputs, values)
    noise = float(by_ranks.kernel_.k2.noise_level) / importance(inputs, around)
    weighted = GaussianProcessRegressor(by_ranks.kernel_.k1, alpha=noise, optimizer=None, normalize_y=True)
    told = {RANKS: by_ranks, VALUES: by_values, IMPORTANCE: weighted.fit(inputs, ranks)}
    # One that says the same of all ranks nothing.
    return {way: kendall_tau(process.predict(asked), later.values) or 0.0 for way, process in told.items()}


def importance(past: Vector, near: Vector) -> Vector:
    """Density of the target's candidates by that of the past's, at each of the past's, of mean 1, within 0.1 and 10."""
    which = np.r_[np.zeros(len(past)), np.ones(len(near))]
    model = LogisticRegression(max_iter=500, class_weight="balanced").fit(np.r_[past, near], which)
    chance = model.predict_proba(past)[:, 1]
    ratio = chance / np.maximum(1.0 - chance, 1e-6)
    return np.asarray(np.clip(ratio / ratio.mean(), 0.1, 10.0))


def measure(seeds: int, datasets: Sequence[str], console: Console) -> Iterator[tuple[str, dict[str, float]]]:
    """Kendall tau of each way, for every kind of past, pair of tasks and seed."""
    tables = {name: nas_bench_graph_table(name) for name in datasets}
    features = StructuralFeatures(feature_layout(next(iter(tables.values())).space))
    pairs = [(one, other) for one in tables for other in tables if one != other]
    with bars(console) as progress:
        bar = progress.add_task("pairs", total=len(pairs) * seeds, note="")
        for seed in range(seeds):
            for source, target in pairs:
                search = evolved(tables[target], 1000 + seed)
                near = results_of(tables[target], search[:_SEEN], features)
                later = results_of(tables[target], search[100:], features)
                for shift, (explored, changed) in SHIFTS.items():
                    generator = np.random.default_rng([seed, len(shift)])
                    past = results_of(tables[source], explored(tables[source], seed), features)
                    past = Past(past.features, changed(past.values, generator))
                    yield shift, agreements(past, near.features, later)
                progress.update(bar, advance=1, note=f"{source} to {target}")


def draw(path: Path, results: dict[str, dict[str, list[float]]]) -> None:
    figure = Figure(figsize=(8.5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, (way, colour) in enumerate(zip(WAYS, ("#009E73", "#56B4E9", "#E69F00"), strict=True)):
        spreads = [bootstrap(own[way]) for own in results.values()]
        places = np.arange(len(results)) + (number - 1) * 0.26
        lengths = [[s.mean - s.lower for s in spreads], [s.upper - s.mean for s in spreads]]
        axes.bar(places, [s.mean for s in spreads], 0.25, yerr=lengths, label=way, color=colour, capsize=2)
    axes.set_xticks(np.arange(len(results)), list(results))
    axes.set_ylabel("Kendall tau on the target")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start.domain_shift")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="two tasks, one seed")
    parser.add_argument("--results", type=Path, default=RESULTS / "domain_shift.json")
    parser.add_argument("--image", type=Path, default=IMAGES / "domain_shift.png")
    options = parser.parse_args(arguments)
    console = Console()
    datasets: Sequence[str] = SHARED_SPACE_DATASETS
    if options.quick:
        datasets, options.seeds = datasets[:2], 1
    results: dict[str, dict[str, list[float]]] = {}
    warnings.simplefilter("ignore", ConvergenceWarning)
    try:
        for shift, taus in measure(options.seeds, datasets, console):
            for way, tau in taus.items():
                results.setdefault(shift, {}).setdefault(way, []).append(tau)
    except MissingTable as problem:
        print(problem, file=sys.stderr)
        return 2
    grid = Grid(title="Kendall tau on the target: mean and 95 % interval over pairs of tasks and seeds")
    grid.add_column("past")
    for way in WAYS:
        grid.add_column(way, justify="right")
    grid.add_column("importance helps by", justify="right")
    figures: dict[str, Any] = {}
    for shift, own in results.items():
        gain = bootstrap([one - other for one, other in zip(own[IMPORTANCE], own[RANKS], strict=True)])
        figures[shift] = {**{way: bootstrap(own[way]) for way in WAYS}, "importance_gain": gain}
        grid.add_row(shift, *(f"{figures[shift][way]:.3f}" for way in WAYS), f"{gain:+.3f}")
    console.print(grid)
    console.print(f"machine  {machine()['processor']}; commit {commit()}")
    command = "python -m benchmarks.warm_start.domain_shift" + (" --quick" if options.quick else "")
    write_json(
        options.results, {"benchmark": "domain_shift", "command": command, "seeds": options.seeds, "pasts": figures}
    )
    draw(options.image, results)
    console.print(f"Drawn: {options.image}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
