"""What keeps a command from its work is one line that says what to do, and exit code 2; never a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart_server.runtime.database.engine import create_engine, schema_revision
from headstart_server.runtime.settings import load_settings


@pytest.fixture
def taken_address() -> Iterator[str]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield f"127.0.0.1:{holder.getsockname()[1]}"


def run(*arguments: str, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headstart_server", *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip()
    assert "\n" not in line
    assert line.startswith("headstart-server: ")
    for word in words:
        assert word in line


def test_help_answers_at_once_and_names_every_role(tmp_path: Path) -> None:
    begin = time.monotonic()
    done = run("--help", directory=tmp_path)
    # Importing the roles would take many seconds; starting Python takes a fraction of one.
    assert time.monotonic() - begin < 4
    for role in ("up", "serve", "predictor", "worker", "reindex", "migrate", "check"):
        assert f" {role} " in done.stdout


@pytest.mark.parametrize("command", ["serve", "worker", "predictor", "migrate"])
def test_database_out_of_reach(command: str, tmp_path: Path) -> None:
    url = "postgresql://ann:secret-word@127.0.0.1:1/headstart"
    done = run(command, directory=tmp_path, HEADSTART_DATABASE_URL=url, HEADSTART_GRPC_ADDRESS="127.0.0.1:0")
    assert_refused(done, "127.0.0.1", "Connection refused", "HEADSTART_DATABASE_URL")
    assert "secret-word" not in done.stderr


def test_database_that_does_not_exist(empty_database_url: str, tmp_path: Path) -> None:
    done = run("migrate", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url.replace("/test_", "/absent_"))
    assert_refused(done, "does not exist", "HEADSTART_DATABASE_URL")


@pytest.mark.parametrize("command", ["serve", "worker", "predictor"])
def test_schema_behind(command: str, empty_database_url: str, tmp_path: Path) -> None:
    environment = {"HEADSTART_DATABASE_URL": empty_database_url, "HEADSTART_GRPC_ADDRESS": "127.0.0.1:0"}
    assert_refused(run(command, directory=tmp_path, **environment), "headstart-server migrate")


def test_wrong_setting(tmp_path: Path) -> None:
    assert_refused(run("serve", directory=tmp_path, HEADSTART_DATABASE_URL="nonsense"), "HEADSTART_DATABASE_URL")


@pytest.mark.parametrize("command", ["up", "serve"])
def test_taken_port(command: str, taken_address: str, database_url: str, tmp_path: Path) -> None:
    environment = {"HEADSTART_DATABASE_URL": database_url, "HEADSTART_GRPC_ADDRESS": taken_address}
    done = run(command, directory=tmp_path, HEADSTART_METRICS_ADDRESS="127.0.0.1:0", **environment)
    assert_refused(done, taken_address, "Address already in use", "HEADSTART_GRPC_ADDRESS")


@pytest.mark.parametrize("command", ["up", "serve", "predictor"])
def test_address_that_is_not_of_this_machine(command: str, tmp_path: Path) -> None:
    done = run(command, "--insecure", "--grpc-address", "nosuchhost.invalid:50999", directory=tmp_path)
    assert_refused(done, "annot listen on nosuchhost.invalid:50999: ", "HEADSTART_GRPC_ADDRESS")
    assert "in use" not in done.stderr


def test_up_refuses_port_0(tmp_path: Path) -> None:
    assert_refused(run("up", "--grpc-address", "127.0.0.1:0", directory=tmp_path), "127.0.0.1:0", "not 0")


def test_taken_metrics_port(taken_address: str, database_url: str, tmp_path: Path) -> None:
    environment = {"HEADSTART_DATABASE_URL": database_url, "HEADSTART_GRPC_ADDRESS": "127.0.0.1:0"}
    done = run("serve", directory=tmp_path, HEADSTART_METRICS_ADDRESS=taken_address, **environment)
    assert_refused(done, taken_address, "HEADSTART_METRICS_ADDRESS")


def test_dgl_insisted_on_where_it_cannot_be_imported(database_url: str, tmp_path: Path) -> None:
    # A module of that name that fails, in front of the real one: as on a Python that DGL has no build for.
    broken = tmp_path / "front" / "dgl"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no build for this Python')")
    done = run(
        "serve",
        directory=tmp_path,
        PYTHONPATH=str(tmp_path / "front"),
        HEADSTART_DATABASE_URL=database_url,
        HEADSTART_GRAPH_KERNELS="dgl",
        HEADSTART_GRPC_ADDRESS="127.0.0.1:0",
    )
    assert_refused(done, "DGL", "HEADSTART_GRAPH_KERNELS")


def test_unusable_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("up", "--data-directory", str(tmp_path / "file"), directory=tmp_path)
    assert_refused(done, str(tmp_path / "file"))


def test_migrate_says_what_it_did_and_may_be_repeated(empty_database_url: str, tmp_path: Path) -> None:
    first = run("migrate", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url)
    assert first.returncode == 0, first.stderr
    second = run("migrate", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url)
    assert "already" in second.stdout
    engine = create_engine(load_settings(database_url=empty_database_url))
    newest = schema_revision(engine)
    assert newest in first.stdout
    back = run("migrate", "--back", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url)
    assert f"from {newest} to schema revision {schema_revision(engine)}" in back.stdout
    assert schema_revision(engine) != newest
    engine.dispose()
    no_further = run("migrate", "--back", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url)
    assert_refused(no_further, "one step back leads from")


def test_check_is_content_with_a_migrated_database(database_url: str, tmp_path: Path) -> None:
    done = run("check", directory=tmp_path, HEADSTART_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stdout
    assert "schema revision" in done.stdout


def test_check_names_what_is_missing(empty_database_url: str, tmp_path: Path) -> None:
    done = run("check", directory=tmp_path, HEADSTART_DATABASE_URL=empty_database_url)
    assert done.returncode == 1
    assert "headstart-server migrate" in done.stdout
