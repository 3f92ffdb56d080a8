"""Decodes requests, after their callers were let in, and bounds what they take in memory.

A large message is decoded on a thread, so that no other call waits for it. The fields of a very large one are counted
before there are objects of them. What large messages take while they are worked on comes out of one budget, which
namespaces share; others wait for it, and beyond some waiting bytes they are refused.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from typing import Any

from google.protobuf.message import DecodeError, Message

from headstart.spaces import InvalidInput, Violation
from headstart_server.api.admission.shares import Shares
from headstart_server.api.admission.wire_format import count_fields, tags_of
from headstart_server.api.blocking import BlockingWork
from headstart_server.runtime.errors import ResourceExhausted
from headstart_server.threads import DECODE

# Up to this size a request is decoded on the event loop; its tree takes two megabytes at most.
SMALL_BYTES = 32 * 1024
# Up to this size fields are not counted, because counting takes longer than decoding; the budget assumes the most
# that the bytes allow.
_UNCOUNTED_BYTES = 512 * 1024
_LEAST_FIELD_BYTES = 2
# Bytes of a field in the decoder's tree and in the values made of it.
_FIELD_BYTES = 250
_BUDGET_BYTES = 512 * 1024 * 1024
_WAITING_BYTES = 64 * 1024 * 1024
# When this much was freed, the allocator's memory is returned to the system after this delay.
_TRIM_BYTES = 1024 * 1024
_TRIM_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Intake:
    """Decodes requests within a memory budget. Belongs to one event loop."""

    def __init__(self, max_fields: int, fair: bool) -> None:
        self._max_fields = max_fields
        self._threads = BlockingWork(DECODE.executor())
        self._budget = Shares(_BUDGET_BYTES, fair)
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._trimming = False
        self._closed = False

    async def decode(
        self, data: bytes, message_type: type[Message], namespace: str, context: Any
    ) -> tuple[Message, int]:
        """The message, and its share of the budget, which it holds until ``free``.

        Raises InvalidInput for bytes that are not such a message or have too many fields, ResourceExhausted,
        DeadlinePassed.
        """
        if len(data) <= SMALL_BYTES:
            return decoded(data, message_type), 0
        if self._waiting_bytes + len(data) > _WAITING_BYTES:
            raise ResourceExhausted("the server has as many large requests as it takes", "TOO_MANY_LARGE_REQUESTS")
        self._waiting_bytes += len(data)
        try:
            cost = await self._threads.run(context, lambda: self._cost(data, message_type))
            await self._take(namespace, cost)
        finally:
            self._waiting_bytes -= len(data)
            self._trim_later(len(data))
        try:
            return await self._threads.run(context, lambda: decoded(data, message_type)), cost
        except BaseException:
            self.free(namespace, cost)
            raise

    def free(self, namespace: str, cost: int) -> None:
        """Give back a share, once nothing refers to the message any more."""
        if not cost:
            return
        self._trim_later(cost)
        self._budget.free(namespace, cost)
        for entry in list(self._waiting):
            waiter, amount, turn = entry
            if turn.done():
                self._waiting.remove(entry)
            elif self._budget.take(waiter, amount):
                self._waiting.remove(entry)
                turn.set_result(None)

    def close(self) -> None:
        self._closed = True
        self._threads.close()

    def _trim_later(self, size: int) -> None:
        if size >= _TRIM_BYTES and not self._trimming:
            self._trimming = True
            asyncio.get_running_loop().call_later(_TRIM_SECONDS, self._trim)

    def _trim(self) -> None:
        self._trimming = False
        if not self._closed:
            self._threads.submit(_give_memory_back)

    def _cost(self, data: bytes, message_type: type[Message]) -> int:
        most = len(data) // _LEAST_FIELD_BYTES
        if len(data) <= _UNCOUNTED_BYTES and most <= self._max_fields:
            return len(data) + _FIELD_BYTES * most
        fields = count_fields(data, tags_of(message_type.DESCRIPTOR), self._max_fields)
        if fields > self._max_fields:
            raise InvalidInput(
                [
                    Violation(
                        message_type.DESCRIPTOR.name,
                        f"has more than {self._max_fields} fields in all its messages: send fewer entries at a time",
                    )
                ]
            )
        return len(data) + _FIELD_BYTES * fields

    async def _take(self, namespace: str, cost: int) -> None:
        if self._budget.take(namespace, cost):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((namespace, cost, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.free(namespace, cost)
            raise


def decoded(data: bytes, message_type: type[Message]) -> Message:
    """The decoded message. Raises InvalidInput for bytes that are not such a message."""
    try:
        return message_type.FromString(data)
    except DecodeError:
        name = message_type.DESCRIPTOR.name
        raise InvalidInput([Violation(name, f"the bytes that were sent are no {name}")]) from None


def _give_memory_back() -> None:
    """Return freed memory to the system. glibc keeps it in its arenas; other C libraries have no such call."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        logger.debug("this C library cannot be asked to give memory back")
