"""Namespaces: the number behind a name. They come into being when first used and are never removed."""

from __future__ import annotations

from sqlalchemy import Connection, Text, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.tables import namespaces


def namespace_id(connection: Connection, namespace: str) -> int:
    """The number of a namespace, which is made when it is not there."""
    # A call behind the second wall may have come before its namespace.
    known = func.set_config("headstart.namespace_id", cast(namespaces.c.id, Text), True)
    find = select(namespaces.c.id, known).where(namespaces.c.name == namespace)
    number = connection.execute(find).scalar()
    if number is None:
        connection.execute(insert(namespaces).values(name=namespace).on_conflict_do_nothing())
        number = connection.execute(find).scalar_one()
    return int(number)
