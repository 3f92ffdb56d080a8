"""Search spaces in the database: created once, never changed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from headstart.spaces import SearchSpace
from headstart.spaces.validation import is_slug
from headstart_server.knowledge.json_columns import space_from_json, space_to_json
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.tables import namespaces, search_spaces
from headstart_server.runtime.errors import AlreadyExists, NotFound


class StoredSpace(NamedTuple):
    id: int
    space: SearchSpace
    created_at: datetime


def create_search_space(connection: Connection, namespace: str, space: SearchSpace) -> StoredSpace:
    """Store a valid declaration. Repeating the same content changes nothing; other content raises AlreadyExists."""
    number = namespace_id(connection, namespace)
    statement = insert(search_spaces).values(
        namespace_id=number, name=space.search_space_id, declaration=space_to_json(space)
    )
    connection.execute(statement.on_conflict_do_nothing())
    stored = find_search_space(connection, namespace, space.search_space_id)
    if _content(stored.space) != _content(space):
        raise AlreadyExists(
            f"search space {space.search_space_id!r} exists with another declaration; spaces never change: "
            "choose another search_space_id",
            reason="SEARCH_SPACE_ALREADY_EXISTS",
        )
    return stored


def _content(space: SearchSpace) -> str:
    """The content as text, in which True and 1 differ."""
    return json.dumps(space_to_json(space), sort_keys=True)


def not_found(search_space_id: str) -> NotFound:
    return NotFound(f"search space {search_space_id[:63]!r} is not known", reason="SEARCH_SPACE_NOT_FOUND")


def find_search_space(connection: Connection, namespace: str, search_space_id: str) -> StoredSpace:
    """Raises NotFound."""
    query = (
        select(search_spaces.c.id, search_spaces.c.declaration, search_spaces.c.created_at)
        .join(namespaces)
        .where(namespaces.c.name == namespace, search_spaces.c.name == search_space_id)
    )
    row = connection.execute(query).first() if is_slug(search_space_id) else None
    if row is None:
        raise not_found(search_space_id)
    return StoredSpace(row.id, space_from_json(search_space_id, row.declaration), row.created_at)


def list_search_spaces(connection: Connection, namespace: str, after: str, limit: int) -> list[StoredSpace]:
    """Spaces in the order of names, after the given one."""
    rows = connection.execute(
        select(search_spaces.c.id, search_spaces.c.name, search_spaces.c.declaration, search_spaces.c.created_at)
        .join(namespaces)
        .where(namespaces.c.name == namespace, search_spaces.c.name > after)
        .order_by(search_spaces.c.name)
        .limit(limit)
    )
    return [StoredSpace(row.id, space_from_json(row.name, row.declaration), row.created_at) for row in rows]
