"""Until when the caller of the work at hand waits: set where a call begins, and carried along into its thread."""

from __future__ import annotations

import time
from contextvars import ContextVar

# On the clock of time.monotonic(); None: the caller waits for ever.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


class DeadlinePassed(Exception):
    """The caller's deadline passed before the work began."""


def remaining_seconds() -> float | None:
    """What is left, not below 0; None without a deadline."""
    until = deadline.get()
    return None if until is None else max(until - time.monotonic(), 0.0)
