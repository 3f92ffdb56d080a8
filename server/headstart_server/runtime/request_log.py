"""What was answered to which request: a mutating call that is sent again gets its first answer.

The row is written in the transaction of the change itself, so either both are there or neither is. Records of
experiments do not come here: their own rows carry the request id.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Column, Connection, DateTime, LargeBinary, Table, Text, bindparam, func, insert, select
from sqlalchemy.dialects.postgresql import UUID as UUIDColumn

from headstart_server.runtime.database import metadata
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
)

_FIND = select(requests.c.method, requests.c.content_hash, requests.c.response).where(
    requests.c.namespace == bindparam("namespace"), requests.c.request_id == bindparam("request_id")
)
_KEEP = insert(requests)


def answer_once(
    connection: Connection,
    namespace: str,
    request_id: UUID,
    method: str,
    content_hash: bytes,
    work: Callable[[], bytes],
) -> bytes:
    """The answer of ``work``, or the one that it gave when this request came first.

    Of two requests of one id at the same time the second violates the primary key when the first is committed, and is
    undone; ``run_transaction`` begins it again, and it finds the answer. Raises AlreadyExists when the request id
    stands for another call or content.
    """
    asked = {"namespace": namespace, "request_id": request_id}
    row = connection.execute(_FIND, asked).first()
    if row is not None:
        if (row.method, bytes(row.content_hash)) != (method, content_hash):
            raise AlreadyExists(
                f"request_id {request_id} was used for another call: a new call needs a new request_id",
                reason="REQUEST_ID_REUSED",
            )
        return bytes(row.response)
    response = work()
    answered = {"method": method, "content_hash": content_hash, "response": response}
    connection.execute(_KEEP, asked | answered)
    return response
