"""Asks the vector index: which version serves a space, whether it can be trusted now, and what is near.

Made for a million vectors: a search costs one query of Chroma. What PostgreSQL says of the serving version and of the
rows that wait for it is kept for a second, and what Chroma holds is compared with it every few seconds.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from headstart_server.knowledge.vector_index import versions
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, IndexUnavailable
from headstart_server.knowledge.vector_index.versions import ServingCollection, VectorIndex
from headstart_server.runtime.observability import metrics

# The share of a space's architectures that the vector index may lack and still be used, and their largest number.
_LAG = 0.01
_LAG_ROWS = 10_000
_LOOK_UP_SECONDS = 1.0
_SECONDS_BETWEEN_COUNTS = 5.0

logger = logging.getLogger(__name__)


@dataclass
class _LookedUp:
    at: float
    serving: ServingCollection | None


class VectorSearch:
    """Queries of the vector index by a server. Thread-safe."""

    def __init__(self, engine: Engine, index: ArchitectureIndex) -> None:
        self._engine = engine
        self._index = index
        self._looked_up: dict[tuple[str, str], _LookedUp] = {}
        self._counted: dict[str, tuple[float, int]] = {}
        self._lock = Lock()
        # Assumed reachable until the first check.
        self._reachable = True

    @property
    def reachable(self) -> bool:
        """Whether Chroma answered the last request; costs nothing."""
        return self._reachable

    def watch(self) -> bool:
        """Check whether Chroma answers, and remember it."""
        try:
            self._index.check()
            reachable = True
        except IndexUnavailable as error:
            reachable = False
            if self._reachable:
                logger.warning("the vector index is out of reach, answers are degraded until it is back: %s", error)
        if reachable and not self._reachable:
            logger.info("the vector index is back")
        self._reachable = reachable
        metrics.VECTOR_INDEX_UP.set(reachable)
        return reachable

    def serving(self, namespace: str, search_space_id: str, fresh: bool = False) -> VectorIndex | None:
        """The version to query; None before there is one. Raises IndexUnavailable if it is too far behind."""
        key, now = (namespace, search_space_id), time.monotonic()
        with self._lock:
            cached = self._looked_up.get(key)
        if fresh or cached is None or now - cached.at > _LOOK_UP_SECONDS:
            with self._engine.connect() as connection:
                result = versions.serving(connection, namespace, search_space_id, _LAG_ROWS + 1)
            cached = _LookedUp(now, result)
            with self._lock:
                self._looked_up[key] = cached
        if cached.serving is None:
            return None
        index = cached.serving.index
        if cached.serving.waiting > _lag(index.vector_count):
            raise IndexUnavailable(f"{cached.serving.waiting} architectures or more wait for {index.collection}")
        return index

    def nearest(self, index: VectorIndex, embedding: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        """Fingerprints with Euclidean distances, nearest first, for one ``embedding`` [d].

        Raises IndexUnavailable, also if vectors were lost, and CollectionMissing for a version that was replaced.
        """
        if not self._reachable:
            raise IndexUnavailable("Chroma did not answer when it was last asked")
        cached, least = self._size(index), index.vector_count - _lag(index.vector_count)
        if cached < least:
            raise IndexUnavailable(f"{index.collection} holds {cached} architectures of at least {least}")
        return self._index.nearest(index.collection, embedding, count)

    def _size(self, index: VectorIndex) -> int:
        now = time.monotonic()
        with self._lock:
            at, cached = self._counted.get(index.collection, (-_SECONDS_BETWEEN_COUNTS, 0))
        if now - at >= _SECONDS_BETWEEN_COUNTS:
            cached = self._index.size(index.collection)
            with self._lock:
                self._counted[index.collection] = (now, cached)
        return cached


def _lag(vector_count: int) -> int:
    return min(int(_LAG * vector_count), _LAG_ROWS)
