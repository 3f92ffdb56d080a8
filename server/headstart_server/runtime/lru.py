"""A bounded cache that forgets what was used longest ago."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """At most ``most`` values; reading a value counts as using it. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        """The value, which counts as used now; None where there is none."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key]

    def __contains__(self, key: K) -> bool:
        """Whether there is a value, which does not count as using it."""
        return key in self._held

    def put(self, key: K, value: V) -> None:
        """Keep a value in the place of another, as the one used last."""
        with self._lock:
            self._put(key, value)

    def setdefault(self, key: K, value: V) -> V:
        """What is kept already, or this value from now on."""
        with self._lock:
            kept = self._held.get(key, value)
            self._put(key, kept)
            return kept

    def _put(self, key: K, value: V) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        while len(self._held) > self._most:
            self._held.popitem(last=False)
