"""The latest recorded architectures of a space with their structural embeddings: the substitute of the vector index.

Their number is bounded, so that a space with a million architectures is not read and embedded whole. They stay in
memory, so each call only reads and embeds new ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.prediction.task.evidence import Evidence
from headstart_server.runtime.lru import Lru
from headstart_server.runtime.single_flight import SingleFlight

# The first call takes some seconds to read and embed this number. Wide embeddings have fewer, by bytes.
MOST_ARCHITECTURES = 20_000
_MOST_BYTES = 48 * 2**20
_LEAST_ARCHITECTURES = 500
# Cached bytes of all spaces together.
_CACHED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class RecentEmbeddings:
    """Fingerprints and embeddings [n, d], newest first. ``last`` is the sequence number of the newest architecture."""

    last: int
    fingerprints: list[str]
    embeddings: NDArray[np.float32]

    def nearest(self, embedding: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        """The nearest fingerprints with Euclidean distances, nearest first."""
        if not self.fingerprints:
            return []
        distances = np.linalg.norm(self.embeddings - embedding, axis=1)
        order = np.argsort(distances, kind="stable")[:count]
        return [(self.fingerprints[index], float(distances[index])) for index in order]


class RecentArchitectures:
    """Recent embeddings by namespace and space. Thread-safe; a call waits only for another one of the same space."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._cache: Lru[tuple[str, str], RecentEmbeddings] = Lru(
            _CACHED_BYTES, lambda recent: recent.embeddings.nbytes + 150 * len(recent.fingerprints)
        )
        self._flights: SingleFlight[tuple[str, str]] = SingleFlight()

    def of(self, namespace: str, search_space_id: str) -> RecentEmbeddings:
        """The latest recorded architectures, at most MOST_ARCHITECTURES; those of a deleted task may remain.

        Raises NotFound for an unknown space.
        """
        features = self._evidence.features(namespace, search_space_id)
        key = (namespace, search_space_id)
        with self._flights.of(key):
            cached = self._cache.get(key)
            last = cached.last if cached else 0
            empty = features.vectors([])
            most = _most(empty.shape[1])
            new = self._evidence.knowledge.newest_architectures(namespace, search_space_id, last, most)
            if not new:
                return cached or RecentEmbeddings(0, [], empty)
            fingerprints = [architecture.fingerprint for _, architecture in new]
            embeddings = features.vectors([architecture.canonical for _, architecture in new])
            if cached is not None:
                fingerprints += cached.fingerprints
                embeddings = np.concatenate([embeddings, cached.embeddings])
            updated = RecentEmbeddings(new[0][0], fingerprints[:most], embeddings[:most])
            self._cache.put(key, updated)
            return updated


def _most(width: int) -> int:
    """The number of architectures to cache, given the width of their embeddings."""
    return max(_LEAST_ARCHITECTURES, min(MOST_ARCHITECTURES, _MOST_BYTES // (4 * max(width, 1))))
