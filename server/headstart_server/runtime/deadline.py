"""Until when the caller of the work at hand waits: set where a call begins, and carried along into its thread.

Loops whose length a request decides call ``check`` in every round, so that work ends soon after its caller has gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# On the clock of time.monotonic(); None: the caller waits for ever.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)

# The limit of the work on this thread, on the clock of time.thread_time().
_quick_until: ContextVar[float | None] = ContextVar("quick_until", default=None)


class DeadlinePassed(Exception):
    """The caller's deadline passed before the work was done."""


class NotQuick(Exception):
    """The work takes more processor time than its thread may spend."""


def remaining_seconds() -> float | None:
    """The time left, at least 0; None without a deadline."""
    until = deadline.get()
    return None if until is None else max(until - time.monotonic(), 0.0)


def check() -> None:
    """Raise DeadlinePassed if the deadline has passed, NotQuick if the work belongs to other threads."""
    until = deadline.get()
    if until is not None and time.monotonic() >= until:
        raise DeadlinePassed
    quick_until = _quick_until.get()
    if quick_until is not None and time.thread_time() >= quick_until:
        raise NotQuick


def at_most(seconds: float) -> None:
    """Limit the deadline of this call to ``seconds`` from now."""
    until, latest = deadline.get(), time.monotonic() + seconds
    deadline.set(latest if until is None else min(until, latest))


@contextmanager
def quick(seconds: float | None) -> Iterator[None]:
    """Within the block ``check`` raises NotQuick after this processor time of the thread; None: never."""
    token = _quick_until.set(None if seconds is None else time.thread_time() + seconds)
    try:
        yield
    finally:
        _quick_until.reset(token)
