"""The architectures that a space recorded last, with structural embeddings: what nearness rests on without the index.

Bounded, so that a space with a million architectures does not have to be read and embedded whole; kept in memory, and
each time only what is new is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.service import KnowledgeService

# Reading and embedding so many takes some seconds the first time.
MOST_ARCHITECTURES = 20_000

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
    """By namespace and space. Thread-safe."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Recent] = {}
        self._lock = Lock()

    def of(self, knowledge: KnowledgeService, namespace: str, search_space_id: str, vectors: Vectors) -> Recent:
        """What is recorded now, at most MOST_ARCHITECTURES. Whose task was deleted meanwhile may still be there."""
        with self._lock:
            held = self._held.get((namespace, search_space_id))
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
            self._held[namespace, search_space_id] = kept
            return kept
