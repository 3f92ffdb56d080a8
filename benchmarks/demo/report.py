"""The table and the picture at the end of the demo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from rich.table import Table as Grid

from benchmarks.demo.search import Trace, best_so_far, evaluations_to
from benchmarks.tables import Table

ADVISED, ALONE = "with the service", "cold, alone"


def results_grid(table: Table, traces: dict[str, list[Trace]], goal: float, goal_share: float) -> Grid:
    """One row for each search, figures over seeds."""
    seeds = len(traces[ADVISED])
    grid = Grid(
        title=f"{table.task.description}: {seeds} {'seed' if seeds == 1 else 'seeds'}, "
        f"{len(traces[ADVISED][0].values)} evaluations",
        caption=f"Goal: {goal:.4f}, among the best {goal_share:.1%} of {len(table.ranked_values):,} architectures. "
        f"Best of all: {table.best:.4f}. Regret: 0 is the best, 1 the median architecture.",
    )
    for heading in ("", "evaluations to the goal", "best value", "regret", "proposed by"):
        grid.add_column(heading, justify="left" if heading in ("", "proposed by") else "right")
    for name, runs in traces.items():
        needed = [evaluations_to(table, run.values, goal) for run in runs]
        finals = [best_so_far(table, run.values)[-1] for run in runs]
        grid.add_row(
            name,
            f"{median(needed):g}"
            + ("" if seeds == 1 else f" ({', '.join(_count(run, n) for run, n in zip(runs, needed, strict=True))})"),
            f"{fmean(finals):.4f}",
            f"{fmean(table.regret(value) for value in finals):.3f}",
            _proposers(runs),
        )
    return grid


def verdict(table: Table, traces: dict[str, list[Trace]], goal: float) -> str:
    """One sentence on what the advice saved, or did not."""
    advised, alone = (
        median(evaluations_to(table, run.values, goal) for run in traces[name]) for name in (ADVISED, ALONE)
    )
    if min(advised, alone) > len(traces[ADVISED][0].values):
        return "Neither search reached the goal in the evaluations it had."
    change = 1 - advised / alone
    if change >= 0:
        return (
            f"With the service the goal took {change:.0%} fewer evaluations (median {advised:g} instead of {alone:g})."
        )
    return f"Here the service did not help: {-change:.0%} more evaluations (median {advised:g} instead of {alone:g})."


def draw(path: Path, table: Table, traces: dict[str, list[Trace]], goal: float, workers: int) -> None:
    """Best value so far by evaluations: the mean over seeds, and the range between the worst and the best seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    for name, colour in ((ADVISED, "tab:blue"), (ALONE, "tab:gray")):
        curves = [best_so_far(table, run.values) for run in traces[name]]
        points = list(zip(*curves, strict=False))
        steps = range(1, len(points) + 1)
        axes.plot(steps, [fmean(point) for point in points], color=colour, linewidth=2, label=name)
        if len(curves) > 1:
            axes.fill_between(
                steps, [min(point) for point in points], [max(point) for point in points], color=colour, alpha=0.15
            )
    axes.axhline(table.best, color="black", linewidth=0.8, linestyle=":", label="best of the table")
    axes.axhline(goal, color="black", linewidth=0.8, linestyle="--", label="goal: among the best 0.1 %")
    axes.set(
        xlabel="architectures evaluated",
        ylabel="best validation accuracy so far",
        title=_title(table, len(traces[ADVISED]), workers),
        ylim=(table.median, table.best + 0.06 * (table.best - table.median)),
        xlim=(1, None),
    )
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _title(table: Table, seeds: int, workers: int) -> str:
    spread = "" if seeds == 1 else f", mean and range of {seeds} seeds"
    return f"NAS-Bench-Graph, {table.task.descriptor['dataset']}: {workers} workers{spread}"


def _count(run: Trace, needed: int) -> str:
    return str(needed) if needed <= len(run.values) else f">{len(run.values)}"


def _proposers(runs: Sequence[Trace]) -> str:
    total: Counter[str] = Counter()
    for run in runs:
        total += run.proposed_by
    everything = total.total()
    return "\n".join(f"{name.replace('_', ' ')} {count / everything:.0%}" for name, count in total.most_common())
