"""A bounded cache that forgets what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_numbers = count()


class Lru(Generic[K, V]):
    """A cache of total size ``most``; reading a value counts as use. Thread-safe.

    Without ``size`` every value has size 1. Where clients determine the size of values, ``size`` gives their bytes. A
    value larger than ``most`` is not cached.
    """

    def __init__(self, most: int, size: Callable[[V], int] | None = None) -> None:
        self._most = most
        self._size = size
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def total(self) -> int:
        """The size of all cached values."""
        return self._total

    def get(self, key: K) -> V | None:
        """The value, marked as used now; None without one."""
        with self._lock:
            cached = self._entries.get(key)
            if cached is None:
                return None
            self._entries.move_to_end(key)
            return cached[0]

    def __contains__(self, key: K) -> bool:
        """Whether there is a value, which does not count as use."""
        return key in self._entries

    def put(self, key: K, value: V) -> None:
        """Cache a value, marked as used now."""
        with self._lock:
            self._put(key, value)

    def setdefault(self, key: K, value: V) -> V:
        """The cached value, or this one from now on."""
        with self._lock:
            current = self._entries.get(key)
            stored = value if current is None else current[0]
            self._put(key, stored)
            return stored

    def remove(self, key: K) -> None:
        """Drop the value, if there is one."""
        with self._lock:
            self._total -= self._entries.pop(key, (None, 0))[1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._total = 0

    def _put(self, key: K, value: V) -> None:
        size = 1 if self._size is None else self._size(value)
        self._total += size - self._entries.pop(key, (None, 0))[1]
        self._entries[key] = value, size
        while self._total > self._most:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._total -= dropped


class LruShare(Generic[K, V]):
    """A part of a cache that several share under one limit; their keys are separate."""

    def __init__(self, shared: Lru[tuple[int, K], V]) -> None:
        self._shared = shared
        self._number = next(_numbers)

    def get(self, key: K) -> V | None:
        return self._shared.get((self._number, key))

    def put(self, key: K, value: V) -> None:
        self._shared.put((self._number, key), value)
