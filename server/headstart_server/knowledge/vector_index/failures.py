"""Search spaces that the vector index refuses: when each is tried again, and which are set aside.

A failure here is one that repeats whatever is waited for, such as an embedding that is not a number. Each failure
doubles the pause before the next try of that space and that kind of work. After ``MOST_TRIES`` the space counts as set
aside: operators are told, and it is tried once an hour, so that a mended version of the service takes it up by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.tables import index_failures, namespaces, search_spaces

MOST_TRIES = 5
_FIRST_PAUSE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=1)
_MAX_DOUBLINGS = 20
_MAX_TEXT = 500


class Work(StrEnum):
    DELIVER = "DELIVER"
    BUILD = "BUILD"
    TEND = "TEND"


@dataclass(frozen=True)
class SetAside:
    """A search space that failed ``tries`` times since ``first_at``, with its last error."""

    namespace: str
    search_space_id: str
    tries: int
    error: str
    first_at: datetime


def note_failure(connection: Connection, space: int, work: Work, error: str) -> int:
    """Count a failure and set the time of the next try; returns the number of consecutive failures."""
    error = error.replace("\0", "")[:_MAX_TEXT]
    pause = func.least(
        _FIRST_PAUSE * func.power(2, func.least(index_failures.c.tries, _MAX_DOUBLINGS)), literal(_LONGEST_PAUSE)
    )
    now = func.clock_timestamp()
    statement = insert(index_failures).values(
        search_space_id=space, work=work, tries=1, error=error, retry_at=now + _FIRST_PAUSE
    )
    statement = statement.on_conflict_do_update(
        index_elements=[index_failures.c.search_space_id, index_failures.c.work],
        set_={"tries": index_failures.c.tries + 1, "error": error, "retry_at": now + pause},
    )
    return int(connection.execute(statement.returning(index_failures.c.tries)).scalar_one())


def forget_failure(connection: Connection, space: int, work: Work | None = None) -> None:
    """Reset the failures of a space; without ``work``, of every kind."""
    statement = delete(index_failures).where(index_failures.c.search_space_id == space)
    if work is not None:
        statement = statement.where(index_failures.c.work == work)
    connection.execute(statement)


def pauses(space: ColumnElement[int], work: Work) -> ColumnElement[bool]:
    """Whether this kind of work on a space (a column) waits for its next try."""
    return exists().where(
        index_failures.c.search_space_id == space,
        index_failures.c.work == work,
        index_failures.c.retry_at > func.clock_timestamp(),
    )


def is_set_aside(space: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a space (a column) has failed too often."""
    return exists().where(index_failures.c.search_space_id == space, index_failures.c.tries >= MOST_TRIES)


def failed_spaces(connection: Connection, work: Work) -> set[int]:
    """Numbers of the spaces whose last try of this kind of work failed."""
    query = select(index_failures.c.search_space_id).where(index_failures.c.work == work)
    return set(connection.execute(query).scalars())


def paused_spaces(connection: Connection, work: Work) -> set[int]:
    """Numbers of the spaces that wait for their next try of this kind of work."""
    query = select(index_failures.c.search_space_id).where(
        index_failures.c.work == work, index_failures.c.retry_at > func.clock_timestamp()
    )
    return set(connection.execute(query).scalars())


def set_aside(connection: Connection) -> list[SetAside]:
    """Every space that has failed too often, the longest first, each once."""
    rows = connection.execute(
        select(index_failures, namespaces.c.name.label("namespace"), search_spaces.c.name.label("search_space_name"))
        .join(search_spaces, search_spaces.c.id == index_failures.c.search_space_id)
        .join(namespaces, namespaces.c.id == search_spaces.c.namespace_id)
        .where(index_failures.c.tries >= MOST_TRIES)
        .order_by(index_failures.c.first_at)
    )
    spaces: dict[int, SetAside] = {}
    for row in rows:
        one = SetAside(row.namespace, row.search_space_name, row.tries, row.error, row.first_at)
        spaces.setdefault(row.search_space_id, one)
    return list(spaces.values())
