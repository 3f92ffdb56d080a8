"""Weights of source tasks as results came in: a line of blocks for each in the terminal, or a picture.

The picture needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.command_line import words
from headstart.command_line.session import CommandError
from headstart.command_line.tables import Column, print_table
from headstart.values import SourceWeights

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_DRAWN = 12
_OWN = "its own results"


def print_weights(history: Sequence[SourceWeights]) -> None:
    """Prints nothing if there is no history."""
    if len(history) < 2:
        return
    columns = (Column("WEIGHT OF"), Column("NOW", number=True), Column(f"AFTER {_counts(history)} RESULTS", wide=True))
    print_table(columns, [(name, words.short(line[-1]), _blocks(line)) for name, line in _lines(history)])


def draw_weights(history: Sequence[SourceWeights], path: Path) -> None:
    """Raises CommandError if it cannot draw."""
    if len(history) < 2:
        raise CommandError("no results yet, so there is nothing to draw over time")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise CommandError("the picture needs matplotlib: pip install 'headstart[cli,plot]'") from None
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    counts = [point.completed_count for point in history]
    styles = ("-", "--", "-.", ":")
    for number, (name, line) in enumerate(_lines(history)):
        if name == _OWN:
            axes.plot(counts, line, color="black", linewidth=2.5, label=name)
        else:
            axes.plot(counts, line, marker="o", markersize=3, linestyle=styles[number % len(styles)], label=name)
    axes.set(xlabel="completed architectures of the task", ylabel="weight", ylim=(0.0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {error}") from None


def _lines(history: Sequence[SourceWeights]) -> list[tuple[str, list[float]]]:
    """The task itself, then the others by their present weight; those that never had any are left out."""
    lines = [(name, [point.weights.get(name, 0.0) for point in history]) for name in history[-1].weights]
    lines = sorted((each for each in lines if any(each[1])), key=lambda each: (-each[1][-1], -max(each[1]), each[0]))
    return [(_OWN, [point.own_share for point in history]), *lines[:_MOST_DRAWN]]


def _blocks(line: Sequence[float]) -> str:
    return "".join(_BLOCKS[min(int(value * len(_BLOCKS)), len(_BLOCKS) - 1)] for value in line)


def _counts(history: Sequence[SourceWeights]) -> str:
    return f"{history[0].completed_count} TO {history[-1].completed_count}"
