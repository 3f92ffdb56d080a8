"""Keeps blocking work off the event loop: bounded threads for the database, and for the models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from grpc.aio import ServicerContext

from headstart_server.runtime.deadline import DeadlinePassed, deadline

T = TypeVar("T")


class BlockingWork:
    """Runs functions in threads. Work whose caller's deadline has passed while it waited is dropped."""

    def __init__(self, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, context: ServicerContext[Any, Any], work: Callable[[], T]) -> T:
        """Raises DeadlinePassed, and whatever the work raises."""
        remaining = context.time_remaining()
        until = None if remaining is None else time.monotonic() + remaining

        def begin() -> T:
            if until is not None and time.monotonic() >= until:
                raise DeadlinePassed
            deadline.set(until)
            return work()

        # The request id of the log, and the deadline, follow the work into its thread.
        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, begin)

    def close(self) -> None:
        """Wait for what runs; drop what has not begun."""
        self._executor.shutdown(wait=True, cancel_futures=True)
