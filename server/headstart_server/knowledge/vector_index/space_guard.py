"""Keeps the failure of one search space from stopping the vector index of the others.

A failure is one of three things. Chroma or the database is out of reach: that is everybody's, and raised. Something
passes, such as a model that is loading: the space pauses for seconds. Anything else repeats, such as a vector that
Chroma refuses: it is counted in PostgreSQL (``index_failures``) until the space is set aside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, select

from headstart_server.knowledge.tables import namespaces, search_spaces
from headstart_server.knowledge.vector_index import failures as index_failures
from headstart_server.knowledge.vector_index.chroma import (
    CollectionMissing,
    IndexFailing,
    IndexRefused,
    IndexUnavailable,
)
from headstart_server.knowledge.vector_index.failures import MOST_TRIES, Work
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound, ResourceExhausted, Unavailable

T = TypeVar("T")

_PASSING = (IndexFailing, CollectionMissing, NotFound, Unavailable, ResourceExhausted)
_PAUSE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class NotClaimed(Exception):
    """Another worker has the job: this one has neither succeeded nor failed."""


class SpaceGuard:
    """Failure handling by space for one worker; not thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._paused: dict[tuple[int, Work], float] = {}
        # Spaces with counted failures, and passing errors, at the beginning of this round of each kind of work.
        self._failed: dict[Work, set[int]] = {}
        self._passing: Exception | None = None

    def begin(self, work: Work) -> None:
        """Begin a round of a kind of work, for the next calls of ``attempt``."""
        self._passing = None
        with self._engine.connect() as connection:
            self._failed[work] = index_failures.failed_spaces(connection, work)

    def attempt(self, space: int, work: Work, action: Callable[[], T]) -> T | None:
        """The action's result; None if it failed or the space pauses. Raises errors that concern every space."""
        if self._paused.get((space, work), 0.0) > time.monotonic():
            return None
        try:
            result = action()
        except NotClaimed:
            return None
        except Exception as error:
            if _of_everybody(error):
                raise
            self._note(space, work, error)
            return None
        self._paused.pop((space, work), None)
        if space in self._failed.get(work, ()):
            run_transaction(self._engine, lambda connection: index_failures.forget_failure(connection, space, work))
            self._failed[work].discard(space)
            logger.info("search space %s succeeds again (%s)", self._name(space), work.lower())
        return result

    def raise_passing(self) -> None:
        """Raise a passing error that delayed a space in this round."""
        if self._passing is not None:
            raise self._passing

    def forget_pauses(self) -> None:
        self._paused.clear()

    def _note(self, space: int, work: Work, error: Exception) -> None:
        name = self._name(space)
        if isinstance(error, _PASSING):
            self._paused[space, work] = time.monotonic() + _PAUSE_SECONDS
            self._passing = self._passing or error
            logger.warning("the vector index of %s waits (%s): %s", name, work.lower(), error)
            return
        message = str(error) if isinstance(error, IndexRefused) else f"{type(error).__name__}: {error}"
        tries = run_transaction(
            self._engine, lambda connection: index_failures.note_failure(connection, space, work, message)
        )
        self._failed.setdefault(work, set()).add(space)
        logger.warning("the vector index of %s failed (%s, %d in a row): %s", name, work.lower(), tries, message)
        if tries == MOST_TRIES:
            logger.error(
                "search space %s is set aside: its searches are answered without the vector index, and it is tried "
                "once an hour; headstart-server reindex tries it at once",
                name,
            )

    def _name(self, space: int) -> str:
        with self._engine.connect() as connection:
            result = connection.execute(
                select(namespaces.c.name.label("namespace"), search_spaces.c.name)
                .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
                .where(search_spaces.c.id == space)
            ).first()
        return str(space) if result is None else f"{result.namespace}/{result.name}"


def _of_everybody(error: Exception) -> bool:
    """Whether the next space would meet the same error."""
    if isinstance(error, Unavailable | ResourceExhausted):
        return error.reason.startswith("DATABASE")
    return isinstance(error, IndexUnavailable) and not isinstance(
        error, IndexRefused | IndexFailing | CollectionMissing
    )
