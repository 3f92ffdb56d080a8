"""The promises that are not met, of all files of results.

python -m benchmarks.promises [--all] [FILES ...]      (make promises)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.report import RESULTS
from benchmarks.rows import print_rows, rows_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints them; 2 where a file has no rows that can be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promises", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="files of results (all of benchmarks/results)")
    parser.add_argument("--all", action="store_true", help="those that are met too")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 200)
    met = count = 0
    for path in options.files or sorted(RESULTS.glob("*.json")):
        try:
            figures = json.loads(path.read_text())
            rows = rows_of(figures)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            print(f"{path}: no rows that can be read ({type(problem).__name__}: {problem})", file=sys.stderr)
            return 2
        met += sum(row.met for row in rows)
        count += len(rows)
        shown = [row for row in rows if options.all or not row.met]
        if shown:
            print_rows(console, f"{path.stem}, {figures.get('date')}, {figures.get('commit')}", shown)
    console.print(f"{met} of {count} promises are met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
