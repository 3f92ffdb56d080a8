"""The interceptor of every call: request id, metrics, admission, limit of concurrent calls, errors as statuses.

A handler receives the bytes of a request undecoded, and decodes them after its caller was admitted. gRPC reads a
stream only on demand, so a unary call is registered as a stream of one request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from headstart.spaces import InvalidInput, Violation
from headstart_server.api.admission.authentication import Admission
from headstart_server.api.admission.identity import ANYBODY, Caller, caller
from headstart_server.api.admission.intake import Intake
from headstart_server.api.admission.outside import Outside
from headstart_server.api.admission.shares import Shares
from headstart_server.api.errors import abort, code_of
from headstart_server.api.streams import RecordingStream
from headstart_server.runtime.database.row_security import tenant
from headstart_server.runtime.deadline import DeadlinePassed
from headstart_server.runtime.errors import ResourceExhausted
from headstart_server.runtime.observability import metrics, tracing
from headstart_server.runtime.observability.log import log_with
from headstart_server.runtime.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Context = grpc.aio.ServicerContext[Any, Any]

_OURS = "/headstart."
# Seconds in which a request must arrive, because its call takes a place.
_READ_SECONDS = 60.0


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the methods of this package. Health checks and reflection pass, so that they answer under any load."""

    def __init__(self, settings: Settings, gate: Admission) -> None:
        # Without authentication there is one namespace.
        fair = settings.authentication != "none"
        self.gate = gate
        self.intake = Intake(settings.max_message_fields, fair)
        self.places = Shares(settings.max_concurrent_calls, fair)
        self.open_streams = Shares(settings.max_concurrent_calls, fair)
        self.stream_idle_seconds = settings.stream_idle_seconds
        self._outside = Outside()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return handler
        if not method.startswith(_OURS):
            return self._outside.wrap(handler)
        message_type = handler.request_deserializer.__self__  # type: ignore[union-attr]
        serializer = handler.response_serializer
        if handler.unary_unary is not None:
            call = self._unary(method, message_type, handler.unary_unary)
            return grpc.stream_unary_rpc_method_handler(call, None, serializer)
        assert handler.stream_stream is not None
        stream = self._stream(method, message_type, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(stream, None, serializer)

    def close(self) -> None:
        self.intake.close()

    def _unary(self, method: str, message_type: type[Message], behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(messages: AsyncIterator[bytes], context: Context) -> Any:
            async with Call(self, method, context) as account:
                return await account.settle(account.answer(messages, message_type, behaviour))

        return call

    def _stream(self, method: str, message_type: type[Message], behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(messages: AsyncIterator[bytes], context: Context) -> None:
            async with Call(self, method, context, streaming=True) as account:
                stream = RecordingStream(self, account.caller, method, message_type, messages, context)
                await account.settle(stream.run(behaviour))

        return call


class Call:
    """One call from its arrival to its answer. A stream takes a place among open streams, other calls among calls."""

    def __init__(self, server: CallInterceptor, method: str, context: Context, streaming: bool = False) -> None:
        self.caller: Caller = ANYBODY
        self._server = server
        self._places = server.open_streams if streaming else server.places
        self._streaming = streaming
        self._method = method
        self._name = method.rpartition("/")[2]
        self._context = context
        self._has_place = False
        # Its share of the memory for large requests, and of a quota.
        self._cost = 0
        self._counted = 0
        self._span: Span | None = None
        self._code = grpc.StatusCode.OK
        self._start = time.perf_counter()

    async def __aenter__(self) -> Call:
        self._span = tracing.begin_call(self._method, self._context.invocation_metadata())
        self._tell(request_id=uuid4().hex)
        metrics.GRPC_IN_FLIGHT.inc()
        try:
            await self._enter()
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    await self._fail(error)
                raise
            finally:
                # __aexit__ does not run when __aenter__ raises.
                self._close()
        return self

    async def _enter(self) -> None:
        self.caller = await self._server.gate.admit(self._method, self._context)
        caller.set(self.caller)
        tenant.set(self.caller.namespace)
        self._tell(namespace=self.caller.namespace)
        self._has_place = self._places.take(self.caller.namespace)
        if not self._has_place:
            what, reason = ("streams", "TOO_MANY_STREAMS") if self._streaming else ("calls", "TOO_MANY_CALLS")
            raise ResourceExhausted(f"the server has as many {what} as it takes of this namespace", reason)

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def answer(
        self, messages: AsyncIterator[bytes], message_type: type[Message], behaviour: Callable[..., Any]
    ) -> Any:
        """Read the request, decode it, and call the method."""
        namespace = self.caller.namespace
        data = await _one_message(messages)
        if data is None:
            raise InvalidInput([Violation(message_type.DESCRIPTOR.name, "no message was sent")])
        request, self._cost = await self._server.intake.decode(data, message_type, namespace, self._context)
        del data
        self._tell(task=getattr(request, "task_id", ""))
        self._counted = await self._server.gate.count(self.caller, self._name, 1)
        return await behaviour(request, self._context)

    async def settle(self, work: Awaitable[Any]) -> Any:
        """The result of the work; an error ends the call with its status."""
        try:
            return await work
        except asyncio.CancelledError:
            self._code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            await self._fail(error)

    def _tell(self, **facts: str) -> None:
        log_with(**facts)
        tracing.tell(self._span, **facts)

    async def _fail(self, error: Exception) -> None:
        self._code = code_of(error)
        try:
            await abort(self._context, error)
        finally:
            _forget_frames(error)

    def _close(self) -> None:
        namespace = self.caller.namespace
        if self._has_place:
            self._places.free(namespace)
        self._server.intake.free(namespace, self._cost)
        self._server.gate.end(namespace, self._name, self._counted)
        metrics.GRPC_IN_FLIGHT.dec()
        metrics.GRPC_CALLS.labels(self._name, self._code.name).inc()
        metrics.GRPC_SECONDS.labels(self._name).observe(time.perf_counter() - self._start, tracing.exemplar(self._span))
        tracing.end_call(self._span, self._code)


async def _one_message(messages: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await anext(messages, None)
    except TimeoutError:
        raise DeadlinePassed from None


def _forget_frames(error: BaseException | None) -> None:
    """Clear the frames of an error, because it lives until the next garbage collection and would keep the request
    alive.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
