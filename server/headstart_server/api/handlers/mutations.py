"""Calls that change something: one transaction, answered once for each request id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection, Engine

from headstart_server.api.decode import uuid
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.database.idempotency import answer_once

Response = TypeVar("Response", bound=Message)


def mutate(
    engine: Engine,
    namespace: str,
    request: Message,
    response_type: type[Response],
    work: Callable[[Connection], Response],
) -> Response:
    """The answer of ``work`` after its commit; a repeated request gets the first answer and changes nothing.

    Raises InvalidInput for a request id that is no UUID, AlreadyExists for one that was used by another request.
    """
    return mutate_once(engine, namespace, request, response_type, work)[0]


def mutate_once(
    engine: Engine,
    namespace: str,
    request: Message,
    response_type: type[Response],
    work: Callable[[Connection], Response],
) -> tuple[Response, bool]:
    """The same, and whether this request came first, so that repetitions are not counted again."""
    request_id = uuid(request.request_id, "request_id")  # type: ignore[attr-defined]
    content = type(request)()
    content.CopyFrom(request)
    content.ClearField("request_id")
    content_hash = hashlib.sha256(content.SerializeToString(deterministic=True)).digest()[:16]
    answer, first = run_transaction(
        engine,
        lambda connection: answer_once(
            connection,
            namespace,
            request_id,
            type(request).__name__,
            content_hash,
            lambda: work(connection).SerializeToString(),
        ),
    )
    return response_type.FromString(answer), first
