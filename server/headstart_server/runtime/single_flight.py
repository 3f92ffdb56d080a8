"""One caller at a time for each key: the second waits for what the first makes, and nobody waits for another key."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass
class _Flight:
    lock: threading.Lock = field(default_factory=threading.Lock)
    callers: int = 0


class SingleFlight(Generic[K]):
    """One lock for each key. Thread-safe. A caller checks, once inside, whether another one has made the value."""

    def __init__(self) -> None:
        self._flights: dict[K, _Flight] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: K) -> Iterator[None]:
        """Hold the lock of this key during the block."""
        with self._lock:
            flight = self._flights.setdefault(key, _Flight())
            flight.callers += 1
        try:
            with flight.lock:
                yield
        finally:
            with self._lock:
                flight.callers -= 1
                if not flight.callers:
                    del self._flights[key]
