"""Which models of past decisions take part in the choices of a namespace; each is loaded once by a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from headstart_server.strategy.models import ModelKind, read_artefact

# Loaded versions of a kind, over all namespaces.
_MOST_LOADED = 32

T = TypeVar("T")


class LoadedModels(Generic[T]):
    """Models of one kind by namespace and number. A version never changes, so what is loaded is never stale."""

    def __init__(self, kind: ModelKind, load: Callable[[bytes], T]) -> None:
        self._kind = kind
        self._load = load
        self._loaded: OrderedDict[tuple[int, int], T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, connection: Connection, namespace_id: int, number: int) -> T | None:
        """None where the version was removed meanwhile."""
        key = (namespace_id, number)
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        content = read_artefact(connection, namespace_id, self._kind, number)
        if content is None:
            return None
        model = self._load(content)
        with self._lock:
            self._loaded[key] = model
            while len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
        return model
