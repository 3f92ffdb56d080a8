"""Protocol S as a whole: fixed strategies, searches that ask the service, and how they compare.

    python -m benchmarks.strategy [--seeds 10] [--modes none task space] [--report] [--quick]

Curves are kept outside the repository and measured once; ``--report`` compares those that are there. What is compared
was measured with the same seeds: those that all of a budget's curves have. ``--quick``: two tasks, one seed, 50
evaluations, without a past, nothing written.

SBS is the single strategy that is best on the mean of the other tasks (with ``space``: on those of other spaces), VBS
the best for each task in hindsight; the headroom between them is stated first.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as Sheet

from benchmarks.report import IMAGES, RESULTS, bootstrap, write_json
from benchmarks.strategy.curves import Curves, headroom, load_curves, single_best
from benchmarks.strategy.fixed import CURVES
from benchmarks.strategy.fixed import measure as measure_fixed
from benchmarks.strategy.pictures import draw_regrets
from benchmarks.strategy.selected import MODES, SELECTED, quick
from benchmarks.strategy.selected import measure as measure_selected
from benchmarks.strategy.tasks import BUDGET, SHORT_BUDGET, strategy_tasks

Numbers = NDArray[np.float64]


def compare(fixed: Curves, selected: Curves, mode: str, budget: int) -> dict[str, object] | None:
    """Figures of one mode and budget; None where it was not measured on every task."""
    ours = selected.regrets[selected.strategies.index(f"{mode}-{budget}"), :, :, :budget].mean(axis=-1)
    seeds = _common(ours, fixed.areas(budget))
    if not seeds:
        return None
    areas, ours = fixed.areas(budget)[:, :, seeds], ours[:, seeds]
    groups = fixed.spaces if mode == "space" else None
    found = headroom(areas, groups)
    means = areas.mean(axis=2)
    ratios = ours.mean(axis=1) / found.sbs
    gap = found.sbs.sum() - found.vbs.sum()
    hindsight = means.mean(axis=1)
    return {
        "mode": mode,
        "budget": budget,
        "seeds": len(seeds),
        "headroom": asdict(found.share),
        "honest_headroom": asdict(found.honest_share),
        "sbs": sorted({fixed.strategies[place] for place in single_best(means, groups)}),
        "area_sbs": float(found.sbs.mean()),
        "area_vbs": float(found.vbs.mean()),
        "area_ours": float(ours.mean()),
        "ours_to_sbs": _ratio(ours.mean(axis=1), found.sbs),
        "ours_to_best_in_hindsight": float(ours.mean() / hindsight.min()),
        "closed_gap": float((found.sbs.sum() - ours.mean(axis=1).sum()) / gap) if gap > 0 else None,
        "worst_task": {"task": fixed.tasks[int(ratios.argmax())], "ratio": float(ratios.max())},
        "tasks_above_1.05": int((ratios > 1.05).sum()),
        "tasks": {
            task: {
                "ours": float(ours[place].mean()),
                "sbs": float(found.sbs[place]),
                "vbs": float(found.vbs[place]),
                **{name: float(means[row, place]) for row, name in enumerate(fixed.strategies)},
            }
            for place, task in enumerate(fixed.tasks)
        },
    }


def _common(ours: Numbers, areas: Numbers) -> list[int]:
    """Seeds that are measured on all tasks by all."""
    both = min(ours.shape[1], areas.shape[2])
    return [seed for seed in range(both) if not np.isnan(ours[:, seed]).any() and not np.isnan(areas[:, :, seed]).any()]


def _ratio(ours: Numbers, sbs: Numbers) -> dict[str, float]:
    """Of the sums over tasks, with the 95 % interval of a bootstrap over tasks."""
    draw = np.random.default_rng(0).integers(len(sbs), size=(10_000, len(sbs)))
    lower, upper = np.quantile(ours[draw].sum(axis=1) / sbs[draw].sum(axis=1), [0.025, 0.975])
    return {"mean": float(ours.sum() / sbs.sum()), "lower": float(lower), "upper": float(upper)}


def report(figures: Sequence[Mapping[str, object]], console: Console) -> None:
    for each in figures:
        room = each["headroom"]
        assert isinstance(room, Mapping)
        console.print(
            f"[bold]{each['mode']}, {each['budget']} evaluations, {each['seeds']} seeds[/bold]: headroom "
            f"(SBS - VBS) / SBS {room['value']:.3f} [{room['lower']:.3f}, {room['upper']:.3f}]"
        )
        sheet = Sheet()
        tasks = each["tasks"]
        assert isinstance(tasks, Mapping)
        columns = list(next(iter(tasks.values())))
        for heading in ("task", *columns):
            sheet.add_column(heading, justify="left" if heading == "task" else "right")
        for task, row in tasks.items():
            sheet.add_row(task, *(f"{row[column]:.3f}" for column in columns))
        sheet.add_section()
        sheet.add_row("mean", *(f"{np.mean([row[column] for row in tasks.values()]):.4f}" for column in columns))
        console.print(sheet)
        ratio, worst = each["ours_to_sbs"], each["worst_task"]
        assert isinstance(ratio, Mapping) and isinstance(worst, Mapping)
        console.print(
            f"ours / SBS {ratio['mean']:.3f} [{ratio['lower']:.3f}, {ratio['upper']:.3f}]; to the best fixed one in "
            f"hindsight {each['ours_to_best_in_hindsight']:.3f}; closed gap {each['closed_gap']}; above 1.05 x SBS on "
            f"{each['tasks_above_1.05']} tasks, most on {worst['task']} ({worst['ratio']:.2f})\n"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Which strategy to follow: protocol S.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--fixed", type=Path, default=CURVES, help="curves of the fixed strategies (%(default)s)")
    parser.add_argument("--selected", type=Path, default=SELECTED, help="curves of the others (%(default)s)")
    parser.add_argument("--report", action="store_true", help="measure nothing, compare what is there")
    parser.add_argument("--quick", action="store_true", help="two tasks, one seed, nothing written")
    options = parser.parse_args(arguments)
    console = Console(width=None if os.isatty(1) else 220)
    if options.quick:
        quick(console)
        return
    if not options.report:
        measure_fixed(options.fixed, strategy_tasks(), options.seeds, console)
        measure_selected(options.selected, options.seeds, options.modes, (1, 1), console)
    fixed, selected = load_curves(options.fixed), load_curves(options.selected)
    figures = [
        found
        for mode in options.modes
        for budget in (SHORT_BUDGET, BUDGET)
        if (found := compare(fixed, selected, mode, budget)) is not None
    ]
    report(figures, console)
    alone = {
        str(budget): {
            name: bootstrap([float(area) for area in fixed.areas(budget)[row].mean(axis=0) if not np.isnan(area)])
            for row, name in enumerate(fixed.strategies)
        }
        for budget in (SHORT_BUDGET, BUDGET)
    }
    write_json(RESULTS / "strategy.json", {"benchmark": "strategy", "areas_alone": alone, "selected": figures})
    draw_regrets(IMAGES / "strategy.png", fixed, selected, options.modes)


if __name__ == "__main__":
    main()
