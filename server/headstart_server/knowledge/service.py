"""The knowledge room: search spaces, tasks, experiments, and what is like what.

Methods that change something take the connection of the caller's transaction; those that read open their own. All of
them block.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, func, select

from headstart.spaces import Candidate, CanonicalCandidate, SearchSpace, candidate_violations, canonicalize
from headstart.spaces.validation import require
from headstart_server.knowledge import (
    architectures,
    experiment_lists,
    experiments,
    outbox,
    recording,
    search_spaces,
    similarity,
    tables,
    tasks,
)
from headstart_server.knowledge.architecture_index import ArchitectureIndex, IndexUnavailable
from headstart_server.knowledge.architectures import Architecture, ArchitectureCache
from headstart_server.knowledge.observations import ObservationCache, Observations, no_observations
from headstart_server.knowledge.outcomes import NewExperiment

_CANONICAL_CACHE = 200_000
# Share of a space's architectures that the vector index may lack and still be asked.
_INDEX_LAG = 0.01

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Match:
    """A recorded architecture near a candidate; ``distance`` is Euclidean, between embeddings."""

    architecture: Architecture
    distance: float
    results: list[experiments.Result]


class KnowledgeService:
    def __init__(self, engine: Engine, index: ArchitectureIndex) -> None:
        self._engine = engine
        self._index = index
        self._observations = ObservationCache()
        self._architectures = ArchitectureCache()
        self._spaces: dict[tuple[str, str], SearchSpace] = {}
        self._canonical: OrderedDict[object, CanonicalCandidate] = OrderedDict()
        self._lock = Lock()
        self.listeners: list[recording.Listener] = []

    # Search spaces

    def create_search_space(
        self, connection: Connection, namespace: str, space: SearchSpace
    ) -> search_spaces.StoredSpace:
        """Raises AlreadyExists for other content under the same id."""
        return search_spaces.create_search_space(connection, namespace, space)

    def search_space(self, namespace: str, search_space_id: str) -> SearchSpace:
        """Raises NotFound."""
        key = (namespace, search_space_id)
        if key not in self._spaces:
            self._spaces[key] = self.stored_search_space(namespace, search_space_id).space
        return self._spaces[key]

    def stored_search_space(self, namespace: str, search_space_id: str) -> search_spaces.StoredSpace:
        """Raises NotFound."""
        with self._engine.connect() as connection:
            return search_spaces.find_search_space(connection, namespace, search_space_id)

    def list_search_spaces(self, namespace: str, after: str, limit: int) -> list[search_spaces.StoredSpace]:
        with self._engine.connect() as connection:
            return search_spaces.list_search_spaces(connection, namespace, after, limit)

    def canonical(
        self, namespace: str, space: SearchSpace, candidate: Candidate, field: str = "candidate"
    ) -> CanonicalCandidate:
        """The canonical form of a candidate; InvalidInput names what is wrong with it."""
        if candidate.graph is not None:
            require(candidate_violations(space, candidate, field))
            return canonicalize(space, candidate)
        # Values of different types can be equal (1, True): the type is part of the key.
        values = tuple((name, type(value), value) for name, value in sorted(candidate.values.items()))
        key = (namespace, space.search_space_id, values)
        with self._lock:
            found = self._canonical.get(key)
        if found is None:
            require(candidate_violations(space, candidate, field))
            found = canonicalize(space, candidate)
            with self._lock:
                self._canonical[key] = found
                if len(self._canonical) > _CANONICAL_CACHE:
                    self._canonical.popitem(last=False)
        return found

    # Tasks

    def create_task(self, connection: Connection, namespace: str, task: tasks.Task) -> tasks.StoredTask:
        """Raises AlreadyExists for other content under the same id."""
        return tasks.create_task(connection, namespace, task)

    def update_task(self, connection: Connection, namespace: str, task: tasks.Task) -> tasks.StoredTask:
        """Raises NotFound, FailedPrecondition."""
        return tasks.update_task(connection, namespace, task)

    def delete_task(self, connection: Connection, namespace: str, task_id: str) -> int:
        """Returns how many experiments went with it. Raises NotFound."""
        return tasks.delete_task(connection, namespace, task_id)

    def stored_task(self, namespace: str, task_id: str) -> tasks.StoredTask:
        """Raises NotFound."""
        with self._engine.connect() as connection:
            return tasks.find_task(connection, namespace, task_id)

    def task(self, namespace: str, task_id: str) -> tasks.Task:
        """Raises NotFound."""
        return self.stored_task(namespace, task_id).task

    def list_tasks(self, namespace: str, after: str, limit: int) -> list[tasks.StoredTask]:
        with self._engine.connect() as connection:
            return tasks.list_tasks(connection, namespace, after, limit)

    def similar_tasks(self, namespace: str, task_id: str, space_id: str | None) -> list[similarity.SimilarTask]:
        """All other tasks of the namespace, most similar first. Raises NotFound."""
        with self._engine.connect() as connection:
            target = tasks.find_task(connection, namespace, task_id)
            others = tasks.list_tasks(connection, namespace, "", limit=10_000)
            spaces = [space_id] if space_id else [summary.search_space_id for summary in target.summaries]
            spreads = similarity.meta_feature_spreads(other.task for other in others)
            agreements: dict[str, similarity.Evidence] = {}
            for name in spaces:
                own = self._observations.of_task(connection, namespace, task_id, name)
                for source in self._observations.of_space(connection, namespace, name) if own else []:
                    assert own is not None
                    found = similarity.measured_agreement(own, source)
                    best = agreements.get(source.task.task_id)
                    if found and (best is None or best.count < found.count):
                        agreements[source.task.task_id] = found
        similar = [
            similarity.compare(target.task, other.task, spreads, agreements.get(other.task.task_id))
            for other in others
            if other.id != target.id
        ]
        return sorted(similar, key=lambda other: (-other.weight, other.task_id))

    # Experiments

    def record(
        self, connection: Connection, namespace: str, records: Sequence[NewExperiment]
    ) -> list[recording.Recorded]:
        """Keep validated results, exactly once. Raises NotFound, AlreadyExists."""
        return recording.record(connection, namespace, records, self.listeners)

    def experiment(self, namespace: str, task_id: str, space_id: str, sequence: int) -> experiments.Experiment:
        """Raises NotFound."""
        with self._engine.connect() as connection:
            tasks.find_task(connection, namespace, task_id)
            search_spaces.find_search_space(connection, namespace, space_id)
            return experiments.get_experiment(connection, namespace, task_id, space_id, sequence)

    def list_experiments(
        self, namespace: str, query: experiment_lists.ExperimentQuery, after: experiment_lists.Key | None = None
    ) -> Iterator[experiment_lists.Listed]:
        """Those after a key, read as they are needed. Raises NotFound for an unknown task or space."""
        with self._engine.connect() as connection:
            yield from experiment_lists.list_experiments(connection, namespace, query, after)

    def observations(self, namespace: str, task_id: str, search_space_id: str) -> Observations:
        """What was measured on a task in a space. Raises NotFound for an unknown task or space."""
        self.search_space(namespace, search_space_id)
        with self._engine.connect() as connection:
            found = self._observations.of_task(connection, namespace, task_id, search_space_id)
        if found is None:
            return no_observations(self.task(namespace, task_id), search_space_id)
        return found

    def tasks_observed(self, namespace: str, search_space_id: str) -> list[Observations]:
        """Every task with at least one experiment in the space, by task id."""
        with self._engine.connect() as connection:
            return self._observations.of_space(connection, namespace, search_space_id)

    def architectures(
        self, namespace: str, search_space_id: str, fingerprints: Iterable[str] | None = None
    ) -> Mapping[str, Architecture]:
        """By fingerprint, at least those asked for, as far as they are recorded; else all of the present tasks.

        Who holds observations asks by their fingerprints: their task may be deleted meanwhile.
        """
        with self._engine.connect() as connection:
            if fingerprints is None:
                observed = self._observations.of_space(connection, namespace, search_space_id)
                fingerprints = set().union(*(observations.fingerprints for observations in observed))
            return self._architectures.of(connection, namespace, search_space_id, fingerprints)

    def search_spaces_by_growth(self) -> list[tuple[str, str, int]]:
        """Namespace, search space id and number of experiments, of every space that has any."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(
                    tables.namespaces.c.name,
                    tables.search_spaces.c.name.label("space"),
                    func.sum(tables.task_summaries.c.experiment_count).label("number"),
                )
                .join(tables.search_spaces, tables.search_spaces.c.namespace_id == tables.namespaces.c.id)
                .join(tables.task_summaries, tables.task_summaries.c.search_space_id == tables.search_spaces.c.id)
                .group_by(tables.namespaces.c.name, tables.search_spaces.c.name)
            )
            return [(row.name, row.space, int(row.number)) for row in rows]

    # The vector index

    def deliver_outbox(self, connection: Connection, deliver: outbox.Deliver) -> int:
        """Hand waiting architectures to ``deliver``; returns how many went."""
        return outbox.deliver_batch(connection, deliver)

    def outbox_depth(self) -> int:
        with self._engine.connect() as connection:
            return outbox.waiting(connection)

    def index_architectures(
        self, namespace: str, space_id: str, version: str, fingerprints: list[str], embeddings: NDArray[np.float32]
    ) -> None:
        """Put embeddings [n, d] into the vector index. Raises IndexUnavailable."""
        self._index.upsert(namespace, space_id, version, fingerprints, embeddings)

    def index_size(self, namespace: str, space_id: str, version: str) -> int:
        """How many architectures the vector index holds. Raises IndexUnavailable."""
        return self._index.size(namespace, space_id, version)

    def indexed_spaces(self) -> list[outbox.IndexedSpace]:
        """The spaces of which the vector index should hold every architecture, as none waits."""
        with self._engine.connect() as connection:
            return outbox.indexed_spaces(connection)

    def index_again(self, connection: Connection, space: outbox.IndexedSpace) -> None:
        """Put all architectures of a space into the outbox."""
        outbox.put_all(connection, space)

    def nearest_fingerprints(
        self, namespace: str, space_id: str, version: str, embedding: NDArray[np.float32], count: int
    ) -> list[tuple[str, float]] | None:
        """From the vector index, nearest first; None where it is out of reach or lacks much of the space."""
        with self._engine.connect() as connection:
            recorded = architectures.count_in_space(connection, namespace, space_id)
        try:
            # The index follows what is recorded a moment later.
            least = recorded - int(_INDEX_LAG * recorded)
            return self._index.nearest(namespace, space_id, version, embedding, count, least)
        except IndexUnavailable as error:
            logger.warning("vector index unavailable, answering without it: %s", error)
            return None

    def matches(self, namespace: str, space_id: str, nearest: Sequence[tuple[str, float]]) -> list[Match]:
        """The architectures behind fingerprints with distances, with what they reached on each task."""
        fingerprints = [fingerprint for fingerprint, _ in nearest]
        with self._engine.connect() as connection:
            found = self._architectures.of(connection, namespace, space_id, fingerprints)
            results = experiments.best_results(connection, namespace, space_id, fingerprints)
        return [Match(found[name], distance, results[name]) for name, distance in nearest if name in found]
