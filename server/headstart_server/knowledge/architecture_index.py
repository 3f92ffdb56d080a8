"""The vector index of architectures in Chroma: one collection for each search space and embedding version.

Derived from PostgreSQL and never trusted with anything else: what cannot be reached or is not there yet raises
IndexUnavailable, and callers answer without it.
"""

from __future__ import annotations

from threading import Lock
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, NotFoundError
from numpy.typing import NDArray

# Everything that chromadb raises when its server is gone, restarting or wiped.
_FAILURES = (ChromaError, httpx.HTTPError, ValueError, OSError)


class IndexUnavailable(Exception):
    """Chroma is out of reach, or does not hold the collection."""


class ArchitectureIndex:
    """Nearest recorded architectures by embedding (Euclidean distance). Thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: ClientAPI | None = None
        self._lock = Lock()

    def upsert(
        self, namespace: str, space_id: str, version: str, fingerprints: list[str], embeddings: NDArray[np.float32]
    ) -> None:
        """Put rows of ``embeddings`` [n, d] under their fingerprints. Raises IndexUnavailable."""
        try:
            collection = self._connect().get_or_create_collection(
                _collection_name(namespace, space_id, version),
                embedding_function=None,
                configuration={"hnsw": {"space": "l2"}},
            )
            collection.upsert(ids=fingerprints, embeddings=embeddings)
        except _FAILURES as error:
            raise self._lost(error) from error

    def nearest(
        self,
        namespace: str,
        space_id: str,
        version: str,
        embedding: NDArray[np.float32],
        count: int,
        least_size: int = 0,
    ) -> list[tuple[str, float]]:
        """Fingerprints with distances, nearest first, for one ``embedding`` [d].

        Raises IndexUnavailable, also where the index holds fewer than ``least_size`` architectures.
        """
        try:
            collection = self._collection(namespace, space_id, version)
            held = int(collection.count()) if least_size else 0
            if held < least_size:
                raise IndexUnavailable(f"Chroma at {self._url} holds {held} architectures of at least {least_size}")
            found = collection.query(query_embeddings=embedding[None, :], n_results=count, include=["distances"])
        except _FAILURES as error:
            raise self._lost(error) from error
        distances = found["distances"]
        assert distances is not None
        # Chroma's l2 is the squared distance.
        return [(name, float(max(d, 0.0)) ** 0.5) for name, d in zip(found["ids"][0], distances[0], strict=True)]

    def size(self, namespace: str, space_id: str, version: str) -> int:
        """How many architectures the index holds: none without a collection. Raises IndexUnavailable."""
        try:
            return int(self._collection(namespace, space_id, version).count())
        except NotFoundError:
            return 0
        except _FAILURES as error:
            raise self._lost(error) from error

    def check(self) -> None:
        """Raises IndexUnavailable where Chroma does not answer."""
        try:
            self._connect().heartbeat()
        except _FAILURES as error:
            raise self._lost(error) from error

    def _collection(self, namespace: str, space_id: str, version: str) -> Collection:
        return self._connect().get_collection(_collection_name(namespace, space_id, version), embedding_function=None)

    def _connect(self) -> ClientAPI:
        with self._lock:
            if self._client is None:
                parts = urlsplit(self._url)
                self._client = chromadb.HttpClient(
                    host=parts.hostname or "127.0.0.1",
                    port=parts.port or 8000,
                    ssl=parts.scheme == "https",
                    settings=ChromaSettings(anonymized_telemetry=False),
                )
            return self._client

    def _lost(self, error: Exception) -> IndexUnavailable:
        with self._lock:
            self._client = None
        return IndexUnavailable(f"Chroma at {self._url}: {type(error).__name__}: {error}")


def _collection_name(namespace: str, space_id: str, version: str) -> str:
    return f"{namespace}.{space_id}.{version}"
