"""Carries new architectures from PostgreSQL to the vector index: at least once, so what it calls must be idempotent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, delete, func, insert, select

from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.stored_form import candidate_from_json, canonical_from_json
from headstart_server.knowledge.tables import architectures, namespaces, outbox, search_spaces

# Gets namespace, search space id and the architectures to index.
Deliver = Callable[[str, str, list[Architecture]], None]


@dataclass(frozen=True)
class IndexedSpace:
    """A space of which no architecture waits."""

    number: int
    namespace: str
    search_space_id: str
    architecture_count: int


def deliver_batch(connection: Connection, deliver: Deliver, limit: int = 500) -> int:
    """Hand the oldest waiting architectures over, space by space, and forget them; returns how many.

    Rows that another worker holds are passed over. When ``deliver`` raises, the transaction of the caller ends and all
    rows are still there.
    """
    rows = connection.execute(
        select(
            outbox.c.id,
            namespaces.c.name.label("namespace"),
            search_spaces.c.name.label("space"),
            architectures.c.fingerprint,
            architectures.c.candidate,
            architectures.c.canonical,
        )
        .join(architectures, outbox.c.architecture_id == architectures.c.id)
        .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(of=outbox, skip_locked=True)
    ).all()
    in_spaces = sorted(rows, key=lambda row: (row.namespace, row.space))
    for (namespace, space), group in groupby(in_spaces, key=lambda row: (row.namespace, row.space)):
        found = [
            Architecture(
                row.fingerprint,
                candidate_from_json(row.candidate),
                canonical_from_json(row.fingerprint, row.canonical),
            )
            for row in group
        ]
        deliver(namespace, space, found)
    if rows:
        connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
    return len(rows)


def waiting(connection: Connection) -> int:
    """How many architectures the index does not hold yet."""
    return int(connection.execute(select(func.count()).select_from(outbox)).scalar_one())


def indexed_spaces(connection: Connection) -> list[IndexedSpace]:
    """Every space that has architectures and none waiting."""
    rows = connection.execute(
        select(
            search_spaces.c.id,
            namespaces.c.name.label("namespace"),
            search_spaces.c.name.label("space"),
            func.count(architectures.c.id).label("number"),
        )
        .select_from(architectures)
        .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .outerjoin(outbox, outbox.c.architecture_id == architectures.c.id)
        .group_by(search_spaces.c.id, namespaces.c.name, search_spaces.c.name)
        .having(func.count(outbox.c.id) == 0)
        .order_by(search_spaces.c.id)
    )
    return [IndexedSpace(row.id, row.namespace, row.space, row.number) for row in rows]


def put_all(connection: Connection, space: IndexedSpace) -> None:
    """Let every architecture of a space wait again, in the order of recording."""
    columns = architectures.c
    of_space = select(columns.id, columns.search_space_id, columns.fingerprint).where(
        columns.search_space_id == space.number
    )
    names = ["architecture_id", "search_space_id", "fingerprint"]
    connection.execute(insert(outbox).from_select(names, of_space.order_by(columns.id)))
