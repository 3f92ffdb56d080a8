"""A claim on a piece of work: one holder at a time among all processes, and no transaction open meanwhile.

It is an advisory lock of a PostgreSQL session, so it ends with its holder, however that ends, and no lease runs out
while somebody still works. The session idles outside a transaction, where ``idle_in_transaction_session_timeout`` does
not reach it; a thread says a word on it now and then, for ``idle_session_timeout`` and for networks that drop silent
connections. Work for minutes belongs under a claim, never inside a transaction.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable, text
from sqlalchemy.exc import SQLAlchemyError

from headstart_server.runtime.errors import ServiceError
from headstart_server.threads import CLAIM

_SECONDS_BETWEEN_WORDS = 20.0

logger = logging.getLogger(__name__)


class Claim:
    """A claim held by ``claimed``. Statements through it succeed only while the claim is held."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """A statement in a transaction of its own. Raises Unavailable if the claim is lost."""
        with self._lock:
            return self._connection.execute(statement)

    def keep(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN_WORDS):
            try:
                self.execute(text("SELECT 1"))
            except (SQLAlchemyError, ServiceError) as error:
                logger.warning("the claim on %s is lost: %s", self._name, error)
                return

    def end(self) -> None:
        self._ended.set()


@contextmanager
def claimed(engine: Engine, name: str) -> Iterator[Claim | None]:
    """Hold the claim of this name during the block; None if another session holds it.

    It occupies a connection of the engine. Raises Unavailable if the database is out of reach.
    """
    key = {"key": int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)}
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar_one():
            yield None
            return
        claim = Claim(connection, name)
        keeper = None
        try:
            keeper = CLAIM.start(claim.keep, about=name)
            yield claim
        finally:
            claim.end()
            if keeper is not None:
                keeper.join()
            try:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)
            except (SQLAlchemyError, ServiceError):
                # The lock has ended with the session, or ends now.
                with suppress(SQLAlchemyError, ServiceError):
                    connection.invalidate()
