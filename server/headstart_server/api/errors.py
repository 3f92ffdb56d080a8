"""Errors as gRPC statuses.

Errors that domains raise on purpose reach the caller as they are. Any other becomes INTERNAL and carries only the
request id.
"""

from __future__ import annotations

import logging
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from headstart.spaces import InvalidInput
from headstart_server.runtime import errors
from headstart_server.runtime.deadline import DeadlinePassed
from headstart_server.runtime.observability import tracing
from headstart_server.runtime.observability.log import request_id

_DOMAIN = "headstart"
# Details travel in the trailing metadata, of which peers accept 8 KiB: the message again, in base64. The message
# itself is percent-encoded, three bytes for one. All limits are in bytes.
_MAX_VIOLATIONS = 10
_MAX_FIELD = 120
_MAX_TEXT = 200
_MAX_MESSAGE = 1024
_MAX_NAMED = 4
_DETAILS_KEY = "grpc-status-details-bin"

_CODES: dict[type[errors.ServiceError], grpc.StatusCode] = {
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.Unimplemented: grpc.StatusCode.UNIMPLEMENTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
}

logger = logging.getLogger(__name__)


def code_of(error: Exception) -> grpc.StatusCode:
    if isinstance(error, InvalidInput):
        return grpc.StatusCode.INVALID_ARGUMENT
    if isinstance(error, DeadlinePassed):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)  # type: ignore[arg-type]


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> None:
    """End the call with the status of an error."""
    code = code_of(error)
    message, details = _describe(error)
    plain = message.isascii() and message.isprintable() and "%" not in message
    message = _cut(message, _MAX_MESSAGE if plain else _MAX_MESSAGE // 3)
    number: int = code.value[0]
    assert number in code_pb2.Code.values()
    status = status_pb2.Status(code=number, message=message, details=[_packed(detail) for detail in details])
    await context.abort(code, message, ((_DETAILS_KEY, status.SerializeToString()),))


def _describe(error: Exception) -> tuple[str, list[Message]]:
    if isinstance(error, InvalidInput):
        shown = error.violations[:_MAX_VIOLATIONS]
        violations = [
            error_details_pb2.BadRequest.FieldViolation(
                field=_cut(violation.field, _MAX_FIELD), description=_cut(violation.description, _MAX_TEXT)
            )
            for violation in shown
        ]
        message = "; ".join(
            f"{violation.field}: {violation.description}"[:_MAX_TEXT] for violation in shown[:_MAX_NAMED]
        )
        if len(error.violations) > _MAX_NAMED:
            message += f"; and {len(error.violations) - _MAX_NAMED} more"
        return message, [error_details_pb2.BadRequest(field_violations=violations), _info("INVALID_FIELD")]
    if isinstance(error, DeadlinePassed):
        return "the deadline passed before the work was done", [_info("DEADLINE_PASSED")]
    if not isinstance(error, errors.ServiceError):
        logger.error("call failed", exc_info=error)
        tracing.note_error(error)
        return f"internal error; the server's log tells more under request {request_id()}", [_info("INTERNAL")]
    details: list[Message] = [_info(error.reason)]
    if isinstance(error, errors.Unavailable | errors.ResourceExhausted):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return error.message, details


def _cut(text: str, size: int) -> str:
    """As many whole characters as fit ``size`` bytes of UTF-8."""
    return text.encode(errors="replace")[:size].decode(errors="ignore")


def _info(reason: str) -> Message:
    info: Message = error_details_pb2.ErrorInfo(reason=reason, domain=_DOMAIN, metadata={"request_id": request_id()})
    return info


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
