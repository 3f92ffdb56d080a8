"""Calls that need no token: health checks and reflection. They answer under any load.

Their messages are small; larger ones are refused, and so are open streams beyond a limit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from headstart.spaces import InvalidInput, Violation
from headstart_server.api.admission.intake import decoded
from headstart_server.api.errors import abort
from headstart_server.runtime.errors import ResourceExhausted

_MOST_BYTES = 4096
_MOST_STREAMS = 1000


class Outside:
    """Wraps the methods that do not belong to this package."""

    def __init__(self) -> None:
        self._streams = 0

    def wrap(self, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        message_type = handler.request_deserializer.__self__  # type: ignore[union-attr]
        serializer = handler.response_serializer
        if handler.unary_unary is not None:
            call = self._unary(handler.unary_unary, message_type)
            return grpc.unary_unary_rpc_method_handler(call, None, serializer)
        if handler.unary_stream is not None:
            watch = self._bounded(self._unary(handler.unary_stream, message_type))
            return grpc.unary_stream_rpc_method_handler(watch, None, serializer)
        assert handler.stream_stream is not None
        return grpc.stream_stream_rpc_method_handler(
            self._bounded(self._stream(handler.stream_stream, message_type)), None, serializer
        )

    def _unary(self, behaviour: Callable[..., Any], message_type: Any) -> Callable[..., Any]:
        async def call(data: bytes, context: Any) -> Any:
            return await behaviour(await _small(data, message_type, context), context)

        return call

    def _stream(self, behaviour: Callable[..., Any], message_type: Any) -> Callable[..., Any]:
        async def call(messages: AsyncIterator[bytes], context: Any) -> None:
            async def requests() -> AsyncIterator[Any]:
                async for data in messages:
                    yield await _small(data, message_type, context)

            async for answer in behaviour(requests(), context):
                await context.write(answer)

        return call

    def _bounded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def bounded(request: Any, context: Any) -> Any:
            if self._streams >= _MOST_STREAMS:
                await abort(context, ResourceExhausted("too many streams are open", "TOO_MANY_STREAMS"))
            self._streams += 1
            try:
                return await call(request, context)
            finally:
                self._streams -= 1

        return bounded


async def _small(data: bytes, message_type: Any, context: Any) -> Any:
    try:
        if len(data) > _MOST_BYTES:
            name = message_type.DESCRIPTOR.name
            raise InvalidInput([Violation(name, f"at most {_MOST_BYTES} bytes, got {len(data)}")])
        return decoded(data, message_type)
    except InvalidInput as error:
        await abort(context, error)
