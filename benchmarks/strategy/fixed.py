"""Every strategy of the portfolio that needs no service, alone, on every task of protocol S.

    python -m benchmarks.strategy.fixed [--seeds 10] [--curves FILE.npz] [--again NAME ...]

Runs take turns by seed, and what is in the file of curves is not run again: a run that was broken off goes on, and more
seeds are added to those that are there. ``--again`` measures strategies that have changed anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Sheet

from benchmarks.progress import bars
from benchmarks.strategy.curves import Curves, Headroom, headroom, load_curves
from benchmarks.strategy.tasks import BUDGET, SHORT_BUDGET, StrategyTask, strategy_tasks
from headstart.search import Optimizer, Strategy, default_strategies, search_without_service

# Outside the repository: curves are made again from the tables in less than an hour.
CURVES = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headstart" / "strategy_fixed.npz"


def fixed_portfolio() -> dict[str, Optimizer]:
    """The strategies that are compared, by name and with their defaults; none that a third party has installed."""
    known = default_strategies()
    return {name: known[name] for name in NAMES}


NAMES = (
    "random",
    "local_search",
    "regularized_evolution",
    "regularized_evolution_small",
    "genetic_algorithm",
    "tpe",
    "gaussian_process",
    "tree_ensemble",
)


def run(task: StrategyTask, strategy: Strategy, seed: int, budget: int = BUDGET) -> list[float]:
    """The regret curve of one search."""
    result = search_without_service(
        task.space,
        task.evaluate,
        budget,
        direction=task.direction,
        strategies={"fixed": strategy},
        seed=task.seed(seed),
    )
    return task.curve([task.score(step.candidate) for step in result.steps], budget)


def measure(
    path: Path, tasks: Sequence[StrategyTask], seeds: int, console: Console, again: Sequence[str] = ()
) -> Curves:
    """The curves of all. Those in the file are taken from it, the missing ones added, seed by seed and task by task."""
    portfolio = fixed_portfolio()
    names = tuple(portfolio)
    known = load_curves(path) if path.exists() else None
    regrets = np.full((len(names), len(tasks), seeds, BUDGET), np.nan)
    task_names, spaces = tuple(task.name for task in tasks), tuple(task.benchmark for task in tasks)
    if known is not None:
        for row, name in enumerate(names):
            for column, task in enumerate(task_names):
                if name in known.strategies and task in known.tasks and name not in again:
                    kept = known.regrets[known.strategies.index(name), known.tasks.index(task), :seeds]
                    regrets[row, column, : len(kept)] = kept
    missing = [tuple(map(int, each)) for each in np.argwhere(np.isnan(regrets[..., 0]))]
    missing.sort(key=lambda each: (each[2], each[1], each[0]))
    with bars(console) as progress:
        bar = progress.add_task("fixed strategies", total=len(missing), note="")
        for done, (row, column, seed) in enumerate(missing):
            progress.update(bar, note=f"seed {seed}: {names[row]} on {task_names[column]}")
            regrets[row, column, seed] = run(tasks[column], portfolio[names[row]].strategy(), seed)
            progress.advance(bar)
            if done + 1 == len(missing) or missing[done + 1][1:] != (column, seed):
                Curves(names, task_names, spaces, regrets).save(path)
    return Curves(names, task_names, spaces, regrets)


def report(curves: Curves, budget: int, console: Console) -> Headroom:
    """Prints the areas for each task and their means, and what choosing among the strategies could save."""
    areas = curves.areas(budget)
    found = headroom(areas)
    seeds = areas.shape[2]
    sheet = Sheet(title=f"Regret area, {budget} evaluations, mean of {seeds} seeds")
    for heading in ("task", *curves.strategies, "SBS", "VBS"):
        sheet.add_column(heading, justify="left" if heading == "task" else "right")
    means = areas.mean(axis=2)
    for index, task in enumerate(curves.tasks):
        row = [f"{value:.3f}" for value in means[:, index]]
        row[int(means[:, index].argmin())] += "*"
        sheet.add_row(task, *row, f"{found.sbs[index]:.3f}", f"{found.vbs[index]:.3f}")
    sheet.add_section()
    mean_row = [f"{value:.4f}" for value in means.mean(axis=1)]
    sheet.add_row("mean", *mean_row, f"{found.sbs.mean():.4f}", f"{found.vbs.mean():.4f}")
    console.print(sheet)
    for title, each in (("tasks", found), ("spaces", headroom(areas, curves.spaces))):
        console.print(
            f"SBS of the other {title} {each.sbs.mean():.4f}: headroom (SBS - VBS) / SBS {each.share:.3f}, "
            f"with VBS chosen on other seeds {each.honest_share:.3f}"
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fixed strategies on the tasks of protocol S.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--curves", type=Path, default=CURVES, help="where curves are kept (%(default)s)")
    parser.add_argument("--again", nargs="*", default=(), choices=NAMES, metavar="NAME", help="measure these anew")
    options = parser.parse_args(arguments)
    console = Console(width=None if os.isatty(1) else 220)
    curves = measure(options.curves, strategy_tasks(), options.seeds, console, options.again)
    for budget in (SHORT_BUDGET, BUDGET):
        report(curves, budget, console)


if __name__ == "__main__":
    main()
