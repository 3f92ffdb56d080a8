"""Tables for people: as wide as the terminal; not a terminal gets every column in full.

Numbers stand to the right. In a terminal that is too narrow the columns declared wide are cut first. Colour is for
terminals only, and not where NO_COLOR is set.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headstart.command_line import words

# Without a terminal there is no width to fit, but rich needs one.
_UNLIMITED = 1_000_000

_STYLES = {"completed": "green", "failed": "red", "stopped": "yellow"}


@dataclass(frozen=True)
class Column:
    """The layout of a column.

    ``number``: aligned to the right. ``wide``: the first to be cut in a terminal. ``prose``: never cut, but wrapped
    over several lines.
    """

    heading: str
    number: bool = False
    wide: bool = False
    prose: bool = False


class _Console(Console):
    """Leaves a closed output to the caller; rich would end the process with exit code 1."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def console() -> Console:
    made = _Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _UNLIMITED
    return made


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    to = console()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        justify = "right" if column.number else "left"
        table.add_column(Text(column.heading), justify=justify, no_wrap=not (column.wide or column.prose))  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(_cell(cell, column, to.is_terminal) for cell, column in zip(row, columns, strict=True)))
    if to.is_terminal:
        to.print(table)
        return
    with to.capture() as capture:
        to.print(table)
    # The padding of the last column is useless.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one a line; unknown values are left out."""
    to = console()
    for name, fact in facts:
        if fact:
            to.print(Text.assemble((f"{name + ':':<15}", "bold"), words.one_line(fact)), soft_wrap=True)


def print_text(text: str) -> None:
    to = console()
    to.print("\n".join(map(words.one_line, text.split("\n"))), soft_wrap=not to.is_terminal)


def _cell(cell: str, column: Column, is_terminal: bool) -> Text:
    """The cell on one line, unless it is prose."""
    text = words.one_line(cell)
    if column.prose:
        return Text(text, no_wrap=False, overflow="fold")
    shown = words.cut(text) if column.wide and is_terminal else text
    return Text(shown, style=_STYLES.get(text, ""), no_wrap=True, overflow="ellipsis")
