"""Carries new and removed architectures from PostgreSQL to the vector index: at least once, so what it calls must be
idempotent.

Each search space has a queue of its own, so that one that cannot be delivered keeps no other waiting.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select

from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.json_columns import candidate_from_json, canonical_from_json
from headstart_server.knowledge.tables import architectures, namespaces, outbox, search_spaces
from headstart_server.knowledge.vector_index.failures import Work, is_set_aside, pauses


@dataclass(frozen=True)
class Waiting:
    """Undelivered changes of one space; ``removed`` are fingerprints without an architecture.

    ``rows`` are the numbers of their outbox rows.
    """

    rows: tuple[int, ...]
    space: int
    namespace: str
    search_space_id: str
    new: list[Architecture]
    removed: list[str]


def waiting_spaces(connection: Connection) -> list[int]:
    """Numbers of the spaces with waiting rows, without those that wait for their next try."""
    waits = exists().where(outbox.c.search_space_id == search_spaces.c.id)
    query = select(search_spaces.c.id).where(waits, ~pauses(search_spaces.c.id, Work.DELIVER))
    return list(connection.execute(query.order_by(search_spaces.c.id)).scalars())


def read_waiting(connection: Connection, space: int, limit: int, most_nodes: int) -> Waiting | None:
    """The oldest rows of a space; None if there are none. Nothing is locked.

    At most ``limit`` rows, whose graphs have at most ``most_nodes`` nodes together; at least one row.
    """
    nodes = select(architectures.c.node_count).where(architectures.c.id == outbox.c.architecture_id).scalar_subquery()
    rows = connection.execute(
        select(outbox.c.id, outbox.c.architecture_id, outbox.c.fingerprint, func.coalesce(nodes, 0).label("nodes"))
        .where(outbox.c.search_space_id == space)
        .order_by(outbox.c.id)
        .limit(limit)
    ).all()
    together = list(accumulate(row.nodes for row in rows))
    rows = rows[: max(1, bisect_right(together, most_nodes))]
    return _waiting(connection, space, rows) if rows else None


def forget_delivered(connection: Connection, waiting: Waiting) -> None:
    """Remove delivered rows.

    An architecture that was recorded again during its removal waits again: its insertion may have come before the
    removal.
    """
    _take_back(connection, waiting)
    connection.execute(delete(outbox).where(outbox.c.id.in_(waiting.rows)))


def _waiting(connection: Connection, space: int, rows: Sequence[Any]) -> Waiting:
    named = connection.execute(
        select(namespaces.c.name.label("namespace"), search_spaces.c.name)
        .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(search_spaces.c.id == space)
    ).one()
    # Architectures that are deleted meanwhile are inserted all the same: a later row removes them.
    numbers = [row.architecture_id for row in rows if row.architecture_id is not None]
    result: Iterable[Row[Any]] = ()
    if numbers:
        result = connection.execute(select(architectures).where(architectures.c.id.in_(numbers)))
    removed = {row.fingerprint for row in rows if row.architecture_id is None}
    return Waiting(
        tuple(row.id for row in rows),
        space,
        named.namespace,
        named.name,
        [_architecture(row) for row in result],
        sorted(removed - _recorded(connection, space, removed).keys()),
    )


def _take_back(connection: Connection, waiting: Waiting) -> None:
    """Queue again what was recorded again during its removal: its insertion may have come before the removal."""
    again = _recorded(connection, waiting.space, waiting.removed)
    if again:
        values = [
            {"architecture_id": number, "search_space_id": waiting.space, "fingerprint": fingerprint}
            for fingerprint, number in again.items()
        ]
        connection.execute(insert(outbox), values)


def waiting_count(connection: Connection) -> int:
    """The number of undelivered changes."""
    return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())


def waiting_seconds(connection: Connection) -> float:
    """The age of the oldest undelivered change, without spaces that are set aside; 0 without any."""
    delivered = ~is_set_aside(outbox.c.search_space_id)
    oldest = select(outbox.c.created_at).where(delivered).order_by(outbox.c.id).limit(1).scalar_subquery()
    seconds = connection.execute(select(func.extract("epoch", func.clock_timestamp() - oldest))).scalar()
    return 0.0 if seconds is None else max(float(seconds), 0.0)


def slice_ends(connection: Connection, space: int, after: int, size: int) -> Iterator[int]:
    """The last number of each slice of ``size`` architectures of a space, after the number ``after``."""
    while True:
        part = (
            select(architectures.c.id)
            .where(architectures.c.search_space_id == space, architectures.c.id > after)
            .order_by(architectures.c.id)
            .limit(size)
            .subquery()
        )
        end = connection.execute(select(func.max(part.c.id))).scalar_one()
        if end is None:
            return
        after = int(end)
        yield after


def read_architectures(connection: Connection, space: int, after: int, limit: int) -> list[tuple[int, Architecture]]:
    """Architectures of a space with their numbers, in the order of these, after the number ``after``."""
    rows = connection.execute(
        select(architectures)
        .where(architectures.c.search_space_id == space, architectures.c.id > after)
        .order_by(architectures.c.id)
        .limit(limit)
    )
    return [(row.id, _architecture(row)) for row in rows]


def newest_architectures(
    connection: Connection, namespace: str, search_space_id: str, after: int, limit: int
) -> list[tuple[int, Architecture]]:
    """The last recorded architectures of a space with their numbers, newest first, down to the one after ``after``."""
    space = (
        select(search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace, search_spaces.c.name == search_space_id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(architectures)
        .where(architectures.c.search_space_id == space, architectures.c.id > after)
        .order_by(architectures.c.id.desc())
        .limit(limit)
    )
    return [(row.id, _architecture(row)) for row in rows]


def gone(connection: Connection, space: int, fingerprints: Sequence[str]) -> list[str]:
    """Those fingerprints that no architecture of the space has any more."""
    result = _recorded(connection, space, fingerprints)
    return [fingerprint for fingerprint in fingerprints if fingerprint not in result]


def _recorded(connection: Connection, space: int, fingerprints: Sequence[str] | set[str]) -> dict[str, int]:
    if not fingerprints:
        return {}
    rows = connection.execute(
        select(architectures.c.fingerprint, architectures.c.id).where(
            architectures.c.search_space_id == space, architectures.c.fingerprint.in_(list(fingerprints))
        )
    )
    return {row.fingerprint: row.id for row in rows}


def _architecture(row: Row[Any]) -> Architecture:
    return Architecture(
        row.fingerprint, candidate_from_json(row.candidate), canonical_from_json(row.fingerprint, row.canonical)
    )
