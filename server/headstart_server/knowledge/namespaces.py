"""Namespaces: the number behind a name. They come into being when first used and are never removed.

A name is 1 to 63 of a-z, 0-9 and inner hyphens. This is the one place that makes namespaces, so it is checked here for
tokens, certificates and quotas alike; a namespace of another name that an earlier version made goes on as before.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from headstart.spaces.validation import require, slug_violations
from headstart_server.knowledge.tables import namespaces


def namespace_id(connection: Connection, namespace: str) -> int:
    """The row number of a namespace, created if it does not exist. Raises InvalidInput for a malformed name."""
    # With row-level security a call may come before its namespace exists.
    known = func.set_config("headstart.namespace_id", cast(namespaces.c.id, Text), True)
    find = select(namespaces.c.id, known).where(namespaces.c.name == namespace)
    number = connection.execute(find).scalar()
    if number is None:
        require(slug_violations(namespace, "namespace"))
        connection.execute(insert(namespaces).values(name=namespace).on_conflict_do_nothing())
        number = connection.execute(find).scalar_one()
    return int(number)
