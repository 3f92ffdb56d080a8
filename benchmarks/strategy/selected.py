"""Searches that ask SelectStrategy before each evaluation, on every task of protocol S, with and without a past.

    python -m benchmarks.strategy.selected [--seeds 10] [--curves FILE.npz] [--modes none task space] [--part 1/2]

``none``: the service knows nothing but the search at hand. ``task``: it remembers a search of 200 evaluations on each
of the other 22 tasks. ``space``: only those on tasks of other search spaces. The past is recorded by the service
itself, task after task, each search with what those before it had taught; from it the worker learns, for each fold
anew, after all that touches the fold has been deleted.

The searches propose with the same strategies as ``fixed``, at their defaults; WarmStart and PredictPerformance are not
asked, so that what differs is the selection alone. Curves that are in the file are not measured again.
"""

from __future__ import annotations

import argparse
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID

import headstart
from benchmarks.progress import bars
from benchmarks.strategy.curves import Curves, load_curves
from benchmarks.strategy.databases import Databases, learn_strategies, own_databases, serving
from benchmarks.strategy.fixed import CURVES, fixed_portfolio
from benchmarks.strategy.tasks import BUDGET, SHORT_BUDGET, StrategyTask, strategy_task, strategy_tasks
from headstart.search import Advice, Optimizer

MODES = ("none", "task", "space")
# Of the recorded past; those that are measured begin at 0.
_PAST_SEED = 1_000_000
# Names of the curves: mode and budget, which the service is told.
NAMES = tuple(f"{mode}-{budget}" for mode in MODES for budget in (SHORT_BUDGET, BUDGET))
SELECTED = CURVES.with_name("strategy_selected.npz")


def arms() -> dict[str, Optimizer]:
    """The fixed strategies, without ranges of their settings: as in ``fixed``."""
    known = fixed_portfolio()
    return {name: replace(each, hyperparameters=(), defaults={}, build=each.strategy) for name, each in known.items()}


def search(client: headstart.Client, task: StrategyTask, task_id: str, seed: int, budget: int) -> list[float]:
    """The regret curve of one search on a new task of the service."""
    client.create_search_space(task.space)
    client.create_task(replace(task.table.task, task_id=task_id))
    result = headstart.search(
        client,
        task_id,
        task.space,
        task.evaluate,
        budget,
        strategies=arms(),
        advice=Advice(warm_start_share=0.0, predict=False),
        seed=task.seed(seed),
        worker_id="",
    )
    curve = task.curve([task.score(step.candidate) for step in result.steps], budget)
    return curve + [np.nan] * (BUDGET - budget)


class Measuring:
    """Fills the missing curves, and writes them down as they come."""

    def __init__(self, path: Path, tasks: Sequence[StrategyTask], seeds: int, progress: Progress, bar: TaskID) -> None:
        self._path = path
        self._tasks = tasks
        self._progress = progress
        self._bar = bar
        names, spaces = tuple(task.name for task in tasks), tuple(task.benchmark for task in tasks)
        regrets = np.full((len(NAMES), len(tasks), seeds, BUDGET), np.nan)
        if path.exists():
            known = load_curves(path)
            seeds_known = min(seeds, known.regrets.shape[2])
            regrets[:, :, :seeds_known] = known.regrets[:, :, :seeds_known]
        self.curves = Curves(NAMES, names, spaces, regrets)

    def missing(self, mode: str, columns: Sequence[int]) -> list[tuple[int, int, int]]:
        """Rows of names, columns of tasks, seeds."""
        rows = [row for row, name in enumerate(NAMES) if name.startswith(f"{mode}-")]
        found = np.argwhere(np.isnan(self.curves.regrets[..., 0]))
        chosen = [(int(row), int(column), int(seed)) for row, column, seed in found]
        return sorted((each for each in chosen if each[0] in rows and each[1] in columns), key=lambda each: each[2])

    def run(self, client: headstart.Client, missing: Sequence[tuple[int, int, int]]) -> None:
        for row, column, seed in missing:
            task, budget = self._tasks[column], int(NAMES[row].rpartition("-")[2])
            self._progress.update(self._bar, note=f"{NAMES[row]}, seed {seed}, {task.name}")
            task_id = f"{task.table.task.task_id}-{uuid.uuid4().hex[:8]}"
            self.curves.regrets[row, column, seed] = search(client, task, task_id, seed, budget)
            # None of the measured searches is a past for another.
            client.delete_task(task_id)
            self._progress.advance(self._bar)
            self.curves.save(self._path)


@contextmanager
def fold(databases: Databases, template: str, forget: Sequence[str]) -> Iterator[headstart.Client]:
    """A service on a copy of a database in which some tasks are forgotten; the worker has learned from the others."""
    with databases.copy(template) as name:
        url = databases.url(name)
        with serving(url) as address, headstart.connect(address) as client:
            for task_id in forget:
                client.delete_task(task_id)
            if template == Databases.past:
                learn_strategies(url)
            yield client


def record_past(databases: Databases, tasks: Sequence[StrategyTask], progress: Progress, bar: TaskID) -> None:
    """One search on each task, by the service on its own, with what it has learned from those before."""
    with databases.copy(Databases.empty) as name:
        with serving(databases.url(name)) as address, headstart.connect(address) as client:
            for number, task in enumerate(tasks):
                progress.update(bar, note=task.name)
                search(client, task, past_id(task), _PAST_SEED + number, BUDGET)
                progress.advance(bar)
        databases.keep(name)


def past_id(task: StrategyTask) -> str:
    return f"past-{task.table.task.task_id}"


def measure(path: Path, seeds: int, modes: Sequence[str], part: tuple[int, int], console: Console) -> Curves:
    """The curves of those tasks whose number leaves ``part[0] - 1`` when divided by ``part[1]``."""
    tasks = strategy_tasks()
    columns = [column for column in range(len(tasks)) if column % part[1] == part[0] - 1]
    with bars(console) as progress, own_databases() as databases:
        bar = progress.add_task("selected", total=None, note="")
        measuring = Measuring(path, tasks, seeds, progress, bar)
        total = sum(len(measuring.missing(mode, columns)) for mode in modes)
        progress.update(bar, total=total)
        if "none" in modes:
            with fold(databases, Databases.empty, []) as client:
                measuring.run(client, measuring.missing("none", columns))
        if any(measuring.missing(mode, columns) for mode in modes if mode != "none"):
            past = progress.add_task("the past", total=len(tasks), note="")
            record_past(databases, tasks, progress, past)
        for mode in ("task", "space"):
            for column in columns if mode in modes else ():
                missing = measuring.missing(mode, [column])
                if missing:
                    task = tasks[column]
                    other = [each for each in tasks if each is task or (mode == "space" and each.space == task.space)]
                    with fold(databases, Databases.past, [past_id(each) for each in other]) as client:
                        measuring.run(client, missing)
    return measuring.curves


def quick(console: Console) -> None:
    """A search on each of two tasks, without a past."""
    tasks = [strategy_task("nas-bench-201", "cifar10"), strategy_task("hpobench", "car")]
    with bars(console) as progress, own_databases() as databases, fold(databases, Databases.empty, []) as client:
        bar = progress.add_task("quick", total=len(tasks), note="")
        for task in tasks:
            areas = []
            for seed in range(1):
                curve = search(client, task, f"quick-{seed}", seed, SHORT_BUDGET)[:SHORT_BUDGET]
                client.delete_task(f"quick-{seed}")
                areas.append(float(np.mean(curve)))
                progress.advance(bar)
            console.print(f"{task.name}: regret area to {SHORT_BUDGET}: {', '.join(f'{area:.3f}' for area in areas)}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Searches that ask for a strategy before each evaluation.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--curves", type=Path, default=SELECTED, help="where curves are kept (%(default)s)")
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--part", default="1/1", help="of the tasks, for several processes with files of their own")
    options = parser.parse_args(arguments)
    console = Console(width=None if os.isatty(1) else 150)
    number, _, parts = options.part.partition("/")
    measure(options.curves, options.seeds, options.modes, (int(number), int(parts)), console)


if __name__ == "__main__":
    main()
