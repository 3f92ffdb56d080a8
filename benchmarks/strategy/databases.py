"""A PostgreSQL of the benchmark's own, and services on copies of a database: each fold starts from the same past."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.service import ServiceProblem, short_directory

if TYPE_CHECKING:
    from headstart_server.runtime.local.databases import EmbeddedPostgres

_STOP_SECONDS = 30.0


class Databases:
    """``past`` is the database that folds are copies of; at first it has the tables and nothing else."""

    past = "past"
    empty = "untouched"

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    def url(self, name: str) -> str:
        return self._server.url(name)

    @contextmanager
    def copy(self, template: str) -> Iterator[str]:
        """The name of a new database, gone at the end, like ``template``, to which nobody may be connected."""
        name = f"fold_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield name
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def keep(self, name: str) -> None:
        """Let folds be copies of this database from now on."""
        self._execute(f"DROP DATABASE IF EXISTS {self.past}")
        self._execute(f"CREATE DATABASE {self.past} TEMPLATE {name}")

    def _execute(self, statement: str) -> None:
        import psycopg2

        connection = psycopg2.connect(host=str(self._server.socket_directory()), user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@contextmanager
def own_databases() -> Iterator[Databases]:
    """A server with two databases of this version's tables, stopped and forgotten at the end."""
    from headstart_server.runtime.database.engine import create_engine
    from headstart_server.runtime.database.migration import migrate
    from headstart_server.runtime.local.child import running_postgres
    from headstart_server.runtime.local.databases import EmbeddedPostgres
    from headstart_server.runtime.settings import load_settings

    with short_directory() as directory:
        server = EmbeddedPostgres(directory / "postgresql")
        server.prepare()
        with running_postgres(server, directory / "postgresql.log"):
            server.ensure_database(Databases.empty)
            engine = create_engine(load_settings(database_url=server.url(Databases.empty)))
            migrate(engine)
            engine.dispose()
            databases = Databases(server)
            databases.keep(Databases.empty)
            yield databases


@contextmanager
def serving(url: str) -> Iterator[str]:
    """The address of a server role on a database. It has no vector index: nothing here asks what is near."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart_server", "serve"],
        env={
            **os.environ,
            "HEADSTART_DATABASE_URL": url,
            "HEADSTART_CHROMA_URL": "http://127.0.0.1:1",
            "HEADSTART_GRPC_ADDRESS": "127.0.0.1:0",
            "HEADSTART_METRICS_ADDRESS": "127.0.0.1:0",
            "HEADSTART_LOG_LEVEL": "ERROR",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Serving "):
        process.kill()
        raise ServiceProblem("the server role did not start")
    try:
        yield line.split()[-1]
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def learn_strategies(url: str) -> None:
    """What the worker role does with past decisions, without its other work."""
    from headstart_server.runtime.database.engine import create_engine
    from headstart_server.runtime.settings import load_settings
    from headstart_server.strategy.learning import StrategyLearner

    engine = create_engine(load_settings(database_url=url))
    try:
        StrategyLearner(engine).refresh("default")
    finally:
        engine.dispose()
