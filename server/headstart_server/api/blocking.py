"""Keeps blocking work off the event loop: bounded threads for the database, and for the models.

Namespaces take turns: one that asks much waits for itself, and others for one piece of its work at the most.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from grpc.aio import ServicerContext

from headstart_server.runtime.database.row_security import tenant
from headstart_server.runtime.deadline import DeadlinePassed, deadline

T = TypeVar("T")


class BlockingWork:
    """Runs functions in threads, namespaces in turn, and in order within a namespace.

    Work is dropped if its caller's deadline passed while it waited.
    """

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._executor = threads
        self._lock = threading.Lock()
        # By namespace; the first is next.
        self._waiting: OrderedDict[str | None, deque[tuple[Future[Any], Callable[[], Any]]]] = OrderedDict()

    async def run(self, context: ServicerContext[Any, Any], work: Callable[[], T]) -> T:
        """Raises DeadlinePassed, and any error of the work."""
        remaining = context.time_remaining()
        until = None if remaining is None else time.monotonic() + remaining

        def begin() -> T:
            if until is not None and time.monotonic() >= until:
                raise DeadlinePassed
            deadline.set(until)
            return work()

        # The log's request id and the deadline follow the work into its thread.
        carried = copy_context()
        return await asyncio.wrap_future(self.submit(lambda: carried.run(begin)))

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Run a function in the turn of the current namespace, without waiting for it."""
        answer: Future[T] = Future()
        with self._lock:
            self._waiting.setdefault(tenant.get(), deque()).append((answer, work))
        # One turn for each piece of work; the queue decides which.
        self._executor.submit(self._take_turn)
        return answer

    def close(self) -> None:
        """Wait for running work, and drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        for waiting in self._waiting.values():
            for answer, _ in waiting:
                answer.cancel()

    def _take_turn(self) -> None:
        with self._lock:
            namespace, waiting = next(iter(self._waiting.items()))
            answer, work = waiting.popleft()
            if waiting:
                self._waiting.move_to_end(namespace)
            else:
                del self._waiting[namespace]
        _settle(answer, work)


def _settle(answer: Future[T], work: Callable[[], T]) -> None:
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(work())
    except BaseException as error:
        answer.set_exception(error)
        # The error refers to this frame, and the future to the error: the cycle would keep both alive.
        del answer, work
