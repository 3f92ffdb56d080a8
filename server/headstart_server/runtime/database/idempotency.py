"""Idempotency: a mutating call that is sent again gets its first answer.

The row is written in the transaction of the change, so both exist or neither. Records of experiments do not use it:
their own rows carry the request id.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, Index, LargeBinary, Table, Text, func, insert, text
from sqlalchemy.dialects.postgresql import UUID as UUIDColumn

from headstart_server.runtime.database.engine import metadata
from headstart_server.runtime.errors import AlreadyExists

requests = Table(
    "requests",
    metadata,
    Column("namespace", Text, primary_key=True),
    Column("request_id", UUIDColumn(as_uuid=True), primary_key=True),
    Column("method", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("answered_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    # Finds expired rows.
    Index("ix_requests_answered_at", "answered_at"),
)

# Two statements in one message: the second sees commits that happened while the first waited.
_FIND = text(
    """
    SELECT pg_advisory_xact_lock(hashtextextended(:key, 0));
    SELECT method, content_hash, response FROM requests WHERE namespace = :namespace AND request_id = :request_id
    """
)
_KEEP = insert(requests)


def answer_once(
    connection: Connection,
    namespace: str,
    request_id: UUID,
    method: str,
    content_hash: bytes,
    work: Callable[[], bytes],
) -> tuple[bytes, bool]:
    """The answer of ``work``, or its stored answer to an earlier request of this id; and whether this request is the
    first.

    Two requests of one id wait for each other; those of other ids do not. Raises AlreadyExists if the request id was
    used by another call or content.
    """
    key = f"request/{namespace}/{request_id}"
    parameters = {"key": key, "namespace": namespace, "request_id": request_id}
    row = connection.execute(_FIND, parameters).first()
    if row is not None:
        if (row.method, bytes(row.content_hash)) != (method, content_hash):
            raise AlreadyExists(
                f"request_id {request_id} was used for another call: a new call needs a new request_id",
                reason="REQUEST_ID_REUSED",
            )
        return bytes(row.response), False
    response = work()
    answered = {"method": method, "content_hash": content_hash, "response": response}
    connection.execute(_KEEP, {"namespace": namespace, "request_id": request_id, **answered})
    return response, True
