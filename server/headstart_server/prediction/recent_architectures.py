"""The architectures that a space recorded last, with structural embeddings: what nearness rests on without the index.

Bounded, so that a space with a million architectures does not have to be read and embedded whole; kept in memory, and
each time only what is new is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.runtime.lru import Lru
from headstart_server.runtime.single_flight import SingleFlight

# Reading and embedding so many takes some seconds the first time.
MOST_ARCHITECTURES = 20_000
# Each holds some tens of megabytes.
_KEPT_SPACES = 16

Vectors = Callable[[Sequence[CanonicalCandidate]], NDArray[np.float32]]


@dataclass(frozen=True)
class Recent:
    """Newest first: fingerprints, and embeddings [n, d]. ``last`` is the number of the newest."""

    last: int
    fingerprints: list[str]
    embeddings: NDArray[np.float32]

    def nearest(self, embedding: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        if not self.fingerprints:
            return []
        distances = np.linalg.norm(self.embeddings - embedding, axis=1)
        order = np.argsort(distances, kind="stable")[:count]
        return [(self.fingerprints[index], float(distances[index])) for index in order]


class RecentArchitectures:
    """By namespace and space. Thread-safe: searches of one space wait for each other's reading, and for no other's."""

    def __init__(self) -> None:
        self._held: Lru[tuple[str, str], Recent] = Lru(_KEPT_SPACES)
        self._flights: SingleFlight[tuple[str, str]] = SingleFlight()

    def of(self, knowledge: KnowledgeService, namespace: str, search_space_id: str, vectors: Vectors) -> Recent:
        """What is recorded now, at most MOST_ARCHITECTURES. Whose task was deleted meanwhile may still be there."""
        key = (namespace, search_space_id)
        with self._flights.of(key):
            held = self._held.get(key)
            last = held.last if held else 0
            new = knowledge.newest_architectures(namespace, search_space_id, last, MOST_ARCHITECTURES)
            if not new:
                return held or Recent(0, [], vectors([]))
            fingerprints = [found.fingerprint for _, found in new]
            embeddings = vectors([found.canonical for _, found in new])
            if held is not None:
                fingerprints += held.fingerprints
                embeddings = np.concatenate([embeddings, held.embeddings])
            kept = Recent(new[0][0], fingerprints[:MOST_ARCHITECTURES], embeddings[:MOST_ARCHITECTURES])
            self._held.put(key, kept)
            return kept
