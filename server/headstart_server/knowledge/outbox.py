"""Carries new and removed architectures from PostgreSQL to the vector index: at least once, so what it calls must be
idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.stored_form import candidate_from_json, canonical_from_json
from headstart_server.knowledge.tables import architectures, namespaces, outbox, search_spaces


@dataclass(frozen=True)
class Waiting:
    """What the index does not know yet of one space; ``removed`` are fingerprints that no architecture has any more."""

    space: int
    namespace: str
    search_space_id: str
    new: list[Architecture]
    removed: list[str]


Deliver = Callable[[Waiting], None]


def deliver_batch(connection: Connection, deliver: Deliver, limit: int) -> int:
    """Hand the oldest waiting rows over, space by space, and forget them; returns how many.

    Rows that another worker holds are passed over. When ``deliver`` raises, the transaction of the caller ends and all
    rows are still there.
    """
    rows = connection.execute(
        select(
            outbox.c.id,
            outbox.c.search_space_id,
            outbox.c.architecture_id,
            outbox.c.fingerprint,
            namespaces.c.name.label("namespace"),
            search_spaces.c.name.label("space"),
            architectures.c.candidate,
            architectures.c.canonical,
        )
        .join(search_spaces, outbox.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .outerjoin(architectures, outbox.c.architecture_id == architectures.c.id)
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
    ).all()
    by_space: dict[int, list[Any]] = {}
    for row in rows:
        by_space.setdefault(row.search_space_id, []).append(row)
    for space in sorted(by_space):
        _deliver_space(connection, deliver, space, by_space[space])
    if rows:
        connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
    return len(rows)


def _deliver_space(connection: Connection, deliver: Deliver, space: int, rows: Sequence[Any]) -> None:
    # By number: an architecture may wait twice.
    new = {row.architecture_id: _architecture(row) for row in rows if row.architecture_id is not None}
    gone = {row.fingerprint for row in rows if row.architecture_id is None}
    removed = sorted(gone - _recorded(connection, space, gone).keys())
    deliver(Waiting(space, rows[0].namespace, rows[0].space, list(new.values()), removed))
    # Recorded again while this was removing it: another worker may have put it in before it was taken out.
    again = _recorded(connection, space, removed)
    if again:
        values = [
            {"architecture_id": number, "search_space_id": space, "fingerprint": fingerprint}
            for fingerprint, number in again.items()
        ]
        connection.execute(insert(outbox), values)


def waiting(connection: Connection) -> int:
    """How much the index does not know yet."""
    return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())


def read_architectures(connection: Connection, space: int, after: int, limit: int) -> list[tuple[int, Architecture]]:
    """Architectures of a space with their numbers, in the order of these, from the one after ``after`` on."""
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
    """The last that were recorded of a space, with their numbers, newest first, down to the one after ``after``."""
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
    """Those that no architecture of the space has any more."""
    found = _recorded(connection, space, fingerprints)
    return [fingerprint for fingerprint in fingerprints if fingerprint not in found]


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
