"""What every test may ask for: a real PostgreSQL, a real Chroma, a real running service.

The two databases are started once a session; a test gets a fresh database, copied from one that was migrated before.
Nothing is started for tests that ask for nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import chromadb
import chromadb.config
import psycopg2
import pytest
from sqlalchemy import Engine

from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.local.child import Child, Program, running_postgres
from headstart_server.runtime.local.databases import EmbeddedChroma, EmbeddedPostgres
from headstart_server.runtime.settings import Settings, load_settings
from tests.waiting import wait_until

# The tests' own settings come from the tests, not from whoever runs them.
for _name in [name for name in os.environ if name.startswith("HEADSTART_")]:
    del os.environ[_name]

# As the roles do it (runtime/startup.py): DGL reads this when it is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell's background job ignores interrupts, and so would every program that a test starts to interrupt it.
signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = "headstart_template"


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """Short, since PostgreSQL's socket lies in it."""
    directory = Path(tempfile.mkdtemp(prefix="headstart-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(session_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A running server with a migrated template database."""
    server = EmbeddedPostgres(session_directory / "postgresql")
    server.prepare()
    with running_postgres(server, session_directory / "postgresql.log"):
        server.ensure_database(TEMPLATE)
        engine = create_engine(load_settings(database_url=server.url(TEMPLATE)))
        migrate(engine)
        engine.dispose()
        yield server


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without tables."""
    with fresh_database(postgres, template="template1") as url:
        yield url


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database with the tables of this version."""
    with fresh_database(postgres) as url:
        yield url


class fresh_database:
    """Makes a database for the time of a with block, by default with the tables of this version."""

    def __init__(self, server: EmbeddedPostgres, template: str = TEMPLATE) -> None:
        self._server = server
        self._name = f"test_{uuid.uuid4().hex[:12]}"
        self._template = template

    def __enter__(self) -> str:
        # FILE_COPY of a small template takes a tenth of the time of the default, which logs every page.
        self._execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return self._server.url(self._name)

    def __exit__(self, *_: object) -> None:
        self._execute(f"DROP DATABASE {self._name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(host=str(self._server.socket_directory()), user="postgres", dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@pytest.fixture(scope="session")
def chroma_server(session_directory: Path) -> Iterator[str]:
    server = EmbeddedChroma(session_directory / "chroma")
    server.prepare()
    log = session_directory / "chroma.log"
    child = Child(Program(name="chroma", command=lambda: server.command(sys.executable), log=log))
    child.start()
    wait_until(server.ready, what="Chroma's start")
    yield server.url()
    child.stop()


@pytest.fixture
def chroma_url(chroma_server: str) -> str:
    """A running Chroma without collections."""
    address = urlsplit(chroma_server)
    client = chromadb.HttpClient(
        host=str(address.hostname),
        port=int(address.port or 0),
        settings=chromadb.config.Settings(anonymized_telemetry=False),
    )
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    return chroma_server


@pytest.fixture
def settings(database_url: str, chroma_url: str, tmp_path: Path) -> Settings:
    """Of a service that listens on free ports."""
    return load_settings(
        database_url=database_url,
        chroma_url=chroma_url,
        data_directory=tmp_path,
        grpc_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        worker_poll_seconds=0.1,
        shutdown_grace_seconds=2.0,
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings)
    row_security.watch(engine, settings.tenant_role)
    yield engine
    engine.dispose()


class Service:
    """A server role in a process of its own, as an operator runs it; ``within`` is a command that runs others."""

    def __init__(self, settings: Settings, log: Path, role: str = "serve", within: Sequence[str] = ()) -> None:
        self._role = role
        self._within = within
        self.settings = settings
        self.log = log
        self.address = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start it (after a first time: on the address it had) and wait until it serves."""
        address = self.address or self.settings.grpc_address
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, sys.executable, "-m", "headstart_server", self._role],
                env=self._environment(grpc_address=address),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("Serving "), f"the service did not start:\n{self.log.read_text()[-4000:]}"
        self.address = line.split()[-1]
        return self

    def kill(self) -> None:
        """As a power cut would end it; nothing where it has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> int:
        """As an operator ends it; the exit code."""
        self.send(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        self._process.communicate(timeout=30)
        return self._process.returncode

    def run_worker(self) -> None:
        """Do all the work that is pending: index, train."""
        done = subprocess.run(
            [sys.executable, "-m", "headstart_server", "worker", "--once"],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]

    def _environment(self, **changes: str) -> dict[str, str]:
        values = {name: value for name, value in self.settings.model_dump(mode="json").items() if value is not None}
        return {
            **os.environ,
            **{f"HEADSTART_{name.upper()}": str(value) for name, value in {**values, **changes}.items()},
        }


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """A running service with an empty database; takes some seconds, so share ``shared_service`` where that will do."""
    service = Service(settings, tmp_path / "serve.log").start()
    yield service
    service.kill()


@pytest.fixture(scope="session")
def shared_service(postgres: EmbeddedPostgres, chroma_server: str, session_directory: Path) -> Iterator[Service]:
    """A running service for tests that choose ids of their own (``unique_id``) and leave the rest alone.

    Its vector index is the session's, which other tests empty: ask it nothing about nearest architectures.
    """
    with fresh_database(postgres) as url:
        settings = load_settings(
            database_url=url,
            chroma_url=chroma_server,
            data_directory=session_directory,
            grpc_address="127.0.0.1:0",
            metrics_address="127.0.0.1:0",
            shutdown_grace_seconds=2.0,
        )
        service = Service(settings, session_directory / "serve.log").start()
        yield service
        service.kill()


@pytest.fixture
def unique_id() -> Callable[[str], str]:
    """Makes ids that no other test uses: ``unique_id("cora")``."""
    return lambda name: f"{name}-{uuid.uuid4().hex[:8]}"
