"""Who watches a command without a terminal is told what it does."""

from __future__ import annotations

import io

from rich.console import Console

from benchmarks.progress import bars


def test_lines_stand_for_bars_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with bars(Console(file=out, force_terminal=False, width=40)) as progress:
        task = progress.add_task("History of earlier tasks", total=2, note="")
        assert out.getvalue() == "History of earlier tasks: 0 of 2\n"
        for completed in (1, 2, 2):
            progress.update(task, completed=completed, note="7 tasks")
    assert out.getvalue().splitlines()[1:] == ["History of earlier tasks: 2 of 2, 7 tasks"]
