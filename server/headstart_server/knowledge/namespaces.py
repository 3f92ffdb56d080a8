"""Namespaces: the number behind a name. They come into being when first used and are never removed."""

from __future__ import annotations

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.tables import namespaces


def namespace_id(connection: Connection, namespace: str) -> int:
    """The number of a namespace, which is made when it is not there."""
    find = select(namespaces.c.id).where(namespaces.c.name == namespace)
    number = connection.execute(find).scalar()
    if number is None:
        connection.execute(insert(namespaces).values(name=namespace).on_conflict_do_nothing())
        number = connection.execute(find).scalar_one()
    return int(number)
