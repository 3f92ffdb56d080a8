"""The picture of algorithm selection: the share of the gap that each method closes on each scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
