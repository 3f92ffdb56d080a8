"""Bearer tokens: made once and told once, kept as a hash, checked in constant time.

A token is "hst_NUMBER_SECRET". The secret has 256 random bits, so a plain SHA-256 of it cannot be searched for; what is
kept lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, func, select, update

from headstart_server.access.audit import audit
from headstart_server.access.roles import Role
from headstart_server.access.tables import tokens
from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.knowledge.tables import namespaces
from headstart_server.runtime.errors import NotFound

_FORM = re.compile(r"hst_([1-9]\d{0,17})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Token:
    """``expires_at`` and ``revoked_at`` are by the database's clock; None: never."""

    number: int
    namespace: str
    name: str
    role: Role
    digest: bytes
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


def create_token(
    connection: Connection, namespace: str, name: str, role: Role, lifetime: timedelta | None, actor: str
) -> tuple[Token, str]:
    """A new token and its text, which cannot be read again."""
    secret = secrets.token_urlsafe(32)
    expires_at = None if lifetime is None else func.clock_timestamp() + lifetime
    row = connection.execute(
        tokens.insert()
        .values(
            namespace_id=namespace_id(connection, namespace),
            name=name,
            role=role.name,
            digest=_digest(secret),
            expires_at=expires_at,
        )
        .returning(*tokens.c)
    ).one()
    audit(connection, namespace, actor, "token.create", f"{row.id} {name} {role.name.lower()}")
    return _token(row, namespace), f"hst_{row.id}_{secret}"


def list_tokens(connection: Connection, namespace: str | None = None) -> list[Token]:
    """All tokens, the oldest first."""
    query = select(tokens, namespaces.c.name.label("namespace")).join(namespaces).order_by(tokens.c.id)
    if namespace is not None:
        query = query.where(namespaces.c.name == namespace)
    return [_token(row, row.namespace) for row in connection.execute(query)]


def revoke_token(connection: Connection, number: int, actor: str) -> Token:
    """Revoke a token; servers that cached it forget it within seconds. Raises NotFound."""
    row = connection.execute(
        update(tokens)
        .where(tokens.c.id == number, tokens.c.namespace_id == namespaces.c.id)
        .values(revoked_at=func.coalesce(tokens.c.revoked_at, func.clock_timestamp()))
        .returning(*tokens.c, namespaces.c.name.label("namespace"))
    ).first()
    if row is None:
        raise NotFound(f"there is no token {number}", reason="TOKEN_NOT_FOUND")
    audit(connection, row.namespace, actor, "token.revoke", f"{number} {row.name}")
    return _token(row, row.namespace)


def number_of(text: str) -> int | None:
    """The number in a token's text, None for other texts."""
    match = _FORM.fullmatch(text)
    return None if match is None else int(match[1])


def find_token(connection: Connection, number: int) -> Token | None:
    """The token, if it has neither expired nor been revoked."""
    row = connection.execute(
        select(tokens, namespaces.c.name.label("namespace"))
        .join(namespaces)
        .where(
            tokens.c.id == number,
            tokens.c.revoked_at.is_(None),
            tokens.c.expires_at.is_(None) | (tokens.c.expires_at > func.clock_timestamp()),
        )
    ).first()
    return None if row is None else _token(row, row.namespace)


def matches(token: Token, text: str) -> bool:
    """Whether a text is this token, in constant time."""
    match = _FORM.fullmatch(text)
    return match is not None and hmac.compare_digest(_digest(match[2]), token.digest)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token(row: Row[tuple[object, ...]], namespace: str) -> Token:
    return Token(
        row.id, namespace, row.name, Role[row.role], bytes(row.digest), row.created_at, row.expires_at, row.revoked_at
    )
