"""Pictures of the warm start benchmark: reductions of each task, and regret against evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008).
_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#CC79A7", "#009E73")
_STYLES = (":", "-.", "--", (0, (1, 1)), "-")
_RESAMPLES = 1_000


def draw_reductions(
    path: Path, title: str, reductions: Mapping[str, Mapping[str, float]], searches: Sequence[str]
) -> None:
    """Share of the cold search's evaluations that each other one saves, by task."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = searches[1:]
    width = 0.8 / len(shown)
    for number, search in enumerate(shown):
        places = np.arange(len(reductions)) + (number - (len(shown) - 1) / 2) * width
        heights = [max(-1.0, own[search]) for own in reductions.values()]
        axes.bar(places, heights, width, label=search, color=_COLOURS[number + 1])
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set_xticks(np.arange(len(reductions)), [name.removeprefix(f"{title}-") for name in reductions])
    axes.set(ylabel="evaluations saved against cold", title=title, ylim=(-1.0, 1.0))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=8, ncols=len(shown))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def draw_regrets(path: Path, regrets: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> None:
    """Mean best regret (0: best of the table, 1: its median) with 95 % bootstrap bands, a panel for each task."""
    columns = min(4, len(regrets))
    rows = -(-len(regrets) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True)).ravel()
    generator = np.random.default_rng(0)
    for axes, (task, own) in zip(panels, regrets.items(), strict=False):
        for number, (search, curves) in enumerate(own.items()):
            if not curves:
                continue
            table = np.maximum(np.array(curves), 1e-4)
            mean = table.mean(axis=0)
            drawn = table[generator.integers(len(table), size=(_RESAMPLES, len(table)))].mean(axis=1)
            evaluations = np.arange(1, len(mean) + 1)
            colour = _COLOURS[number]
            axes.fill_between(evaluations, *np.quantile(drawn, (0.025, 0.975), axis=0), alpha=0.15, color=colour)
            axes.plot(evaluations, mean, label=search, color=colour, linestyle=_STYLES[number])
        axes.set(yscale="log", title=task)
        axes.title.set_fontsize(9)
        axes.grid(alpha=0.3)
    for axes in panels[len(regrets) :]:
        axes.set_visible(False)
    panels[0].legend(fontsize=7)
    figure.supxlabel("evaluations", fontsize=9)
    figure.supylabel("regret", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
