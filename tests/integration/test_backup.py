"""Backups: everything comes back, in another database or data directory; nothing is overwritten or half done."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import text

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import upgrade
from headstart_server.runtime.local.databases import installed_binaries
from headstart_server.runtime.settings import load_settings
from tests.conftest import fresh_database

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id


def command(*arguments: str | Path, database_url: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "160", "OMP_NUM_THREADS": "1"}
    if database_url is not None:
        environment["HEADSTART_DATABASE_URL"] = database_url
    return subprocess.run(
        [sys.executable, "-m", "headstart_server", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def refused(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 2, answer
    assert answer.stderr.startswith("headstart-server: ")
    return answer.stderr


def rows(database_url: str) -> dict[str, list[str]]:
    """Every row of every table, as text and sorted."""
    engine = create_engine(load_settings(database_url=database_url))
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    with engine.connect() as connection:
        names = connection.execute(text(tables)).scalars().all()
        found = {
            name: sorted(connection.execute(text(f"SELECT row_to_json(t)::text FROM {name} t")).scalars())
            for name in names
        }
    engine.dispose()
    return found


@pytest.mark.timeout(240)
def test_everything_comes_back_in_another_directory_and_another_database(
    service, empty_database_url: str, tmp_path: Path
) -> None:
    generator = random.Random(0)
    with headstart.connect(service.address, timeout=30) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        records = [
            Record("cifar", SPACE_ID, sample(SPACE, generator), headstart.completed(generator.random()))
            for _ in range(40)
        ]
        client.record_many(records)
        client.select_strategy("cifar", ["random", "evolution"])
    url = service.settings.database_url
    before = rows(url)
    first, second = tmp_path / "first.backup", tmp_path / "second.backup"

    made = command("backup", first, database_url=url)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"Backed up to {first}: schema revision ")
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert "exists" in refused(command("backup", first, database_url=url))
    assert "holds" in refused(command("restore", first, database_url=url))

    torn = tmp_path / "torn.backup"
    torn.write_bytes(first.read_bytes()[:-200])
    assert "pg_restore failed" in refused(command("restore", torn, database_url=empty_database_url))
    assert rows(empty_database_url) == {}

    # Into a data directory that does not exist yet, and from there, where nothing runs, into a database.
    directory = tmp_path / "elsewhere"
    restored = command("restore", first, "--data-directory", directory)
    assert restored.returncode == 0, restored.stderr
    assert command("backup", second, "--data-directory", directory).returncode == 0
    assert command("restore", second, database_url=empty_database_url).returncode == 0
    assert rows(empty_database_url) == before

    # Servers on it take the same request for the same, and go on.
    service.settings = service.settings.model_copy(update={"database_url": empty_database_url})
    service.stop()
    service.start()
    with headstart.connect(service.address, timeout=30) as client:
        assert client.get_task("cifar").task_id == "cifar"
        client.record("cifar", SPACE_ID, sample(SPACE, generator), headstart.completed(0.5))
    service.run_worker()
    with headstart.connect(service.address, timeout=30) as client:
        found = client.search_architectures(SPACE_ID, records[0].candidate)
        assert found.matches
        assert not found.degraded


# What the database's login may do, a command of the operating system included.
HOSTILE = """
    CREATE TABLE scratch (line text);
    CREATE FUNCTION strike() RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN COPY public.scratch FROM PROGRAM 'echo ran >> {mark}'; RETURN true; END $$;
    CREATE FUNCTION strike_row() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM public.strike(); RETURN NEW; END $$;
    ALTER TABLE namespaces ADD CONSTRAINT harmless CHECK (strike());
    ALTER TABLE namespaces ALTER COLUMN name SET DEFAULT CAST(strike() AS text);
    CREATE TRIGGER on_row BEFORE INSERT ON namespaces FOR EACH ROW EXECUTE FUNCTION strike_row();
    ALTER TABLE namespaces ENABLE ALWAYS TRIGGER on_row;
    CREATE UNIQUE INDEX by_strike ON namespaces (name) WHERE name <> '';
    INSERT INTO namespaces (name) VALUES ('team-a');
"""


def test_nothing_that_is_in_a_backup_is_run(database_url: str, empty_database_url: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as shared:
        # PostgreSQL may be another user.
        Path(shared).chmod(0o777)
        mark = Path(shared) / "mark"
        engine = create_engine(load_settings(database_url=database_url))
        with engine.begin() as connection:
            connection.execute(text(HOSTILE.format(mark=mark)))
        engine.dispose()
        assert mark.exists()
        mark.unlink()
        file = tmp_path / "foreign.backup"
        assert command("backup", file, database_url=database_url).returncode == 0
        restored = command("restore", file, database_url=empty_database_url)
        assert restored.returncode == 0, restored.stderr
        assert not mark.exists()
    for foreign in ("function strike()", "trigger namespaces on_row", "table scratch"):
        assert foreign in restored.stdout.replace("\n", " ")
    assert "team-a" in rows(empty_database_url)["namespaces"][0]
    assert "scratch" not in rows(empty_database_url)


def test_backup_of_an_earlier_revision_is_brought_to_this_one(
    empty_database_url: str, tmp_path: Path, postgres
) -> None:
    engine = create_engine(load_settings(database_url=empty_database_url))
    with engine.begin() as connection:
        upgrade(connection, "0001")
        connection.execute(text("INSERT INTO namespaces (id, name) VALUES (7, 'old')"))
        connection.execute(text("SELECT setval('namespaces_id_seq', 9)"))
    engine.dispose()
    file = tmp_path / "old.backup"
    made = subprocess.run(
        [installed_binaries() / "pg_dump", "-Fc", "-f", file, f"--dbname={plain(empty_database_url)}"], check=True
    )
    assert made.returncode == 0
    with fresh_database(postgres, template="template1") as url:
        restored = command("restore", file, database_url=url)
        assert "schema revision 0001, brought to" in restored.stdout, restored.stderr
        engine = create_engine(load_settings(database_url=url))
        with engine.begin() as connection:
            number = "INSERT INTO namespaces (name) VALUES ('new') RETURNING id"
            assert connection.execute(text(number)).scalar_one() == 10
        engine.dispose()


def plain(database_url: str) -> str:
    return database_url.replace("postgresql+psycopg2", "postgresql")


def test_what_is_no_backup_changes_nothing(empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    assert "no file" in refused(command("restore", file, database_url=empty_database_url))
    file.write_text("not a backup\n" * 1000)
    assert "pg_restore failed" in refused(command("restore", file, database_url=empty_database_url))
    assert rows(empty_database_url) == {}
    assert "nothing to back up" in refused(command("backup", tmp_path / "none", database_url=empty_database_url))
    assert "holds no database" in refused(command("backup", tmp_path / "none", "--data-directory", tmp_path / "new"))
    assert "cannot be reached" in refused(
        command("backup", tmp_path / "none", database_url="postgresql://127.0.0.1:1/headstart")
    )
    assert {each.name for each in tmp_path.iterdir()} == {"notes.txt"}
