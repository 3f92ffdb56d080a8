"""Calls under load: so many in flight at once, or so many a second, and how long each took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[[Any], Awaitable[object]]


@dataclass(frozen=True)
class Timed:
    """``seconds`` from the first call to the last answer; ``latencies`` in seconds, in the order of answers."""

    seconds: float
    latencies: Sequence[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, quantile: float) -> float:
        return 1e3 * float(np.quantile(np.array(self.latencies), quantile))


async def in_flight(call: Call, requests: Iterable[Any], number: int) -> Timed:
    """All requests, ``number`` of them in flight at any time."""
    waiting = iter(requests)
    latencies: list[float] = []

    async def caller() -> None:
        for request in waiting:
            begin = time.perf_counter()
            await call(request)
            latencies.append(time.perf_counter() - begin)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(number)))
    return Timed(time.perf_counter() - start, latencies)


async def at_rate(call: Call, requests: Iterable[Any], per_second: float) -> Timed:
    """One request after the other at an even pace, whether or not earlier ones are answered.

    Latency counts from when the request was due: a client that comes late has waited.
    """
    latencies: list[float] = []
    start = time.perf_counter()

    async def answered(request: Any, due: float) -> None:
        await call(request)
        latencies.append(time.perf_counter() - due)

    async with asyncio.TaskGroup() as calls:
        for index, request in enumerate(requests):
            due = start + index / per_second
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            calls.create_task(answered(request, due))
    return Timed(time.perf_counter() - start, latencies)
