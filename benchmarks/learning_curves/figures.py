"""The figures of the learning curve benchmark: errors, ranks and spread, the tables and the pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid
from scipy.stats import kendalltau, rankdata

from benchmarks.report import Spread, bootstrap

HEADSTART = "headstart"
ALONE = "headstart, curve alone"

Numbers = np.ndarray[Any, np.dtype[np.float64]]

_DIVERGES = re.compile(r"diverge ([\d.e+-]+) %")


def gaussian_prior(history: Numbers, seen: Numbers) -> Numbers:
    """A baseline: final values given seen ones [n, k] under the mean and covariance of full curves [h, points]."""
    count = seen.shape[1]
    mean, covariance = history.mean(axis=0), np.cov(history.T)
    own = covariance[:count, :count] + 1e-3 * float(np.trace(covariance)) / len(covariance) * np.eye(count)
    return np.asarray(mean[-1] + (seen - mean[:count]) @ np.linalg.solve(own, covariance[:count, -1]))


def chances_to_diverge(reasons: Sequence[str]) -> Numbers:
    """As the reasons of forecasts say them; 0 where they say nothing of it."""
    found = [_DIVERGES.search(reason) for reason in reasons]
    return np.array([float(match.group(1)) / 100 if match else 0.0 for match in found])


def area(happened: np.ndarray[Any, np.dtype[np.bool_]], scores: Numbers) -> float | None:
    """Under the ROC curve: the chance that what happened scored above what did not. None where all is one."""
    count = int(happened.sum())
    if count in (0, len(happened)):
        return None
    ranks = float(rankdata(scores)[happened].sum())
    return (ranks - count * (count + 1) / 2) / (count * (len(happened) - count))


def tau(truth: Numbers, told: Numbers) -> float:
    """Kendall's; 0 where all that was told is equal."""
    return float(np.nan_to_num(kendalltau(truth, told).statistic))


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Means with bootstrap intervals over seeds, or over tasks."""
    told: dict[str, Any] = {}
    for name in ("nlp", "taskset"):
        runs = found[name]
        if not runs:
            continue
        told[name] = {"by_share": {}, "stopping": _saved([each["stopping"] for each in runs])}
        for share in runs[0]["by_share"]:
            parts = [each["by_share"][share] for each in runs]
            told[name]["by_share"][share] = {
                "methods": {
                    method: {kind: bootstrap([part[kind][method] for part in parts]) for kind in _KINDS}
                    for method in parts[0]["mean"]
                },
                "coverage": bootstrap([part["coverage"] for part in parts]),
                "seconds": bootstrap([part["seconds"] for part in parts]),
                **{
                    f"divergence_{kind}": bootstrap([part[f"divergence_{kind}"] for part in parts])
                    for kind in ("told", "happened")
                },
                "divergence_auc": _known([part["divergence_auc"] for part in parts]),
            }
    if found["nlp"]:
        parts = [each["graph_and_curve"] for each in found["nlp"]]
        told["graph_and_curve"] = {
            name: {kind: bootstrap([part[name][kind] for part in parts]) for kind in ("error", "tau")}
            for name in parts[0]
        }
        levels = [each["levels"] for each in found["nlp"]]
        told["levels"] = {level: bootstrap([float(np.mean(each[level])) for each in levels]) for level in levels[0]}
    return told


_KINDS = ("mean", "median", "mean_of_sound", "mean_held_at_guessing")


def _known(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return bootstrap(known) if known else None


def _saved(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "times": bootstrap([run["times"] for run in runs]),
        "regret": bootstrap([run["regret"] for run in runs]),
        "after_i_epochs": {
            epoch: {
                "times": bootstrap([run["front"][epoch][0] for run in runs]),
                "regret": bootstrap([run["front"][epoch][1] for run in runs]),
            }
            for epoch in runs[0]["front"]
        },
    }


def print_tables(console: Console, told: Mapping[str, Any]) -> None:
    for name, title in (("nlp", "NAS-Bench-NLP"), ("taskset", "TaskSet, leave one task out")):
        if name not in told:
            continue
        shares = told[name]["by_share"]
        grid = Grid(title=f"{title}: mean / median absolute error of the final loss (mean, all held at guessing)")
        for heading in ("", *(f"first {float(share):.0%}" for share in shares)):
            grid.add_column(heading, justify="left" if not heading else "right")
        for method in next(iter(shares.values()))["methods"]:
            rows = [shares[share]["methods"][method] for share in shares]
            grid.add_row(
                method,
                *(
                    f"{r['mean'].mean:.4f} / {r['median'].mean:.4f} ({r['mean_held_at_guessing'].mean:.4f})"
                    for r in rows
                ),
            )
        console.print(grid)
        for share, part in shares.items():
            auc = part["divergence_auc"]
            console.print(
                f"first {float(share):.0%}: 90 % interval covers {part['coverage']:.3f}; "
                f"area under ROC of divergence {'-' if auc is None else format(auc, '.3f')}; {part['seconds']:.2f} s; "
                f"divergence told {part['divergence_told'].mean:.3f}, happened {part['divergence_happened'].mean:.3f}"
            )
        saved = told[name]["stopping"]
        console.print(f"stopping: epochs x {saved['times']:.1f}, regret {saved['regret']:.4f} of the range")
        for epoch, part in saved["after_i_epochs"].items():
            console.print(f"  all after {epoch} epochs: x {part['times'].mean:.1f}, regret {part['regret'].mean:.4f}")
    for name, part in told.get("graph_and_curve", {}).items():
        console.print(f"{name:<18} error {part['error']:.3f}, Kendall tau {part['tau']:.3f}")
    for level, part in told.get("levels", {}).items():
        console.print(f"interval of {level} covers {part:.3f}")


def draw(folder: Path, told: Mapping[str, Any], shown: Mapping[str, Any]) -> None:
    """Examples with bands; errors by share; calibration; stopping; predicted against true."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    if "examples" in shown:
        figure, axes = pyplot.subplots(1, 4, figsize=(13, 3.2), layout="constrained")
        for axis, (losses, fidelities, means, lower, upper) in zip(axes, shown["examples"], strict=True):
            epochs = np.arange(1, len(losses) + 1)
            axis.plot(epochs, losses, color="lightgray", label="as it went on")
            axis.plot(epochs[:5], losses[:5], color="black", label="seen")
            axis.plot(fidelities, means, color="tab:blue", marker=".", label="forecast")
            axis.fill_between(fidelities, lower, upper, color="tab:blue", alpha=0.2, label="90 %")
            axis.set(xlabel="epoch", ylim=(min(*losses, *lower) - 0.1, max(*losses[1:], *upper) + 0.1))
        axes[0].set_ylabel("validation loss")
        axes[0].legend(fontsize=8)
        figure.savefig(folder / "learning_curves_examples.png", dpi=110)
        pyplot.close(figure)
    figure, axes = pyplot.subplots(1, 4, figsize=(15, 3.8), layout="constrained")
    _draw_errors(axes[0], told["nlp"]["by_share"])
    _draw_true(axes[1], shown)
    _draw_levels(axes[2], told["levels"])
    _draw_stopping(axes[3], told)
    figure.savefig(folder / "learning_curves.png", dpi=110)
    pyplot.close(figure)


def _draw_errors(axis: Any, shares: Mapping[str, Any]) -> None:
    methods = [name for name in next(iter(shares.values()))["methods"] if "without" not in name]
    places = np.arange(len(shares))
    for number, method in enumerate(methods):
        spread = [shares[share]["methods"][method]["median"] for share in shares]
        means = [one.mean for one in spread]
        errors = [[one.mean - one.lower for one in spread], [one.upper - one.mean for one in spread]]
        axis.errorbar(places + 0.06 * number, means, errors, fmt="o", markersize=4, capsize=2, label=method)
    axis.set(yscale="log", ylabel="median absolute error", title="NAS-Bench-NLP")
    axis.set_xticks(places + 0.15, [f"first {float(share):.0%}" for share in shares])
    axis.legend(fontsize=7)


def _draw_true(axis: Any, shown: Mapping[str, Any]) -> None:
    ends = []
    for share in ("0.5", "0.3", "0.1"):
        told, truth = (np.array(each) for each in shown[share])
        inside = truth < 8
        ends += [truth[inside].min(), truth[inside].max()]
        axis.scatter(truth[inside], told[inside], s=6, label=f"first {float(share):.0%}")
    axis.plot([min(ends), max(ends)], [min(ends), max(ends)], color="black", linewidth=0.8, linestyle="--")
    axis.set(xlabel="final loss", ylabel="predicted", ylim=(min(ends) - 0.3, max(ends) + 1.5), title="one split")
    axis.legend(fontsize=7)


def _draw_levels(axis: Any, levels: Mapping[str, Spread]) -> None:
    wanted = [float(level) for level in levels]
    means = [spread.mean for spread in levels.values()]
    errors = [[s.mean - s.lower for s in levels.values()], [s.upper - s.mean for s in levels.values()]]
    axis.plot([0.4, 1], [0.4, 1], color="black", linewidth=0.8, linestyle="--")
    axis.errorbar(wanted, means, errors, fmt="o", capsize=3)
    axis.set(xlabel="interval level", ylabel="share covered", title="calibration")


def _draw_stopping(axis: Any, told: Mapping[str, Any]) -> None:
    for name, colour in (("nlp", "tab:blue"), ("taskset", "tab:orange")):
        if name not in told:
            continue
        saved = told[name]["stopping"]
        front = list(saved["after_i_epochs"].values())
        axis.plot(
            [each["times"].mean for each in front],
            [100 * each["regret"].mean for each in front],
            color=colour,
            marker=".",
            label=f"{name}: all after i epochs",
        )
        axis.scatter(
            [saved["times"].mean],
            [100 * saved["regret"].mean],
            color=colour,
            marker="*",
            s=120,
            label=f"{name}: advice",
        )
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axis.minorticks_off()
    axis.set(xlabel="epochs saved (times)", ylabel="final regret (% of the range)", title="early stopping")
    axis.legend(fontsize=7)
