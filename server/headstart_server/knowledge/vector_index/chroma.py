"""The vector index of architectures in Chroma: collections of vectors by name, over one shared client.

Derived from PostgreSQL and never trusted with anything else: what cannot be reached raises IndexUnavailable, a
collection that is not there CollectionMissing, and callers answer without it. Which collection serves a search space is
said by PostgreSQL (``vector_versions``).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.api import ClientAPI
from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, InvalidArgumentError, InvalidDimensionException, NotFoundError
from numpy.typing import NDArray

from headstart_server.runtime import chroma_probe

# Chosen on 110,000 architectures of another draw of benchmarks/knowledge_base/large_space (204 numbers each), before
# that benchmark was run: recall@10 was 0.9987 with 100 candidates kept in a search and 1.0000 with 200. Chroma writes
# the whole graph to disk each time, so its default of 1,000 vectors between two writes makes filling ever slower;
# vectors not written yet are in its log.
_HNSW: CreateHNSWConfiguration = {
    "space": "l2",
    "max_neighbors": 16,
    "ef_construction": 100,
    "ef_search": 200,
    "batch_size": 1_000,
    "sync_threshold": 50_000,
}
_CONFIGURATION: CreateCollectionConfiguration = {"hnsw": _HNSW}
# Errors of Chroma's server, and of its client for names and vectors that it does not even send.
_REFUSALS = (InvalidArgumentError, InvalidDimensionException, ValueError, TypeError)
# Chroma's client waits for ever by default.
_SECONDS = 60.0
_CONNECT_SECONDS = 2.0
_SECONDS_BETWEEN_PROBES = 10.0
_FORGIVEN_PROBES = 1


class IndexUnavailable(Exception):
    """Chroma is out of reach, or cannot do its work."""


class IndexRefused(IndexUnavailable):
    """Chroma refuses a request, and would refuse it again."""


class IndexFailing(IndexUnavailable):
    """Chroma fails at a request, and may succeed at the next."""


class CollectionMissing(IndexUnavailable):
    """Chroma does not have the collection."""


class ArchitectureIndex:
    """Nearest recorded architectures by embedding (Euclidean distance). Thread-safe."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: ClientAPI | None = None
        self._collections: dict[str, Collection] = {}
        self._largest_batch = 0
        self._probe_at = -math.inf
        self._failed_probes = 0
        self._lock = Lock()

    def create(self, name: str) -> None:
        """Create an empty collection, replacing one of that name. Raises IndexUnavailable."""
        self.drop(name)
        try:
            made = self._connect().create_collection(name, embedding_function=None, configuration=_CONFIGURATION)
        except Exception as error:
            raise self._lost(name, error) from error
        with self._lock:
            self._collections[name] = made

    def drop(self, name: str) -> None:
        """Remove a collection, if it exists. Raises IndexUnavailable."""
        with self._lock:
            self._collections.pop(name, None)
        try:
            self._connect().delete_collection(name)
        except NotFoundError:
            pass
        except Exception as error:
            raise self._lost(name, error) from error

    def upsert(self, name: str, fingerprints: list[str], embeddings: NDArray[np.float32]) -> None:
        """Store rows of ``embeddings`` [n, d] under their fingerprints. Raises CollectionMissing, IndexUnavailable."""
        for part in self._batches(name, len(fingerprints)):
            self._on(name, partial(Collection.upsert, ids=fingerprints[part], embeddings=embeddings[part]))

    def remove(self, name: str, fingerprints: list[str]) -> None:
        """Remove vectors; missing ones do not matter. Raises CollectionMissing, IndexUnavailable."""
        for part in self._batches(name, len(fingerprints)):
            self._on(name, partial(Collection.delete, ids=fingerprints[part]))

    def nearest(self, name: str, embedding: NDArray[np.float32], count: int) -> list[tuple[str, float]]:
        """Fingerprints with distances, nearest first, for one ``embedding`` [d].

        Raises CollectionMissing, IndexUnavailable.
        """
        answer = self._on(
            name,
            lambda collection: collection.query(
                query_embeddings=embedding[None, :], n_results=count, include=["distances"]
            ),
        )
        # Chroma's l2 is the squared distance.
        pairs = zip(answer["ids"][0], answer["distances"][0], strict=True)
        return [(key, float(max(distance, 0.0)) ** 0.5) for key, distance in pairs]

    def size(self, name: str) -> int:
        """The number of vectors in a collection. Raises CollectionMissing, IndexUnavailable."""
        return int(self._on(name, lambda collection: collection.count()))

    def check(self) -> None:
        """Raises IndexUnavailable if Chroma does not answer within seconds, or does not write and read.

        Writing and reading is checked at intervals, and each time after a failure; one failure is forgiven, because
        Chroma may be busy.
        """
        try:
            self._hear()
        except Exception as error:
            raise self._lost(None, error) from error
        if time.monotonic() < self._probe_at:
            return
        problem = chroma_probe.problem(self._url)
        if problem is None:
            self._probe_at = time.monotonic() + _SECONDS_BETWEEN_PROBES
            self._failed_probes = 0
            return
        self._failed_probes += 1
        if self._failed_probes > _FORGIVEN_PROBES:
            raise IndexUnavailable(f"Chroma at {self._url} answers and does not work: {problem}")

    def _on(self, name: str, action: Callable[[Collection], Any]) -> Any:
        with self._lock:
            cached = self._collections.get(name)
        try:
            if cached is not None:
                try:
                    return action(cached)
                except NotFoundError:
                    # Perhaps another process created it again under its name.
                    pass
            fetched = self._connect().get_collection(name, embedding_function=None)
            with self._lock:
                self._collections[name] = fetched
            return action(fetched)
        except Exception as error:
            raise self._lost(name, error) from error

    def _batches(self, name: str, count: int) -> Iterator[slice]:
        """Batches of the size that Chroma accepts."""
        if not self._largest_batch:
            try:
                self._largest_batch = int(self._connect().get_max_batch_size())
            except Exception as error:
                raise self._lost(name, error) from error
        for start in range(0, count, self._largest_batch):
            yield slice(start, start + self._largest_batch)

    def _hear(self) -> None:
        httpx.get(f"{self._url}/api/v2/heartbeat", timeout=_CONNECT_SECONDS).raise_for_status()

    def _connect(self) -> ClientAPI:
        with self._lock:
            cached = self._client
        if cached is not None:
            return cached
        # A client asks for its tenant in its constructor, before a timeout can be set; nobody else may have to wait
        # for that.
        self._hear()
        parts = urlsplit(self._url)
        made = chromadb.HttpClient(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 8000,
            ssl=parts.scheme == "https",
            settings=ChromaSettings(anonymized_telemetry=False),
        )
        session: Any = made._server._session  # type: ignore[attr-defined]
        session.timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
        with self._lock:
            self._client = made
        return made

    def _lost(self, name: str | None, error: Exception) -> IndexUnavailable:
        """The error to raise. The next caller looks the client and its collections up again."""
        if isinstance(error, NotFoundError):
            with self._lock:
                self._collections.pop(name or "", None)
            return CollectionMissing(f"Chroma at {self._url} holds no collection {name}")
        message = f"Chroma at {self._url}: {type(error).__name__}: {error}"
        # An error of one request is no reason to drop the client that all share.
        if isinstance(error, _REFUSALS) and not isinstance(error, json.JSONDecodeError):
            return IndexRefused(message)
        if isinstance(error, ChromaError):
            return IndexFailing(message)
        with self._lock:
            self._client = None
            self._collections.clear()
        if isinstance(error, httpx.TransportError | OSError):
            return IndexUnavailable(message)
        return IndexFailing(message)
