"""What row-level security costs: the same calls to a server that runs them behind it, and to one that does not.

Both servers have one database, and are asked by turns, one call after the other, so that a busy machine is busy for
both. PostgreSQL's processor time is that of the processes of its connections, as Linux counts it.

    python -m benchmarks.serving.row_security [--rounds 40]

writes benchmarks/results/row_security.json. Some three minutes on an idle machine.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.knowledge_base.import_rate import own_cluster, serving
from benchmarks.report import RESULTS, write_json
from benchmarks.service import ServiceProblem, environment, short_directory
from benchmarks.serving import questions
from headstart.spaces import sample

TASKS = 40
RECORDED = 8_000
SPACE_ID = questions.SPACE.search_space_id
# Calls of one kind that follow each other: a round's figure is their mean.
EACH = 5
SERVERS: Mapping[str, Mapping[str, str]] = {"without": {"HEADSTART_TENANT_ROLE": ""}, "with": {}}
_BACKENDS = "postgres: postgres service"

Ask = Callable[[headstart.Client, random.Random], object]


@dataclass(frozen=True)
class Figure:
    """Milliseconds of a call: lower quartile, median and upper quartile of the rounds."""

    call: str
    server: str
    took_ms: tuple[float, ...]
    postgresql_ms: tuple[float, ...]


def kinds(tasks: list[str]) -> Mapping[str, Ask]:
    def record(client: headstart.Client, drawn: random.Random) -> None:
        outcome = headstart.completed(drawn.random())
        client.record(drawn.choice(tasks), SPACE_ID, sample(questions.SPACE, drawn), outcome)

    def import_some(client: headstart.Client, drawn: random.Random) -> None:
        client.record_many(questions.records(tasks, 500, drawn))

    return {
        "RecordExperiment": record,
        "RecordExperiments, 500": import_some,
        "SelectStrategy": lambda client, drawn: client.select_strategy(drawn.choice(tasks), ["random", "evolution"]),
        "PredictPerformance": lambda client, drawn: client.predict(
            tasks[0], SPACE_ID, [sample(questions.SPACE, drawn)]
        ),
        "WarmStart": lambda client, _: client.warm_start(tasks[0], SPACE_ID, 5),
        "GetTask": lambda client, drawn: client.get_task(drawn.choice(tasks)),
        "SearchTasks": lambda client, _: client.search_tasks(tasks[0]),
    }


def measure(directory: Path, rounds: int) -> list[Figure]:
    with own_cluster(directory) as cluster:
        url = cluster.migrated("service")
        with ExitStack() as running:
            clients = {}
            for name, values in SERVERS.items():
                with environment(values):
                    address = running.enter_context(serving(url, directory))
                clients[name] = running.enter_context(headstart.connect(address, timeout=60))
            tasks = questions.prepare(clients["with"], TASKS)
            clients["with"].record_many(questions.records(tasks, RECORDED, random.Random(0)))
            return [figure for call, ask in kinds(tasks).items() for figure in _compare(clients, call, ask, rounds)]


def _compare(clients: Mapping[str, headstart.Client], call: str, ask: Ask, rounds: int) -> list[Figure]:
    drawn = random.Random(call)
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
    # The first two rounds are for what is done once.
    for number in range(rounds + 2):
        for name in sorted(clients, reverse=bool(number % 2)):
            spent, began = _backends_seconds(), time.perf_counter()
            for _ in range(EACH):
                ask(clients[name], drawn)
            took = time.perf_counter() - began
            if number >= 2:
                seen[name].append((1e3 * took / EACH, 1e3 * (_backends_seconds() - spent) / EACH))
    return [
        Figure(call, name, *(tuple(statistics.quantiles(column, n=4)) for column in zip(*rows, strict=True)))
        for name, rows in seen.items()
    ]


def _backends_seconds() -> float:
    total = 0.0
    for process in psutil.process_iter(["cmdline"]):
        if " ".join(process.info["cmdline"] or ()).startswith(_BACKENDS):
            with suppress(OSError):
                total += int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9
    return total


def print_table(console: Console, figures: list[Figure]) -> None:
    grid = Grid(title="What row-level security costs: medians, and quartiles of the rounds")
    for heading in ("call", "row-level security", "call, ms", "PostgreSQL's processor time, ms"):
        grid.add_column(heading)
    for figure in figures:
        columns = [
            f"{middle:.2f} ({low:.2f}-{high:.2f})" for low, middle, high in (figure.took_ms, figure.postgresql_ms)
        ]
        grid.add_row(figure.call, figure.server, *columns)
    console.print(grid)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.row_security", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--results", type=Path, default=RESULTS / "row_security.json", help="where the figures go")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: at least 2, for quartiles")
    console = Console()
    try:
        with short_directory() as place:
            figures = measure(place, options.rounds)
    except (ServiceProblem, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_table(console, figures)
    write_json(
        options.results,
        {
            "benchmark": "row_security",
            "command": f"python -m benchmarks.serving.row_security --rounds {options.rounds}",
            "figures": [asdict(figure) for figure in figures],
        },
    )
    console.print(f"Written: {options.results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
