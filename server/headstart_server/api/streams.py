"""A stream of requests, each admitted anew.

A token or a quota holds within a stream as it does for calls: a watch looks at the token every few seconds, and each
request counts as a call and its records as experiments. A stream holds a place among the calls while one of its
requests is worked on; one that stays idle is ended, and its client opens another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import Message

from headstart_server.api.admission.identity import Caller
from headstart_server.runtime.errors import PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from headstart_server.api.calls import CallInterceptor

Context = grpc.aio.ServicerContext[Any, Any]

_WATCH_SECONDS = 2.0
# Seconds that a request waits for a place; gRPC pauses its client meanwhile.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.05


class RecordingStream:
    """One stream in which every request gets one response."""

    def __init__(
        self,
        server: CallInterceptor,
        who: Caller,
        method: str,
        message_type: type[Message],
        messages: AsyncIterator[bytes],
        context: Context,
    ) -> None:
        self._server = server
        self._caller = who
        self._namespace = who.namespace
        self._method = method
        self._name = method.rpartition("/")[2]
        self._message_type = message_type
        self._messages = messages
        self._context = context
        self._has_place = False
        # Of each request in progress: its share of the memory for large requests, and of the quota.
        self._cache: deque[list[int]] = deque()
        self._writing = False
        self._moved = time.monotonic()

    async def run(self, behaviour: Callable[..., Any]) -> None:
        """Run until the client or the method ends it. Raises Unauthenticated and PermissionDenied within seconds of a
        token's end, Unavailable for an idle stream, and any error of the method.
        """
        work = asyncio.create_task(self._work(behaviour))
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            await (work if work.done() else watch)
        finally:
            work.cancel()
            watch.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
            while self._cache:
                self._answered()

    async def _work(self, behaviour: Callable[..., Any]) -> None:
        async with aclosing(behaviour(self._requests(), self._context)) as responses:
            async for response in responses:
                self._writing = True
                await self._context.write(response)
                self._writing = False
                self._answered()

    async def _requests(self) -> AsyncIterator[Message]:
        while (data := await anext(self._messages, None)) is not None:
            self._moved = time.monotonic()
            sizes = [0, 0]
            self._cache.append(sizes)
            await self._take_place()
            await self._server.gate.take_turn(self._caller)
            request, sizes[0] = await self._server.intake.decode(
                data, self._message_type, self._namespace, self._context
            )
            del data
            sizes[1] = await self._server.gate.count(self._caller, self._name, len(request.records))  # type: ignore[attr-defined]
            yield request
            del request

    async def _take_place(self) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not self._has_place:
            self._has_place = self._server.places.take(self._namespace)
            if self._has_place:
                return
            if time.monotonic() >= until:
                raise ResourceExhausted("the server has as many calls as it takes of this namespace", "TOO_MANY_CALLS")
            await asyncio.sleep(_PAUSE_SECONDS)

    def _answered(self) -> None:
        self._moved = time.monotonic()
        cost, counted = self._cache.popleft()
        self._server.intake.free(self._namespace, cost)
        self._server.gate.end(self._namespace, self._name, counted)
        if self._has_place and not self._cache:
            self._has_place = False
            self._server.places.free(self._namespace)

    async def _watch(self) -> None:
        idle = self._server.stream_idle_seconds
        while True:
            await asyncio.sleep(min(_WATCH_SECONDS, idle / 2))
            try:
                await self._server.gate.identify(self._method, self._context)
            except (Unauthenticated, PermissionDenied):
                raise
            except Exception:  # noqa: S112 - a database that is away says nothing of a token
                continue
            busy = self._cache and not self._writing
            if not busy and time.monotonic() - self._moved > idle:
                raise Unavailable(f"the stream was idle for {idle:g} seconds: open another", "STREAM_IDLE", 0.0)
