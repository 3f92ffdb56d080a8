"""The pictures: the share of the gap that selection closes on each scenario, and regret curves of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.strategy.curves import Curves
from benchmarks.strategy.tasks import BUDGET, SHORT_BUDGET

_COLOURS = ("tab:blue", "tab:gray", "tab:brown", "tab:olive")


def draw(path: Path, figures: Sequence[Mapping[str, Any]], methods: Mapping[str, str]) -> None:
    """``methods``: the name in the figures, and what it is called. 1 is the best algorithm of each task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(9, 4.2), layout="constrained")
    width = 0.8 / len(methods)
    for place, ((method, label), colour) in enumerate(zip(methods.items(), _COLOURS, strict=False)):
        gaps = [own["closed_gap"][method] for own in figures]
        means = [gap["mean"] for gap in gaps]
        reach = [[gap["mean"] - gap["lower"] for gap in gaps], [gap["upper"] - gap["mean"] for gap in gaps]]
        positions = [row + width * (place - (len(methods) - 1) / 2) for row in range(len(figures))]
        panel.bar(positions, means, width, yerr=reach, color=colour, label=label, capsize=2)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set_xticks(range(len(figures)), [f"{own['scenario']}\n{own['tasks']} tasks" for own in figures])
    panel.set(ylabel="closed gap (0: single best)", ylim=(-1, 1))
    panel.grid(axis="y", alpha=0.3)
    panel.legend(loc="lower left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_regrets(path: Path, fixed: Curves, selected: Curves, modes: Sequence[str]) -> None:
    """Mean normalised regret over the tasks against evaluations: every strategy alone, and those that are selected."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for panel, budget in zip(panels, (SHORT_BUDGET, BUDGET), strict=True):
        steps = np.arange(1, budget + 1)
        for name, regrets in zip(fixed.strategies, fixed.regrets, strict=True):
            panel.plot(steps, np.nanmean(regrets[..., :budget], axis=(0, 1)), linewidth=1.0, alpha=0.7, label=name)
        for mode, style in zip(modes, ("-", "--", ":"), strict=False):
            regrets = selected.regrets[selected.strategies.index(f"{mode}-{budget}"), ..., :budget]
            if not np.isnan(regrets).all():
                mean = np.nanmean(regrets, axis=(0, 1))
                panel.plot(steps, mean, color="black", linestyle=style, linewidth=2.0, label=f"selected, past: {mode}")
        panel.set(xlabel="evaluations", ylabel="normalised regret", yscale="log")
        panel.grid(alpha=0.3)
    panels[1].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
