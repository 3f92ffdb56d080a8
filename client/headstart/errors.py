"""Errors of failed calls: one exception type for each status that a caller would treat differently.

The service explains its errors with google.rpc details (BadRequest, ErrorInfo, RetryInfo). They are decoded here with
a private description of those messages, so that the client needs no package beside grpcio and protobuf.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from headstart.spaces.validation import Violation

_DETAILS_KEY = "grpc-status-details-bin"


class DeclarationWarning(UserWarning):
    """An assumption of the service about something that a declaration leaves open."""


class HeadstartError(Exception):
    """A failed call.

    ``reason`` is the service's UPPER_SNAKE name of the failure (empty if the service was not reached), ``violations``
    are the fields to correct, ``retry_seconds`` is the time to wait before a retry.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        violations: tuple[Violation, ...] = (),
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = violations
        self.retry_seconds = retry_seconds

    def __str__(self) -> str:
        named = (f"{violation.field}: {violation.description}" for violation in self.violations)
        fields = "; ".join(each for each in named if each not in self.message)
        text = f"{self.message} ({fields})" if fields else self.message
        return f"{self.code.name}: {text}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Exceptions of worker processes are pickled; the default would call the constructor with the message alone."""
        return type(self), (self.code, self.reason, self.message, self.violations, self.retry_seconds)


class InvalidArgument(HeadstartError):
    """The request is invalid; ``violations`` name the fields."""


class NotFound(HeadstartError):
    """The search space, task, experiment or predictor in the request does not exist."""


class AlreadyExists(HeadstartError):
    """The id is taken by other content."""


class FailedPrecondition(HeadstartError):
    """The service cannot answer in its present state, for example because nothing was recorded yet."""


class Unavailable(HeadstartError):
    """The service, or a part of it, is out of reach; the call was retried and may be retried again.

    ``code`` CANCELLED: a server that was shutting down had not begun the call, or the client was closed.
    """


class ResourceExhausted(HeadstartError):
    """A limit on size or load was reached."""


class Unimplemented(HeadstartError):
    """This version of the service does not answer this call."""


class DeadlineExceeded(HeadstartError):
    """No answer within the call's timeout."""


class Unauthenticated(HeadstartError):
    """The token is missing, unknown or expired."""


class PermissionDenied(HeadstartError):
    """The token is valid, but its role does not allow this call."""


_TYPES: dict[grpc.StatusCode, type[HeadstartError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
}


def translate(error: grpc.RpcError) -> HeadstartError:
    """The exception for a failed call."""
    call = cast(grpc.Call, error)
    code = call.code()
    metadata = dict(call.trailing_metadata() or ())
    reason, violations, retry_seconds = _details(metadata.get(_DETAILS_KEY))
    kind = _TYPES.get(code, HeadstartError)
    return kind(code, reason, call.details() or code.name, violations, retry_seconds)


def _details(packed: str | bytes | None) -> tuple[str, tuple[Violation, ...], float | None]:
    """Reason, violations and seconds to wait, from the bytes of a google.rpc.Status."""
    reason: str = ""
    violations: list[Violation] = []
    retry_seconds: float | None = None
    if not isinstance(packed, bytes):
        return reason, (), retry_seconds
    types = _message_types()
    try:
        for detail in types["Status"].FromString(packed).details:
            name = detail.type_url.rpartition("google.rpc.")[2]
            if name == "ErrorInfo":
                reason = types[name].FromString(detail.value).reason
            elif name == "BadRequest":
                violations += [
                    Violation(violation.field, violation.description)
                    for violation in types[name].FromString(detail.value).field_violations
                ]
            elif name == "RetryInfo":
                delay = types[name].FromString(detail.value).retry_delay
                retry_seconds = delay.seconds + delay.nanos / 1e9
    except DecodeError:
        # Details that a proxy garbled must not hide the error itself.
        pass
    return reason, tuple(violations), retry_seconds


@lru_cache(maxsize=1)
def _message_types() -> dict[str, Any]:
    """Classes of the messages of google/rpc/{status,error_details}.proto, as far as they are read here.

    They are in a descriptor pool of their own, because another library may put the full definitions into the default
    one.
    """
    kinds = descriptor_pb2.FieldDescriptorProto
    fields: dict[str, list[tuple[str, int, int, str]]] = {
        "Any": [("type_url", 1, kinds.TYPE_STRING, ""), ("value", 2, kinds.TYPE_BYTES, "")],
        "Status": [
            ("code", 1, kinds.TYPE_INT32, ""),
            ("message", 2, kinds.TYPE_STRING, ""),
            ("details", 3, kinds.TYPE_MESSAGE, "Any"),
        ],
        "ErrorInfo": [("reason", 1, kinds.TYPE_STRING, ""), ("domain", 2, kinds.TYPE_STRING, "")],
        "FieldViolation": [("field", 1, kinds.TYPE_STRING, ""), ("description", 2, kinds.TYPE_STRING, "")],
        "BadRequest": [("field_violations", 1, kinds.TYPE_MESSAGE, "FieldViolation")],
        "Duration": [("seconds", 1, kinds.TYPE_INT64, ""), ("nanos", 2, kinds.TYPE_INT32, "")],
        "RetryInfo": [("retry_delay", 1, kinds.TYPE_MESSAGE, "Duration")],
    }
    repeated = {"details", "field_violations"}
    file = descriptor_pb2.FileDescriptorProto(name="details.proto", package="details", syntax="proto3")
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for member, number, kind, of in members:
            message.field.add(
                name=member,
                number=number,
                type=cast(Any, kind),
                label=kinds.LABEL_REPEATED if member in repeated else kinds.LABEL_OPTIONAL,
                type_name=f".details.{of}" if of else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"details.{name}")) for name in fields}
