"""One promise of a benchmark: a figure beside its target. Every file of results has a list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as Grid


@dataclass(frozen=True)
class Row:
    """A figure and its target, both in ``unit``.

    ``at_most``: the figure must not exceed the target; otherwise it must reach it. ``quoted``: the command, date and
    commit of another run that measured the figure; empty where this run did.
    """

    what: str
    figure: float
    unit: str
    target: float
    at_most: bool
    quoted: str = ""

    @property
    def met(self) -> bool:
        return self.figure <= self.target if self.at_most else self.figure >= self.target

    def __str__(self) -> str:
        return f"{self.what}: {_short(self.figure)} {self.unit}".rstrip() + f" ({self.bound})"

    @property
    def bound(self) -> str:
        return f"at {'most' if self.at_most else 'least'} {self.target:,g}"


def print_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    grid = Grid(title=title)
    for heading in ("", "measured", "target", "", "from"):
        grid.add_column(heading, justify="right" if heading in ("measured", "target") else "left")
    for row in rows:
        met = "met" if row.met else "missed"
        grid.add_row(row.what, f"{_short(row.figure)} {row.unit}", row.bound, met, row.quoted or "this run")
    console.print(grid)


def row_figures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as files of results hold them: {what, figure, unit, target, at_most, quoted, met}."""
    return [{**asdict(row), "met": row.met} for row in rows]


def rows_of(figures: Mapping[str, Any]) -> list[Row]:
    """The rows of a file of results. Raises KeyError or TypeError where it has none."""
    return [Row(**{name: value for name, value in row.items() if name != "met"}) for row in figures["rows"]]


def _short(figure: float) -> str:
    return f"{figure:,.3g}" if abs(figure) < 1_000 else f"{figure:,.0f}"
