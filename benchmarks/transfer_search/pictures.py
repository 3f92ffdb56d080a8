"""The picture of protocol T: regret against evaluations, a panel for each family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.transfer_search.figures import Results

# Okabe and Ito, "Color Universal Design" (2008), black last.
_COLOURS = ("#009E73", "#56B4E9", "#E69F00", "#CC79A7", "#0072B2", "#D55E00", "#F0E442", "#000000")
_STYLES = ("-", "--", ":", "-.")


def draw(path: Path, results: Results, ours: Sequence[str]) -> None:
    """Mean over tasks and seeds. ``ours`` are drawn thick; a search has the same line in all panels."""
    families = results.families
    columns = min(3, len(families))
    rows = -(-len(families) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.4 * rows + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True)).ravel()
    lines = {}
    for axes, family in zip(panels, families, strict=False):
        own = results.of_family(family)
        for number, search in enumerate(results.searches):
            curves = own.common([search])
            if not curves:
                continue
            mean = np.mean([each[search].mean(axis=0) for each in curves.values()], axis=0)
            (lines[search],) = axes.plot(
                np.arange(1, len(mean) + 1),
                np.maximum(mean, 1e-4),
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_STYLES[number // len(_COLOURS) % len(_STYLES)],
                linewidth=2.4 if search in ours else 1.1,
            )
        axes.set(yscale="log", title=family)
        axes.grid(alpha=0.3)
    for axes in panels[len(families) :]:
        axes.set_visible(False)
    for axis in figure.axes[-3:]:
        axis.set_xlabel("evaluations", fontsize=9)
    figure.supylabel("regret (0: best of the table, 1: a candidate at random)", fontsize=9)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=5, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
