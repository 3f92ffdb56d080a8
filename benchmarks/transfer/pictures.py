"""The picture of the benchmark: the accuracy of each method on each pair, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

_COLOURS = ("tab:blue", "tab:orange", "tab:gray")


def draw(path: Path, figures: Sequence[dict[str, Any]], methods: Sequence[str]) -> None:
    """A panel for each number of examples of a class; dots are means over seeds, lines their 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    sizes = list(dict.fromkeys(own["per_class"] for own in figures))
    names = list(dict.fromkeys(own["pair"] for own in figures))
    figure, panels = pyplot.subplots(
        1, len(sizes), figsize=(4.2 * len(sizes) + 2.5, 0.7 * len(names) + 1.6), sharey=True, layout="constrained"
    )
    for panel, per_class in zip([panels] if len(sizes) == 1 else panels, sizes, strict=True):
        for place, (method, colour) in enumerate(zip(methods, _COLOURS, strict=True)):
            told = {own["pair"]: own["accuracy"][method] for own in figures if own["per_class"] == per_class}
            means = [told[name].mean for name in names]
            reach = [[told[n].mean - told[n].lower for n in names], [told[n].upper - told[n].mean for n in names]]
            heights = [row + 0.22 * (place - 1) for row in range(len(names))]
            panel.errorbar(means, heights, xerr=reach, fmt="o", color=colour, label=method, markersize=5, capsize=2)
        panel.set(title=f"{per_class} examples of each class", xlabel="accuracy on the target")
        panel.grid(axis="x", alpha=0.3)
        panel.set_yticks(range(len(names)), names)
    figure.gca().invert_yaxis()
    figure.legend(*figure.gca().get_legend_handles_labels(), loc="outside lower center", ncols=len(methods))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
