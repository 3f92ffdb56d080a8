"""How well SelectStrategy chooses for a task it has no result of, from the past alone: ASlib scenarios, official folds.

    python -m benchmarks.strategy.algorithm_selection --data FOLDER

All is asked through the API; ``--in-process`` asks the prior itself instead, which takes a tenth of the time. Compared
with a random forest for each algorithm, in the same run. Feature costs are not counted, for no method.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks import report
from benchmarks.report import Spread
from benchmarks.service import ServiceProblem
from benchmarks.strategy import baseline
from benchmarks.strategy.pictures import draw
from benchmarks.strategy.scenarios import NAMES, Numbers, Scenario, closed_gap, load
from benchmarks.strategy.through_service import selection

RESULT = report.RESULTS / "algorithm_selection.json"
IMAGE = report.IMAGES / "algorithm_selection.png"
METHODS = {
    "headstart": "SelectStrategy",
    "forest_loss": "a random forest for each algorithm",
    "forest_logarithm": "the same on logarithms",
}
_RESAMPLES = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the scenarios (SCENARIO.npz)")
    parser.add_argument("--scenarios", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--most-tasks", type=int, help="so many tasks of a scenario at most, drawn at random")
    parser.add_argument("--in-process", action="store_true", help="ask the prior itself; writes no result")
    options = parser.parse_args()
    console = Console()
    figures = []
    for name in options.scenarios:
        scenario = load(options.data, name)
        if options.most_tasks is not None and len(scenario.losses) > options.most_tasks:
            scenario = scenario.part(options.most_tasks)
        try:
            figures.append(measure(scenario, options.in_process, lambda line: console.print(line, highlight=False)))
        except ServiceProblem as problem:
            console.print(f"algorithm_selection: {problem}")
            sys.exit(2)
        if not options.in_process:
            report.write_json(
                RESULT, {"benchmark": "algorithm_selection", "scenarios": figures, "resamples": _RESAMPLES}
            )
            draw(IMAGE, figures, METHODS)


def measure(scenario: Scenario, in_process: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """The closed gap of each method on all folds, with the 95 % interval of a bootstrap over tasks."""
    folds = sorted(set(scenario.folds.tolist()))
    choices = {
        f"forest_{form}": _by_fold(scenario, folds, partial(baseline.selected, scenario, form=form, seed=0))
        for form in baseline.FORMS
    }
    asked = _in_process if in_process else _through_service
    choices["headstart"], cost = asked(scenario, folds, say)
    figures = {
        "scenario": scenario.name,
        "tasks": len(scenario.losses),
        "algorithms": len(scenario.algorithms),
        "single_best": float(scenario.losses.mean(axis=0).min()),
        "best_of_each": float(scenario.losses.min(axis=1).mean()),
        "closed_gap": {method: asdict(_spread(scenario.losses, choices[method])) for method in METHODS},
        "more_than_forest": {
            form: asdict(_difference(scenario.losses, choices["headstart"], choices[f"forest_{form}"]))
            for form in baseline.FORMS
        },
        **cost,
    }
    gaps = {method: closed_gap(scenario.losses, chosen) for method, chosen in choices.items()}
    say(f"{scenario.name}: closed gap " + ", ".join(f"{method} {gaps[method]:.3f}" for method in METHODS))
    return figures


def _by_fold(scenario: Scenario, folds: Sequence[int], choose: Callable[[int], NDArray[np.int64]]) -> NDArray[np.int64]:
    chosen = np.zeros(len(scenario.losses), np.int64)
    for fold in folds:
        chosen[scenario.folds == fold] = choose(fold)
    return chosen


def _in_process(
    scenario: Scenario, folds: Sequence[int], say: Callable[[str], None]
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    from headstart_server.strategy.prior.prior import fit_prior

    seconds = []

    def choose(fold: int) -> NDArray[np.int64]:
        known = scenario.folds != fold
        start = time.monotonic()
        prior = fit_prior(scenario.columns, scenario.algorithms, scenario.features[known], scenario.losses[known])
        assert prior is not None
        seconds.append(time.monotonic() - start)
        places = np.array([scenario.algorithms.index(arm) for arm in prior.arms])
        return places[[forecast.chosen for forecast in prior.forecast(scenario.features[~known])]]

    return _by_fold(scenario, folds, choose), {"training_seconds": float(np.median(seconds))}


def _through_service(
    scenario: Scenario, folds: Sequence[int], say: Callable[[str], None]
) -> tuple[NDArray[np.int64], dict[str, Any]]:
    rows = {fold: np.flatnonzero(scenario.folds == fold).tolist() for fold in folds}
    with selection(scenario, say) as service:
        service.record([row for fold in folds[1:] for row in rows[fold]])

        def choose(fold: int) -> NDArray[np.int64]:
            if fold != folds[0]:
                service.forget(rows[fold])
                service.record(rows[folds[folds.index(fold) - 1]])
            service.learn()
            chosen = service.ask(rows[fold])
            loss = scenario.losses[rows[fold], chosen].mean()
            say(f"{scenario.name}, fold {fold}: mean loss {loss:.6g}, worker {service.training_seconds[-1]:.0f} s")
            return chosen

        chosen = _by_fold(scenario, folds, choose)
        milliseconds = np.array(service.latencies) * 1e3
        cost = {
            "worker_seconds": float(np.median(service.training_seconds)),
            "milliseconds": {"p50": float(np.median(milliseconds)), "p99": float(np.percentile(milliseconds, 99))},
        }
    return chosen, cost


def _resampled(count: int) -> list[NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, count, count) for _ in range(_RESAMPLES)]


def _spread(losses: Numbers, chosen: NDArray[np.int64]) -> Spread:
    gaps = [closed_gap(losses[rows], chosen[rows]) for rows in _resampled(len(losses))]
    return Spread(closed_gap(losses, chosen), *(float(end) for end in np.nanpercentile(gaps, [2.5, 97.5])))


def _difference(losses: Numbers, ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> Spread:
    """Paired: how much more of the gap is closed."""
    rows = np.arange(len(losses))
    more = losses[rows, theirs] - losses[rows, ours]
    gap = float(losses.mean(axis=0).min() - losses.min(axis=1).mean())
    means = [more[drawn].mean() / gap for drawn in _resampled(len(losses))]
    return Spread(float(more.mean()) / gap, *(float(end) for end in np.percentile(means, [2.5, 97.5])))


if __name__ == "__main__":
    main()
