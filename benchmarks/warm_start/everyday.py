"""Whether a warm start copies what is known of the same data: the first eight suggestions for a new task, small pasts.

The ready-made space of multilayer perceptrons and a smooth made-up accuracy. Past tasks on the same data have random
results on record; the new task is described like them and asks for one suggestion after the other, recording each.
Counted in every draw: how many of eight are taken from the past (or are the space's default), whether the first is one
of the three best of an alike past task, and whether the best of the first three is within .01 of the past's third best.

    python -m benchmarks.warm_start.everyday [--quick] [--address HOST:PORT]

writes benchmarks/results/warm_start_everyday.json. A minute.
"""

from __future__ import annotations

import argparse
import random
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.progress import bars
from benchmarks.report import RESULTS, write_json
from benchmarks.rows import Row, row_figures
from benchmarks.service import ServiceProblem, add_address_option, running_service
from benchmarks.warm_start.everyday_problems import (
    ADULT,
    Past,
    Problem,
    in_space,
    measured,
    mixed,
    record_pasts,
    reversed_quality,
    searched,
    task,
    unlike,
)
from headstart.errors import HeadstartError
from headstart.spaces import canonicalize

DRAWS, QUICK_DRAWS = 10, 2
SUGGESTIONS = 8
# Of eight suggestions, and of all draws.
LEAST_FOLLOWED, LEAST_SHARE = 6.0, 0.9
# By name: an older client knows no default.
_FOLLOWED = {"TRANSFERRED", "DEFAULT"}


@dataclass(frozen=True)
class Memory:
    """Past tasks: so many on the same data with so many results each, and others with the reversed objective."""

    name: str
    alike: int
    results: int
    others: int = 0


MEMORIES = (
    Memory("one alike", 1, 60),
    Memory("one alike, 20 results", 1, 20),
    Memory("three alike", 3, 60),
    Memory("two alike, one unlike", 2, 60, 1),
    Memory("one alike, eight unlike", 1, 60, 8),
)


@dataclass(frozen=True)
class Draw:
    """What the first eight suggestions were: ``followed`` of them, and whether they were right."""

    followed: int
    first_right: bool
    best_of_three_right: bool


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    draws = QUICK_DRAWS if arguments.quick else DRAWS
    try:
        with running_service(arguments.address, console.print) as address, headstart.connect(address) as client:
            found = measure(client, draws, console)
    except (ServiceProblem, HeadstartError) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    Console().print(_table(found, draws))
    write_json(arguments.results, figures(found))
    console.print(f"Wrote {arguments.results}")
    return 0


def measure(client: headstart.Client, draws: int, console: Console) -> dict[str, list[Draw]]:
    """By name of the memory."""
    found: dict[str, list[Draw]] = {}
    with bars(console) as progress:
        bar = progress.add_task("draws", total=draws * len(MEMORIES), note="")
        for memory in MEMORIES:
            found[memory.name] = []
            for draw in range(draws):
                found[memory.name].append(one_draw(client, memory, draw))
                progress.update(bar, advance=1, note=memory.name)
    return found


def one_draw(client: headstart.Client, memory: Memory, draw: int) -> Draw:
    """In a search space of its own; its tasks are deleted at the end."""
    mark = uuid.uuid4().hex[:8]
    problem = in_space(mixed(), f"everyday-{mark}")
    client.create_search_space(problem.space)
    pasts = _pasts(problem, memory, mark, draw)
    new = client.create_task(task(f"new-{mark}", ADULT)).task_id
    try:
        record_pasts(client, problem.space.search_space_id, pasts)
        return _first_eight(client, problem, new, pasts[: memory.alike], draw)
    finally:
        for name in (new, *(past.task.task_id for past in pasts)):
            client.delete_task(name)


def _pasts(problem: Problem, memory: Memory, mark: str, draw: int) -> list[Past]:
    """The alike ones first. What is drawn depends on the draw alone."""
    reverse = reversed_quality(problem.quality)
    alike = [
        searched(task(f"alike-{i}-{mark}", ADULT), problem.space, problem.quality, memory.results, 100 * draw + i)
        for i in range(memory.alike)
    ]
    others = [
        searched(task(f"other-{i}-{mark}", unlike(i)), problem.space, reverse, memory.results, 100 * draw + 50 + i)
        for i in range(memory.others)
    ]
    return alike + others


def _first_eight(client: headstart.Client, problem: Problem, task_id: str, alike: Sequence[Past], draw: int) -> Draw:
    space_id = problem.space.search_space_id
    generator = random.Random(draw)
    suggestions, values = [], []
    for step in range(SUGGESTIONS):
        [suggestion] = client.warm_start(task_id, space_id, 1, seed=100 * draw + step).suggestions
        values.append(measured(problem.quality, suggestion.candidate, generator))
        client.record(task_id, space_id, suggestion.candidate, headstart.completed(values[-1]))
        suggestions.append(suggestion)
    best = {canonicalize(problem.space, candidate).fingerprint for past in alike for candidate, _ in past.best(3)}
    third = sorted((value for past in alike for _, value in past.results), reverse=True)[2]
    return Draw(
        followed=sum(suggestion.origin.name in _FOLLOWED for suggestion in suggestions),
        first_right=suggestions[0].fingerprint in best,
        best_of_three_right=max(values[:3]) >= third - 0.01,
    )


def rows(found: dict[str, list[Draw]]) -> list[Row]:
    made = []
    for name, draws in found.items():
        enough = fmean(draw.followed >= LEAST_FOLLOWED for draw in draws)
        first = fmean(draw.first_right for draw in draws)
        good = fmean(draw.best_of_three_right for draw in draws)
        made += [
            Row(f"{name}: taken from the past", fmean(draw.followed for draw in draws), "of 8", LEAST_FOLLOWED, False),
            Row(f"{name}: draws with at least six taken", enough, "", LEAST_SHARE, False),
            Row(f"{name}: draws with the first among the three best", first, "", LEAST_SHARE, False),
            Row(f"{name}: draws with the best of three as good", good, "", LEAST_SHARE, False),
        ]
    return made


def figures(found: dict[str, list[Draw]]) -> dict[str, Any]:
    return {
        "benchmark": "warm_start_everyday",
        "command": "python -m benchmarks.warm_start.everyday",
        "rows": row_figures(rows(found)),
        "draws": {name: [asdict(draw) for draw in draws] for name, draws in found.items()},
    }


def _table(found: dict[str, list[Draw]], draws: int) -> Grid:
    grid = Grid(title=f"The first eight suggestions on the same data, {draws} draws")
    for heading in ("past", "transferred of 8", "none", "first right", "best of three as good"):
        grid.add_column(heading, justify="left" if heading == "past" else "right")
    for name, drawn in found.items():
        counts = sorted(draw.followed for draw in drawn)
        grid.add_row(
            name,
            f"{fmean(counts):.1f} ({counts[0]} to {counts[-1]})",
            str(counts.count(0)),
            f"{sum(draw.first_right for draw in drawn)} of {draws}",
            f"{sum(draw.best_of_three_right for draw in drawn)} of {draws}",
        )
    return grid


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.warm_start.everyday", description=(__doc__ or "").splitlines()[0]
    )
    add_address_option(parser)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_DRAWS} draws instead of {DRAWS}")
    parser.add_argument("--results", type=Path, default=RESULTS / "warm_start_everyday.json", metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
