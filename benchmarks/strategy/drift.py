"""The best arm changes in the middle of a search: how much is lost until the selection has followed?

    python -m benchmarks.strategy.drift [--quick] [--address HOST:PORT]

Five arms give results with normal noise. In "steady" the best arm stays; in "swap" the best and the worst change places
half way; in "fading" each arm's results sink the more often it is pulled, the best one's fastest, as a strategy's do
that has found what it can find. Every choice is asked of a running service (SelectStrategy, RecordExperiment); beside
it, on the same arms, play UCB1 (Auer, Cesa-Bianchi and Fischer, Machine Learning 2002) and Gaussian Thompson sampling
on the values themselves, scaled by what they have seen. Regret of a pull is the mean of the arm that is best at that
moment less the mean of the one taken; the oracle has none.
"""

from __future__ import annotations

import argparse
import math
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.table import Table as Sheet

import headstart
from benchmarks.progress import bars
from benchmarks.report import IMAGES, RESULTS, Spread, bootstrap, write_json
from benchmarks.service import add_address_option, running_service
from headstart.spaces import Candidate, Float, Parameter, SearchSpace

PULLS = 200
SEEDS = 10
QUICK_SEEDS = 1
NOISE = 0.5
MEANS = (1.0, 0.75, 0.5, 0.25, 0.0)
SPACE = SearchSpace("drift", (Parameter("result", Float(-100.0, 100.0)),), description="Results of arms that drift")

# The mean of each arm, given the number of the pull and how often each arm was pulled before.
World = Callable[[int, Sequence[int]], Sequence[float]]


def steady(pull: int, counts: Sequence[int]) -> Sequence[float]:
    return MEANS


def swap(pull: int, counts: Sequence[int]) -> Sequence[float]:
    return MEANS if pull < PULLS // 2 else MEANS[::-1]


def fading(pull: int, counts: Sequence[int]) -> Sequence[float]:
    return [mean * math.exp(-count * (0.5 + mean) / 60.0) for mean, count in zip(MEANS, counts, strict=True)]


WORLDS: Mapping[str, World] = {"steady": steady, "swap": swap, "fading": fading}


class Player(Protocol):
    def pull(self) -> int:
        """The arm to pull next."""
        ...

    def tell(self, arm: int, value: float) -> None:
        """What the pull gave."""
        ...


@dataclass
class Headstart:
    """Asks the service."""

    client: headstart.Client
    task_id: str
    seed: int
    _spent: int = 0
    _decision_id: str = ""

    def __post_init__(self) -> None:
        self.client.create_task(headstart.Task(self.task_id, headstart.Objective("result")))

    def pull(self) -> int:
        arms = [f"arm-{number}" for number in range(len(MEANS))]
        [decision] = self.client.select_strategy(self.task_id, arms, spent_budget=self._spent, total_budget=PULLS)
        self._decision_id = decision.decision_id
        return arms.index(decision.arm)

    def tell(self, arm: int, value: float) -> None:
        self._spent += 1
        self.client.record(
            self.task_id,
            SPACE.search_space_id,
            Candidate({"result": value}),
            headstart.completed(value),
            decision_id=self._decision_id,
        )


@dataclass
class _OnValues:
    """``rewards`` of each arm, on the scale of all values seen: 0 the least, 1 the greatest."""

    seed: int
    _values: list[list[float]] = field(default_factory=lambda: [[] for _ in MEANS])

    def tell(self, arm: int, value: float) -> None:
        self._values[arm].append(value)

    def scaled(self) -> list[np.ndarray]:
        seen = [value for values in self._values for value in values]
        least, width = min(seen), max(max(seen) - min(seen), 1e-9)
        return [(np.array(values) - least) / width for values in self._values]


@dataclass
class UpperConfidenceBound(_OnValues):
    def pull(self) -> int:
        untried = [arm for arm, values in enumerate(self._values) if not values]
        if untried:
            return untried[0]
        total = sum(map(len, self._values))
        bounds = [each.mean() + math.sqrt(2 * math.log(total) / len(each)) for each in self.scaled()]
        return int(np.argmax(bounds))


@dataclass
class ThompsonSampling(_OnValues):
    def __post_init__(self) -> None:
        self._generator = np.random.default_rng(self.seed)

    def pull(self) -> int:
        untried = [arm for arm, values in enumerate(self._values) if not values]
        if untried:
            return untried[0]
        each = self.scaled()
        spread = float(np.concatenate(each).std()) or 1.0
        drawn = [self._generator.normal(rewards.mean(), spread / math.sqrt(len(rewards))) for rewards in each]
        return int(np.argmax(drawn))


def play(player: Player, world: World, seed: int) -> list[float]:
    """Regret after each pull, summed."""
    generator = np.random.default_rng((seed, 7))
    # The best arm is not always the first one.
    order = generator.permutation(len(MEANS))
    counts = [0] * len(MEANS)
    regrets: list[float] = []
    for pull in range(PULLS):
        means = world(pull, counts)
        place = int(order[player.pull()])
        told = int(np.flatnonzero(order == place)[0])
        player.tell(told, float(generator.normal(means[place], NOISE)))
        regrets.append((regrets[-1] if regrets else 0.0) + max(means) - means[place])
        counts[place] += 1
    return regrets


def measure(client: headstart.Client, seeds: int, console: Console) -> dict[str, dict[str, list[list[float]]]]:
    """By world and player, a curve for each seed. Tasks of earlier seeds are removed: none is a past for the next."""
    client.create_search_space(SPACE)
    found: dict[str, dict[str, list[list[float]]]] = {}
    with bars(console) as progress:
        bar = progress.add_task("drift", total=len(WORLDS) * seeds, note="")
        for name, world in WORLDS.items():
            curves: dict[str, list[list[float]]] = {"Headstart": [], "UCB1": [], "Thompson": []}
            for seed in range(seeds):
                progress.update(bar, note=f"{name}, seed {seed}")
                task_id = f"drift-{name}-{seed}-{uuid.uuid4().hex[:8]}"
                players: Mapping[str, Callable[[int], Player]] = {
                    "Headstart": partial(Headstart, client, task_id),
                    "UCB1": UpperConfidenceBound,
                    "Thompson": ThompsonSampling,
                }
                for label, make in players.items():
                    curves[label].append(play(make(seed), world, seed))
                client.delete_task(task_id)
                progress.advance(bar)
            found[name] = curves
    return found


def summary(found: Mapping[str, Mapping[str, list[list[float]]]]) -> dict[str, dict[str, Spread]]:
    """Regret at the end, by world and player; and in "swap", of the second half alone."""
    told: dict[str, dict[str, Spread]] = {}
    for world, curves in found.items():
        told[world] = {label: bootstrap([curve[-1] for curve in each]) for label, each in curves.items()}
        if world == "swap":
            half = PULLS // 2 - 1
            told["after the swap"] = {
                label: bootstrap([curve[-1] - curve[half] for curve in each]) for label, each in curves.items()
            }
    return told


def report(figures: Mapping[str, Mapping[str, Spread]], console: Console) -> None:
    sheet = Sheet(title=f"Regret over {PULLS} pulls of {len(MEANS)} arms, oracle 0")
    labels = list(next(iter(figures.values())))
    for heading in ("world", *labels):
        sheet.add_column(heading, justify="left" if heading == "world" else "right")
    for world, row in figures.items():
        sheet.add_row(world, *(f"{row[label]:.1f}" for label in labels))
    console.print(sheet)


def draw(found: Mapping[str, Mapping[str, list[list[float]]]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (world, curves) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        for label, each in curves.items():
            lines = np.array(each)
            low, high = np.quantile(lines, [0.1, 0.9], axis=0)
            axes.plot(range(1, PULLS + 1), lines.mean(axis=0), label=label)
            axes.fill_between(range(1, PULLS + 1), low, high, alpha=0.15)
        axes.set(title=world, xlabel="pulls", ylabel="regret")
        axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Arms that drift.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} seeds, nothing written")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    add_address_option(parser)
    options = parser.parse_args(arguments)
    console = Console(width=None if os.isatty(1) else 120)
    with ExitStack() as stack:
        address = stack.enter_context(running_service(options.address, console.print))
        client = stack.enter_context(headstart.connect(address))
        found = measure(client, QUICK_SEEDS if options.quick else options.seeds, console)
    figures = summary(found)
    report(figures, console)
    if not options.quick:
        write_json(
            RESULTS / "strategy_drift.json",
            {"benchmark": "strategy_drift", "pulls": PULLS, "seeds": options.seeds, "regret": figures},
        )
        draw(found, IMAGES / "strategy_drift.png")


if __name__ == "__main__":
    main()
