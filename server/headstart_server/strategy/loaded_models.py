"""Loaded strategy models: a cache of the serving versions, so that each server process loads a version once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from sqlalchemy import Connection

from headstart_server.runtime.lru import Lru
from headstart_server.strategy.model_versions import ModelKind, read_artefact

# Cached versions of a kind, over all namespaces.
_MOST_LOADED = 32

T = TypeVar("T")


class LoadedModels(Generic[T]):
    """Models of one kind by namespace and number. A version never changes, so the cache is never stale."""

    def __init__(self, kind: ModelKind, load: Callable[[bytes], T]) -> None:
        self._kind = kind
        self._load = load
        self._loaded: Lru[tuple[int, int], T] = Lru(_MOST_LOADED)

    def serving(
        self, connection: Connection, namespace_id: int, serving: Mapping[ModelKind, int]
    ) -> tuple[int, T] | None:
        """Number and model of the serving version of this kind; None if none serves or it was removed meanwhile."""
        number = serving.get(self._kind)
        if number is None:
            return None
        key = (namespace_id, number)
        model = self._loaded.get(key)
        if model is None:
            artefact = read_artefact(connection, namespace_id, self._kind, number)
            if artefact is None:
                return None
            model = self._loaded.setdefault(key, self._load(artefact))
        return number, model
