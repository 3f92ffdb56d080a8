"""What holds for every call: a request id in the log, metrics, a bound on how many run, errors as statuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc

from headstart_server.api.authentication import Gate
from headstart_server.api.errors import abort, code_of
from headstart_server.api.identity import caller
from headstart_server.runtime import metrics, tracing
from headstart_server.runtime.errors import ResourceExhausted
from headstart_server.runtime.log import log_with
from headstart_server.runtime.tenancy import tenant

if TYPE_CHECKING:
    from opentelemetry.trace import Span

Context = grpc.aio.ServicerContext[Any, Any]

_OURS = "/headstart."


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the methods of this package; health checks and reflection pass, so that they answer under any load."""

    def __init__(self, max_concurrent_calls: int, gate: Gate) -> None:
        self._places = max_concurrent_calls
        self._gate = gate

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **codec)
        assert handler.stream_stream is not None
        return grpc.stream_stream_rpc_method_handler(self._stream(method, handler.stream_stream), **codec)

    def _unary(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: Context) -> Any:
            async with _Account(self, method, context, getattr(request, "task_id", "")) as account:
                return await account.settle(behaviour(request, context))

        return call

    def _stream(self, method: str, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def call(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async with _Account(self, method, context) as account:
                responses = behaviour(requests, context)
                while (response := await account.settle(anext(responses, None))) is not None:
                    yield response

        return call


class _Account:
    """One call from its arrival to its answer."""

    def __init__(self, interceptor: CallInterceptor, method: str, context: Context, task: str = "") -> None:
        self._interceptor = interceptor
        self._method = method
        self._name = method.rpartition("/")[2]
        self._context = context
        self._task = task
        self._span: Span | None = None
        self._code = grpc.StatusCode.OK
        self._start = time.perf_counter()

    async def __aenter__(self) -> _Account:
        self._span = tracing.begin_call(self._method, self._context.invocation_metadata())
        self._tell(request_id=uuid4().hex, task=self._task)
        self._interceptor._places -= 1
        metrics.GRPC_IN_FLIGHT.inc()
        try:
            if self._interceptor._places < 0:
                raise ResourceExhausted("the server has as many calls as it takes", "TOO_MANY_CALLS")
            admitted = await self._interceptor._gate.admit(self._method, self._context)
            caller.set(admitted)
            tenant.set(admitted.namespace)
            self._tell(namespace=admitted.namespace)
        except BaseException as error:
            try:
                if isinstance(error, Exception):
                    await self._fail(error)
                raise
            finally:
                # __aexit__ does not run when __aenter__ raises.
                self._close()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def settle(self, work: Awaitable[Any]) -> Any:
        """The result of the work; errors end the call with their status."""
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
        await abort(self._context, error)

    def _close(self) -> None:
        self._interceptor._places += 1
        metrics.GRPC_IN_FLIGHT.dec()
        metrics.GRPC_CALLS.labels(self._name, self._code.name).inc()
        metrics.GRPC_SECONDS.labels(self._name).observe(time.perf_counter() - self._start, tracing.exemplar(self._span))
        tracing.end_call(self._span, self._code)
