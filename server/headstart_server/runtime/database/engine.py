"""The engine, transactions, and whether the tables are the right ones.

Rooms declare their tables on ``metadata`` and write their own SQL; here is what holds for all of them: how long a
connection may take, what is retried, and what a lost database looks like to a caller. The truth of time is the
database clock, so nothing here reads the local one.
"""

from __future__ import annotations

import math
import random
import select
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    MetaData,
    PoolProxiedConnection,
    QueuePool,
    event,
    text,
)
from sqlalchemy import create_engine as create_sqlalchemy_engine
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from headstart_server.runtime.errors import NotFound, ResourceExhausted, SchemaMismatch, Unavailable
from headstart_server.runtime.observability import metrics, tracing
from headstart_server.runtime.settings import Settings

T = TypeVar("T")

VERSION_TABLE = "headstart_alembic_version"
# The newest revision in migrations/; a test keeps both equal.
SCHEMA_REVISION = "0007"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

CONNECT_SECONDS = 5
POOL_WAIT_SECONDS = 5
# Timeouts of a lock, and of one statement.
LOCK_SECONDS = 30
STATEMENT_SECONDS = 60
# Cost for memory and solid-state disks. With PostgreSQL's default, for disks with a head, it reads a whole partition
# for one task.
RANDOM_PAGE_COST = 1.1
TRANSACTION_TRIES = 5
FIRST_PAUSE_SECONDS = 0.01
# After this silence, server and database consider the connection lost.
SILENCE_SECONDS = 10
# A connection is checked after this rest.
_REST_SECONDS = 1.0
# Retry delay for a database that refuses changes.
_NO_CHANGES_SECONDS = 5.0

_SERIALIZATION_FAILURE = "40001"
_DEADLOCK = "40P01"
_TOO_MANY_CONNECTIONS = "53300"
_DISK_FULL = "53100"
_READ_ONLY = "25006"
_LOCK_TIMEOUT = "55P03"
_STATEMENT_TIMEOUT = "57014"
_FOREIGN_KEY_VIOLATION = "23503"
_UNIQUE_VIOLATION = "23505"
# Errors of prepared statements: changed column types, and a missing statement.
_OUTDATED = "0A000"
_NOT_PREPARED = "26000"


class _Pool(QueuePool):
    # SQLAlchemy names a pool's logger after its module: this one belongs to the library, not to us.
    __module__ = QueuePool.__module__

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout as error:
            raise ResourceExhausted("all database connections are in use", "DATABASE_CONNECTIONS") from error


def create_engine(
    settings: Settings, pool_wait_seconds: float = POOL_WAIT_SECONDS, connections: int | None = None
) -> Engine:
    """An engine that connects on first use, with ``connections`` at most, or as the settings say.

    Errors of the service's state become its own errors: a lost or overloaded database is Unavailable, too many
    connections ResourceExhausted.
    """
    engine = create_sqlalchemy_engine(
        settings.database_url,
        poolclass=_Pool,
        # Last in, first out: the connection used last has warm caches, and others stay unused until needed.
        pool_use_lifo=True,
        pool_size=connections or settings.database_pool_size,
        max_overflow=0,
        pool_timeout=pool_wait_seconds,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "headstart",
            # A vanished peer is noticed in about 10 s instead of two hours.
            "keepalives_idle": 4,
            "keepalives_interval": 3,
            "keepalives_count": 2,
            # Keepalives do not cover unacknowledged data, which would be sent again for a quarter of an hour.
            "tcp_user_timeout": SILENCE_SECONDS * 1000,
        },
    )
    tracing.watch_statements(engine)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _check)
    event.listen(engine, "handle_error", _translate)
    return engine


def watch_pool(engine: Engine) -> None:
    """Show the engine's connections in the metrics, for one engine of a process."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    metrics.DATABASE_CONNECTIONS.set(pool.size())
    metrics.DATABASE_CONNECTIONS_IN_USE.set_function(pool.checkedout)


def run_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """The result of ``work`` after its commit.

    ``work`` runs again from its beginning after a deadlock or serialization failure, so it must not act outside the
    database. It runs again, once, when another transaction was first to insert a unique key, or to delete the
    architecture that a row refers to. A connection lost during the commit is Unavailable and not retried, since the
    commit may have happened; the caller may repeat, because its request_id makes that safe.
    """
    was_second = False
    for attempt in range(1, TRANSACTION_TRIES + 1):
        try:
            with tracing.span("transaction", attempt=attempt), engine.begin() as connection:
                return work(connection)
        except OperationalError as error:
            if _sqlstate(error) not in (_SERIALIZATION_FAILURE, _DEADLOCK):
                raise
            if attempt == TRANSACTION_TRIES:
                raise Unavailable("the database is busy with conflicting changes", "DATABASE_BUSY") from error
            metrics.DATABASE_RETRIES.inc()
            time.sleep(random.uniform(0.5, 1.5) * FIRST_PAUSE_SECONDS * 2**attempt)
        except IntegrityError as error:
            if was_second or not (_sqlstate(error) == _UNIQUE_VIOLATION or _misses(error, "architecture_id")):
                raise
            was_second = True
            metrics.DATABASE_RETRIES.inc()
    raise AssertionError("unreachable")


def check_schema(engine: Engine) -> None:
    """Raises SchemaMismatch unless the tables are those of this version, Unavailable without the database."""
    result = schema_revision(engine)
    if result == SCHEMA_REVISION:
        return
    state = "has no Headstart tables" if result is None else f"is at schema revision {result}"
    if result is not None and result > SCHEMA_REVISION:
        raise SchemaMismatch(
            f"The database {state}, newer than this version's {SCHEMA_REVISION}: install the newer headstart"
        )
    raise SchemaMismatch(f"The database {state}, this version needs {SCHEMA_REVISION}: run `headstart-server migrate`")


def schema_revision(engine: Engine) -> str | None:
    """The revision of the database; None before the first migration."""
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass(:table)"), {"table": VERSION_TABLE}).scalar() is None:
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return revision


def without_timeouts(connection: Connection) -> None:
    """Disable the timeouts of this transaction's statements."""
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def _set_up(driver_connection: Any, _: object) -> None:
    # Not as options of the connection, which would replace those of the URL.
    with driver_connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s'; "
            f"SET random_page_cost = {RANDOM_PAGE_COST}; "
            # Numbers come back as they were sent, even if the database is set to round them.
            "SET extra_float_digits = 1; "
            # The same for PostgreSQL: a transaction of a vanished server would hold its locks on tasks for two hours.
            "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 2; "
            f"SET tcp_user_timeout = {SILENCE_SECONDS * 1000}"
        )
    driver_connection.commit()


def _note_use(_: object, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _check(driver_connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Replace a lost connection before a caller meets it.

    A connection is checked after a rest, and when it is readable: a readable idle connection has been closed by the
    server. A check at each use would cost as much as a statement.
    """
    rested = time.monotonic() - record.info.get("used", -math.inf) >= _REST_SECONDS
    if not rested and not _has_words(driver_connection):
        return
    try:
        with driver_connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        driver_connection.rollback()
    except psycopg2.Error as error:
        raise DisconnectionError from error


def _has_words(driver_connection: Any) -> bool:
    poll = select.poll()
    poll.register(driver_connection, select.POLLIN)
    return bool(poll.poll(0))


def _translate(context: ExceptionContext) -> None:
    """Turn errors of the service's state into its own errors.

    Other errors of statements stay as they are.
    """
    error = context.sqlalchemy_exception
    if not isinstance(error, DBAPIError):
        return
    state = _sqlstate(error)
    if state == _TOO_MANY_CONNECTIONS:
        raise ResourceExhausted("the database takes no more connections", "DATABASE_CONNECTIONS") from error
    if state in (_LOCK_TIMEOUT, _STATEMENT_TIMEOUT):
        raise Unavailable("the database is too busy to answer in time", "DATABASE_BUSY") from error
    if state == _DISK_FULL:
        raise Unavailable("the database has no room left", "DATABASE_FULL", _NO_CHANGES_SECONDS) from error
    if state in (_OUTDATED, _NOT_PREPARED):
        context.is_disconnect = True
        raise Unavailable(
            "the schema has changed, or a pooler deals out connections to PostgreSQL by transactions",
            "DATABASE_UNAVAILABLE",
        ) from error
    if state == _READ_ONLY:
        # Another server may accept changes by now, at the same address.
        context.is_disconnect = True
        raise Unavailable("the database takes no changes", "DATABASE_READ_ONLY", _NO_CHANGES_SECONDS) from error
    # Only tasks are ever deleted, and architectures with them.
    if _misses(error, "task_id"):
        raise NotFound("the task was deleted meanwhile", "TASK_NOT_FOUND") from error
    lost = context.is_disconnect or (isinstance(error, OperationalError) and (state is None or _connection_lost(state)))
    if lost:
        raise Unavailable("the database is out of reach", "DATABASE_UNAVAILABLE") from error


def _misses(error: DBAPIError, column: str) -> bool:
    """Whether a row refers, in this column, to a row that does not exist."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
    return _sqlstate(error) == _FOREIGN_KEY_VIOLATION and column in constraint


def _connection_lost(sqlstate: str) -> bool:
    """Class 08 is about connections; 57P is a session's end by an operator or a crash."""
    return sqlstate.startswith(("08", "57P"))


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "pgcode", None)
    return state
