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
# The newest revision in migrations/; a test keeps the two together.
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
# Waiting for another transaction, and one statement at all.
LOCK_SECONDS = 30
STATEMENT_SECONDS = 60
# Of memory and solid-state disks. PostgreSQL's own, of disks with a head, has it read all of a partition for a task.
RANDOM_PAGE_COST = 1.1
TRANSACTION_TRIES = 5
FIRST_PAUSE_SECONDS = 0.01
# After so long without a word from each other, server and database take the connection for lost.
SILENCE_SECONDS = 10
# A connection that rested so long is tried before it is used.
_REST_SECONDS = 1.0
# When to come again to a database that takes no changes.
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
# Of prepared statements: that their columns have other types by now, and that they are not there.
_OUTDATED = "0A000"
_NOT_PREPARED = "26000"


class _Pool(QueuePool):
    # SQLAlchemy names a pool's logger after its module: this one's chatter is the library's, not ours.
    __module__ = QueuePool.__module__

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except PoolTimeout as error:
            raise ResourceExhausted("all database connections are in use", "DATABASE_CONNECTIONS") from error


def create_engine(
    settings: Settings, pool_wait_seconds: float = POOL_WAIT_SECONDS, connections: int | None = None
) -> Engine:
    """An engine that connects when first used; ``connections`` at most, or as many as the settings say.

    Wherever they are met, a lost or overlong busy database is Unavailable, too many connections ResourceExhausted.
    """
    engine = create_sqlalchemy_engine(
        settings.database_url,
        poolclass=_Pool,
        # The connection that was used last: its caches are warm, and others stay unused until they are needed.
        pool_use_lifo=True,
        pool_size=connections or settings.database_pool_size,
        max_overflow=0,
        pool_timeout=pool_wait_seconds,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "headstart",
            # A peer that vanished without a word is noticed in about 10 s instead of two hours.
            "keepalives_idle": 4,
            "keepalives_interval": 3,
            "keepalives_count": 2,
            # They do not watch a connection on which data are under way, which would be sent again for a quarter hour.
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
    """Show the engine's connections in the metrics: those of one engine a process."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    metrics.DATABASE_CONNECTIONS.set(pool.size())
    metrics.DATABASE_CONNECTIONS_IN_USE.set_function(pool.checkedout)


def run_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    """The result of ``work`` after its commit.

    ``work`` runs again, from its beginning, after a deadlock or serialization failure: it must not act outside the
    database. So it does, once, when another transaction was first to insert a unique key, which it now finds, or to
    delete the architecture that a row refers to, which it now misses. A connection lost during the commit is
    Unavailable and not retried, since the commit may have happened; repeating is for the caller, whose request_id
    makes it safe.
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
    """Raises SchemaMismatch unless the tables are those of this version, Unavailable where the database is."""
    found = schema_revision(engine)
    if found == SCHEMA_REVISION:
        return
    state = "has no Headstart tables" if found is None else f"is at schema revision {found}"
    if found is not None and found > SCHEMA_REVISION:
        raise SchemaMismatch(
            f"The database {state}, newer than this version's {SCHEMA_REVISION}: install the newer headstart"
        )
    raise SchemaMismatch(f"The database {state}, this version needs {SCHEMA_REVISION}: run `headstart-server migrate`")


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None before the first migration."""
    with engine.connect() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass(:table)"), {"table": VERSION_TABLE}).scalar() is None:
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    return revision


def without_timeouts(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they take."""
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def _set_up(driver_connection: Any, _: object) -> None:
    # Not as options of the connection: those would replace what the URL gives.
    with driver_connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout = '{LOCK_SECONDS}s'; SET statement_timeout = '{STATEMENT_SECONDS}s'; "
            f"SET random_page_cost = {RANDOM_PAGE_COST}; "
            # Numbers come back as they were sent, also where the database is set to round them.
            "SET extra_float_digits = 1; "
            # The same seen from PostgreSQL, where a transaction of a server that vanished would hold its locks on
            # tasks for two hours, and every other server's changes to them wait.
            "SET tcp_keepalives_idle = 4; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 2; "
            f"SET tcp_user_timeout = {SILENCE_SECONDS * 1000}"
        )
    driver_connection.commit()


def _note_use(_: object, record: ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _check(driver_connection: Any, record: ConnectionPoolEntry, _: object) -> None:
    """Find a lost connection before a caller does; the pool then opens another one.

    It is asked where it was not used for a while, and where there is something to read: PostgreSQL has nothing to say
    to who has asked nothing, but that it ends. To ask each time would cost as much as a statement.
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
    """Turn what depends on the state of the service into its errors.

    Other errors of statements are left to whoever wrote the statement.
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
        # Another server may be the one that takes changes by now, at the same address.
        context.is_disconnect = True
        raise Unavailable("the database takes no changes", "DATABASE_READ_ONLY", _NO_CHANGES_SECONDS) from error
    # Of all that rows refer to, only tasks are ever deleted, and architectures with them.
    if _misses(error, "task_id"):
        raise NotFound("the task was deleted meanwhile", "TASK_NOT_FOUND") from error
    lost = context.is_disconnect or (isinstance(error, OperationalError) and (state is None or _connection_lost(state)))
    if lost:
        raise Unavailable("the database is out of reach", "DATABASE_UNAVAILABLE") from error


def _misses(error: DBAPIError, column: str) -> bool:
    """Whether a row refers, in this column, to one that is not there."""
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
    return _sqlstate(error) == _FOREIGN_KEY_VIOLATION and column in constraint


def _connection_lost(sqlstate: str) -> bool:
    """Class 08 is about connections; 57P is an operator's or a crash's end of the session."""
    return sqlstate.startswith(("08", "57P"))


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "pgcode", None)
    return state
