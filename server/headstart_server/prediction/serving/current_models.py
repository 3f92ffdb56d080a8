"""Serving models of a process: the version that answers for each space, its knowledge and its cached scores.

A process uses a version until a thread has loaded the next one, so no call waits for a change of versions. If a version
cannot be read, the newest older one that can be read answers.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.batch import chunks_of
from headstart_server.prediction.graph.model import ModelKnowledge, read_knowledge
from headstart_server.prediction.registry.artefact import ModelUnreadable, reading
from headstart_server.prediction.registry.versions import ModelVersion, load_artefact, serving_version, version_before
from headstart_server.prediction.serving.score_cache import ScoreCache
from headstart_server.prediction.serving.scorer import Scorer
from headstart_server.runtime.database.row_security import acting_for
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import NotFound, Unavailable
from headstart_server.runtime.lru import Lru
from headstart_server.threads import LOAD_MODEL

_log = logging.getLogger(__name__)

# Seconds between queries for a newer version.
_QUERY_SECONDS = 1.0
# Bytes of cached model knowledge.
_CACHED_BYTES = 256 * 2**20
# Candidates with cached scores: without a result, and with one (a task uses at most a thousand).
_CACHED_SCORES, _CACHED_SCORES_OF_RESULTS = 5_000, 20_000

_Key = tuple[str, str]


class ServingModels:
    """The serving versions by namespace and space. Thread-safe."""

    def __init__(self, engine: Engine, scorer: Scorer) -> None:
        self._engine = engine
        self._scorer = scorer
        self._lock = threading.Lock()
        self._in_use: dict[_Key, ModelVersion | None] = {}
        self._queried_at: dict[_Key, float] = {}
        self._loading: set[str] = set()
        self._unreadable: set[str] = set()
        self._knowledge: Lru[str, ModelKnowledge] = Lru(_CACHED_BYTES, lambda knowledge: knowledge.nbytes)
        self._scores = ScoreCache(_CACHED_SCORES)
        self._scores_of_results = ScoreCache(_CACHED_SCORES_OF_RESULTS)

    def of(self, namespace: str, search_space_id: str) -> ModelVersion | None:
        """The version that answers for a space, or None; queries the database at most once in _QUERY_SECONDS."""
        key, now = (namespace, search_space_id), time.monotonic()
        with self._lock:
            if now - self._queried_at.get(key, -_QUERY_SECONDS) < _QUERY_SECONDS:
                return self._in_use.get(key)
        newest = self._newest_readable(namespace, search_space_id)
        with self._lock:
            self._queried_at[key] = now
            current = self._in_use.get(key)
            if current is None or newest is None or current.name == newest.name:
                self._in_use[key] = newest
                return newest
            if newest.name not in self._loading:
                self._begin_loading(key, newest)
            return current

    def _begin_loading(self, key: _Key, version: ModelVersion) -> None:
        self._loading.add(version.name)
        try:
            LOAD_MODEL.start(self._change_to, key, version)
        except RuntimeError as problem:
            # No thread could be started; the next caller tries again.
            self._loading.discard(version.name)
            _log.warning("model %s is not used yet: %s", version.name, problem)

    def older_than(self, version: ModelVersion) -> ModelVersion | None:
        """The version that answers from now on in place of an unreadable one."""
        key = (version.namespace, version.search_space_id)
        with self._lock:
            self._unreadable.add(version.name)
        older = self._newest_readable(*key)
        with self._lock:
            self._in_use[key] = older
        return older

    def knowledge(self, version: ModelVersion) -> ModelKnowledge:
        """The knowledge of a version. Raises ModelUnreadable, and NotFound for a version that was removed."""
        knowledge = self._knowledge.get(version.name)
        if knowledge is None:
            with self._engine.connect() as connection:
                content = load_artefact(connection, version.name)
            with reading(version.name):
                knowledge = read_knowledge(content)
            self._knowledge.put(version.name, knowledge)
        return knowledge

    def unseen_scores(self, version: ModelVersion, candidates: Sequence[CanonicalCandidate]) -> NDArray[np.float64]:
        """Scores [n, heads] by learners that were trained without the architecture. Raises Unavailable, NotFound."""
        score = partial(self._score, version)
        # An unavailable host is called even for cached scores, so that its return is noticed.
        return score(candidates) if self._scorer.unavailable else self._scores.scores(version.name, candidates, score)

    def unseen_scores_of_results(
        self, version: ModelVersion, candidates: Sequence[CanonicalCandidate]
    ) -> NDArray[np.float64]:
        """The same scores for candidates with a result.

        They have a cache of their own, because other candidates are many, and each is scored for a short time only.
        """
        return self._scores_of_results.scores(version.name, candidates, partial(self.unseen_scores, version))

    def _score(self, version: ModelVersion, candidates: Sequence[CanonicalCandidate]) -> NDArray[np.float64]:
        seen = self.knowledge(version).seen
        scores = []
        # Chunks are separate passes, so that other calls are answered between them.
        for chunk in list(chunks_of(candidates)) or [candidates]:
            check()
            scores.append(self._scorer.score(version.name, chunk).unseen(chunk, seen))
        return np.concatenate(scores)

    def _change_to(self, key: _Key, version: ModelVersion) -> None:
        try:
            with acting_for(version.namespace):
                self.knowledge(version)
                self._scorer.load(version.name)
        except ModelUnreadable:
            with self._lock:
                self._unreadable.add(version.name)
        except (Unavailable, NotFound) as error:
            _log.warning("model %s is not used yet: %s", version.name, error)
        except Exception:
            _log.exception("model %s is not used yet", version.name)
        else:
            with self._lock:
                self._in_use[key] = version
            _log.info("answering with model %s", version.name)
        finally:
            with self._lock:
                self._loading.discard(version.name)

    def _newest_readable(self, namespace: str, search_space_id: str) -> ModelVersion | None:
        with self._engine.connect() as connection:
            version = serving_version(connection, namespace, search_space_id)
            while version is not None and version.name in self._unreadable:
                version = version_before(connection, version)
        return version
