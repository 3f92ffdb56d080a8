"""Which models of past decisions take part in the choices of a namespace; each is loaded once by a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from sqlalchemy import Connection

from headstart_server.runtime.lru import Lru
from headstart_server.strategy.model_versions import ModelKind, read_artefact

# Loaded versions of a kind, over all namespaces.
_MOST_LOADED = 32

T = TypeVar("T")


class LoadedModels(Generic[T]):
    """Models of one kind by namespace and number. A version never changes, so what is loaded is never stale."""

    def __init__(self, kind: ModelKind, load: Callable[[bytes], T]) -> None:
        self._kind = kind
        self._load = load
        self._loaded: Lru[tuple[int, int], T] = Lru(_MOST_LOADED)

    def get(self, connection: Connection, namespace_id: int, number: int) -> T | None:
        """None where the version was removed meanwhile."""
        key = (namespace_id, number)
        loaded = self._loaded.get(key)
        if loaded is not None:
            return loaded
        content = read_artefact(connection, namespace_id, self._kind, number)
        if content is None:
            return None
        return self._loaded.setdefault(key, self._load(content))
