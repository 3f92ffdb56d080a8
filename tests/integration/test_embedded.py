"""The embedded databases start wherever their directory lies, and leave nothing half made."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedChroma, EmbeddedPostgres
from tests.waiting import wait_until


@contextmanager
def running(server: EmbeddedPostgres) -> Iterator[Child]:
    child = Child(
        Program(
            name="postgresql",
            command=server.command,
            log=server.directory.parent / "postgresql.log",
            stop_signal=signal.SIGINT,
            account=server.account(),
            tied=False,
            running_pid=server.running_pid,
        )
    )
    child.start()
    try:
        wait_until(server.ready, what="PostgreSQL's start")
        yield child
    finally:
        child.stop()


def setting(server: EmbeddedPostgres, name: str) -> str:
    url = make_url(server.url("postgres"))
    connection = psycopg2.connect(host=str(url.query["host"]), user=url.username, dbname=url.database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            return str(cursor.fetchone()[0])  # type: ignore[index]
    finally:
        connection.close()


@pytest.fixture
def directory(session_directory: Path, request: pytest.FixtureRequest) -> Path:
    made = session_directory / str(abs(hash(request.node.nodeid)))
    made.mkdir(mode=0o711)
    return made


def test_nothing_that_keeps_acknowledged_records_is_switched_off(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "pg")
    server.prepare()
    with running(server):
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert setting(server, name) == "on"
        assert setting(server, "listen_addresses") == ""


@pytest.mark.skipif(os.getuid() != 0, reason="PostgreSQL runs as whoever runs this")
def test_program_of_another_account_keeps_nothing_of_roots(directory: Path) -> None:
    account = EmbeddedPostgres(directory / "pg").account()
    in_a_group = "import os, sys; os.setgroups([4242]); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", in_a_group, *account.command(["/bin/cat", "/proc/self/status"])]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    status = dict(line.split(":", 1) for line in shown.splitlines())
    assert status["Uid"].split() == [str(account.uid)] * 4
    assert status["Gid"].split() == [str(account.gid)] * 4
    assert status["Groups"].split() == []


@pytest.mark.skipif(os.getuid() != 0, reason="PostgreSQL runs as whoever runs this")
def test_program_that_another_account_cannot_run_is_named(directory: Path) -> None:
    account = EmbeddedPostgres(directory / "pg").account()
    log = directory / "missing.log"
    child = Child(Program("missing", lambda: ["/no/such/program"], log, account=account, tied=False))
    child.start()
    wait_until(lambda: child.exit_code() is not None)
    assert child.exit_code() == 1
    assert log.read_text() == "/no/such/program: No such file or directory\n"


def test_directory_whose_path_is_too_long_for_a_socket(directory: Path) -> None:
    deep = directory / ("long-name-" * 10)
    deep.mkdir(mode=0o711)
    server = EmbeddedPostgres(deep / "pg")
    server.prepare()
    with running(server):
        assert server.socket_directory() != server.directory
        assert server.socket_directory().stat().st_mode & 0o077 == 0


def test_start_that_was_interrupted_is_begun_again(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "pg")
    half = directory / "pg.unfinished"
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    assert server.prepare() is True
    with running(server):
        server.ensure_database()
        server.ensure_database()
    assert not half.exists()
    assert server.prepare() is False


def test_running_server_is_found_by_its_directory_and_no_longer_after_its_end(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "pg")
    server.prepare()
    assert server.running_pid() is None
    with running(server) as child:
        assert EmbeddedPostgres(directory / "pg").running_pid() == child.pid
        assert child.pid is not None
    assert server.running_pid() is None


def test_chroma_keeps_its_port_unless_somebody_else_took_it(tmp_path: Path) -> None:
    first = EmbeddedChroma(tmp_path / "chroma")
    first.prepare()
    second = EmbeddedChroma(tmp_path / "chroma")
    second.prepare()
    assert second.port == first.port
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", first.port))
        holder.listen()
        third = EmbeddedChroma(tmp_path / "chroma")
        third.prepare()
    assert third.port != first.port
