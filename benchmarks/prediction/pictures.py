"""Pictures of the prediction benchmark: tau by labels, predicted against true, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.prediction.parts import HEADSTART, Measured, Sample
from benchmarks.report import bootstrap

# Of PINAT as published (Lu et al., AAAI 2023, table 1), by labels.
PINAT = {78: 0.549, 156: 0.631, 469: 0.706, 781: 0.761, 1563: 0.784}


def draw_by_labels(path: Path, measured: Sequence[Measured]) -> None:
    """Kendall tau and precision against the number of labels, for every method."""
    figure, pyplot = _figure(1, 2, (10.5, 4.2))
    left, right = figure.axes
    methods = list(measured[0].rankings)
    for method in methods:
        own = [one for one in measured if method in one.rankings]
        labels = [one.labels for one in own]
        for axes, name in ((left, "tau"), (right, "precision")):
            spreads = [bootstrap([getattr(each, name) for each in one.rankings[method]]) for one in own]
            axes.fill_between(labels, [s.lower for s in spreads], [s.upper for s in spreads], alpha=0.2)
            axes.plot(labels, [s.mean for s in spreads], marker="o", markersize=3, label=method)
    left.plot(list(PINAT), list(PINAT.values()), color="black", linestyle="--", marker="x", label="PINAT, as published")
    for axes, name in ((left, "Kendall tau"), (right, "precision among the best 1 %")):
        axes.set(xscale="log", xlabel="recorded results", ylabel=name)
        axes.grid(alpha=0.3)
    left.legend(fontsize=7)
    _save(figure, pyplot, path)


def draw_samples(path: Path, samples: Sequence[Sample]) -> None:
    """For every sample, predicted against true values, and the coverage of intervals by their level."""
    figure, pyplot = _figure(2, len(samples), (3.2 * len(samples), 6.2))
    for column, sample in enumerate(samples):
        above, below = figure.axes[column], figure.axes[len(samples) + column]
        low = float(np.quantile(sample.truth, 0.05))
        high = float(sample.truth.max())
        inside = sample.truth >= low
        above.hexbin(sample.truth[inside], sample.predicted[inside].clip(low, high), gridsize=40, bins="log", mincnt=1)
        above.plot([low, high], [low, high], color="black", linewidth=0.8, linestyle="--")
        above.set(xlim=(low, high), ylim=(low, high), xlabel="measured", ylabel="predicted")
        above.set_title(sample.title, fontsize=9)
        levels = list(sample.calibration)
        below.plot([0.4, 1.0], [0.4, 1.0], color="black", linewidth=0.8, linestyle="--")
        below.plot(levels, [sample.calibration[level] for level in levels], marker="o")
        below.set(xlim=(0.4, 1.0), ylim=(0.4, 1.0), xlabel="level of the interval", ylabel="share inside")
    _save(figure, pyplot, path)


def draw_proxies(path: Path, measured: Sequence[Measured]) -> None:
    """Bars of Kendall tau by benchmark and number of labels."""
    names = list(dict.fromkeys(one.setting for one in measured))
    figure, pyplot = _figure(1, len(names), (4.2 * len(names), 3.6))
    for axes, name in zip(figure.axes, names, strict=True):
        own = [one for one in measured if one.setting == name]
        methods = list(own[0].rankings)
        for place, method in enumerate(methods):
            spreads = [bootstrap([each.tau for each in one.rankings[method]]) for one in own]
            at = np.arange(len(own)) + 0.8 * (place / len(methods) - 0.4)
            errors = [[s.mean - s.lower for s in spreads], [s.upper - s.mean for s in spreads]]
            axes.bar(at, [s.mean for s in spreads], 0.8 / len(methods), yerr=errors, label=method)
        axes.set(title=name, xticks=np.arange(len(own)), xlabel="recorded results", ylabel="Kendall tau")
        axes.set_xticklabels([str(one.labels) for one in own])
    figure.axes[0].legend(fontsize=6, loc="lower right")
    _save(figure, pyplot, path)


def chosen_samples(measured: Sequence[Measured]) -> list[Sample]:
    """Of every setting the one with most labels."""
    found = {one.setting: one.sample for one in measured if one.sample is not None and HEADSTART in one.rankings}
    return [sample for sample in found.values() if sample is not None]


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, _ = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    return figure, pyplot


def _save(figure: Any, pyplot: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
