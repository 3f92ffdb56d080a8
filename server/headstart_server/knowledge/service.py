"""The knowledge room: search spaces, tasks, experiments, and what is like what.

Methods that change something take the connection of the caller's transaction; those that read open their own. All of
them block.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select

from headstart.spaces import Candidate, CanonicalCandidate, SearchSpace, candidate_violations, canonicalize
from headstart.spaces.validation import require
from headstart_server.knowledge import architectures, search_spaces, tables, tasks
from headstart_server.knowledge.architectures import Architecture, ArchitectureCache
from headstart_server.knowledge.experiments import listing, recording
from headstart_server.knowledge.experiments import reading as experiments
from headstart_server.knowledge.observations.learning_curves import CurveCache, RecordedCurve
from headstart_server.knowledge.observations.observations import ObservationCache, Observations
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.similarity.context import SimilarityContext, SimilarityContextCache
from headstart_server.knowledge.sizes import bytes_of_canonical, bytes_of_space, bytes_of_values
from headstart_server.knowledge.vector_index import outbox
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.knowledge.vector_index.indexer import Choose, Embed, VectorKeeper
from headstart_server.knowledge.vector_index.search import VectorSearch
from headstart_server.runtime.database.jobs import Job, enqueue
from headstart_server.runtime.deadline import check
from headstart_server.runtime.lru import Lru

# The kind of job that computes the clusters and the map of a namespace again.
MAP_JOB = "map"

# Cached bytes of canonical forms, and of declarations.
_CANONICAL_BYTES = 64 * 2**20
_SPACES_BYTES = 64 * 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Match:
    """A recorded architecture near a candidate; with ``upper_bound`` the true distance may be smaller."""

    architecture: Architecture
    distance: float
    results: list[experiments.Result]
    upper_bound: bool = False


class KnowledgeService:
    def __init__(self, engine: Engine, index: ArchitectureIndex) -> None:
        self._engine = engine
        self._index = index
        self.vectors = VectorSearch(engine, index)
        self._observations = ObservationCache()
        self._curves = CurveCache()
        self._contexts = SimilarityContextCache()
        self._architectures = ArchitectureCache()
        self._spaces: Lru[tuple[str, str], SearchSpace] = Lru(_SPACES_BYTES, bytes_of_space)
        # With the bytes of the values that are its key.
        self._canonical: Lru[Hashable, tuple[CanonicalCandidate, int]] = Lru(
            _CANONICAL_BYTES, lambda cached: bytes_of_canonical(cached[0]) + cached[1]
        )
        self.listeners: list[recording.Listener] = []

    @contextmanager
    def _reading(self, connection: Connection | None) -> Iterator[Connection]:
        """The caller's connection, or a new one."""
        if connection is not None:
            yield connection
            return
        with self._engine.connect() as own:
            yield own

    # Search spaces

    def create_search_space(
        self, connection: Connection, namespace: str, space: SearchSpace
    ) -> search_spaces.StoredSpace:
        """Raises AlreadyExists for other content under the same id."""
        return search_spaces.create_search_space(connection, namespace, space)

    def search_space(self, namespace: str, search_space_id: str) -> SearchSpace:
        """Raises NotFound."""
        key = (namespace, search_space_id)
        space = self._spaces.get(key)
        if space is None:
            space = self._spaces.setdefault(key, self.stored_search_space(namespace, search_space_id).space)
        return space

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
        """The canonical form of a candidate. Raises InvalidInput with the field.

        Raises DeadlinePassed, and NotQuick, as ``deadline.check`` does.
        """
        if candidate.graph is not None:
            check()
            require(candidate_violations(space, candidate, field))
            return canonicalize(space, candidate, check)
        # Values of different types can be equal (1, True), so the type is part of the key.
        values = tuple((name, type(value), value) for name, value in sorted(candidate.values.items()))
        key = (namespace, space.search_space_id, values)
        cached = self._canonical.get(key)
        if cached is not None:
            return cached[0]
        check()
        require(candidate_violations(space, candidate, field))
        canonical_form = canonicalize(space, candidate, check)
        self._canonical.put(key, (canonical_form, bytes_of_values(candidate.values)))
        return canonical_form

    # Tasks

    def create_task(self, connection: Connection, namespace: str, task: tasks.Task) -> tasks.StoredTask:
        """Raises AlreadyExists for other content under the same id."""
        return tasks.create_task(connection, namespace, task)

    def update_task(self, connection: Connection, namespace: str, task: tasks.Task) -> tasks.StoredTask:
        """Raises NotFound, FailedPrecondition."""
        return tasks.update_task(connection, namespace, task)

    def delete_task(self, connection: Connection, namespace: str, task_id: str) -> int:
        """Returns the number of experiments removed with it. Raises NotFound."""
        removed = tasks.delete_task(connection, namespace, task_id)
        # Nothing of the task remains that would notify the worker.
        enqueue(connection, Job(MAP_JOB, namespace, ""))
        return removed

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

    def similarity_context(self, namespace: str) -> SimilarityContext:
        """The similarity context of a namespace."""
        with self._engine.connect() as connection:
            return self._contexts.of(connection, namespace)

    # Experiments

    def record(
        self, connection: Connection, namespace: str, records: Sequence[NewExperiment]
    ) -> list[recording.Recorded]:
        """Store validated results exactly once. Raises NotFound, AlreadyExists."""
        return recording.record(connection, namespace, records, self.listeners)

    def record_each(
        self, connection: Connection, namespace: str, records: Sequence[NewExperiment], wait: bool = True
    ) -> list[recording.Answer]:
        """The same for records of many callers: an error concerns its own record only.

        Without ``wait``, None for records that would have to wait for another transaction.
        """
        return recording.record_each(connection, namespace, records, self.listeners, wait)

    def record_all(self, connection: Connection, namespace: str, records: Sequence[NewExperiment]) -> list[bool]:
        """The same, but answers only whether each was known already. Raises NotFound, AlreadyExists."""
        return recording.record_all(connection, namespace, records, self.listeners)

    def experiment(self, namespace: str, task_id: str, space_id: str, sequence: int) -> experiments.Experiment:
        """Raises NotFound."""
        with self._engine.connect() as connection:
            tasks.find_task(connection, namespace, task_id)
            search_spaces.find_search_space(connection, namespace, space_id)
            return experiments.get_experiment(connection, namespace, task_id, space_id, sequence)

    def list_experiments(
        self, namespace: str, query: listing.ExperimentQuery, after: listing.Key | None = None
    ) -> Iterator[listing.Listed]:
        """The experiments after a key, read on demand. Raises NotFound for an unknown task or space."""
        with self._engine.connect() as connection:
            yield from listing.list_experiments(connection, namespace, query, after)

    def observations(
        self, namespace: str, task_id: str, search_space_id: str, connection: Connection | None = None
    ) -> Observations:
        """The observations of a task in a space. Raises NotFound for an unknown task or space."""
        self.search_space(namespace, search_space_id)
        with self._reading(connection) as reading:
            observed = self._observations.of_task(reading, namespace, task_id, search_space_id)
        if observed is None:
            raise tasks.not_found(task_id)
        return observed

    def tasks_observed(
        self, namespace: str, search_space_id: str, connection: Connection | None = None
    ) -> list[Observations]:
        """Every task with at least one experiment in the space, by task id."""
        with self._reading(connection) as reading:
            return self._observations.of_space(reading, namespace, search_space_id)

    def curves(self, namespace: str, observed: Sequence[Observations]) -> list[tuple[RecordedCurve, ...]]:
        """The recorded learning curves of each of these observations, the newest last."""
        cached = [self._curves.cached(namespace, observations) for observations in observed]
        if all(curves is not None for curves in cached):
            return [curves for curves in cached if curves is not None]
        with self._engine.connect() as connection:
            return [self._curves.of(connection, namespace, observations) for observations in observed]

    def compared(
        self, namespace: str, task_id: str, search_space_id: str
    ) -> tuple[Observations, list[Observations], SimilarityContext]:
        """The observations of a task, of every other task with experiments in the space, and the similarity context.

        Raises NotFound for an unknown task or space.
        """
        with self._engine.connect() as connection:
            target = self.observations(namespace, task_id, search_space_id, connection)
            observed = self.tasks_observed(namespace, search_space_id, connection)
            context = self._contexts.of(connection, namespace)
        return target, [each for each in observed if each.task.task_id != task_id], context

    def architectures(
        self, namespace: str, search_space_id: str, fingerprints: Iterable[str] | None = None
    ) -> Mapping[str, Architecture]:
        """At least the recorded ones among ``fingerprints``, by fingerprint; without it all of the present tasks.

        Callers with observations pass their fingerprints, because the task may be deleted meanwhile.
        """
        if fingerprints is None:
            observed = self.tasks_observed(namespace, search_space_id)
            fingerprints = set().union(*(observations.fingerprints for observations in observed))
        return self._architectures.of(self._engine, namespace, search_space_id, fingerprints)

    def search_spaces_by_growth(self) -> list[tuple[str, str, int]]:
        """Namespace, search space id and number of experiments of every space with any."""
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

    def vector_keeper(self, embed: Embed, choose: Choose) -> VectorKeeper:
        """The part of a worker that maintains the vector index."""
        return VectorKeeper(self._engine, self._index, embed, choose)

    def outbox_depth(self) -> int:
        with self._engine.connect() as connection:
            return outbox.waiting_count(connection)

    def outbox_lag_seconds(self) -> float:
        with self._engine.connect() as connection:
            return outbox.waiting_seconds(connection)

    def newest_architectures(
        self, namespace: str, search_space_id: str, after: int, limit: int
    ) -> list[tuple[int, Architecture]]:
        """The last recorded architectures of a space with their numbers, newest first, down to the one after
        ``after``.
        """
        with self._engine.connect() as connection:
            return outbox.newest_architectures(connection, namespace, search_space_id, after, limit)

    def recorded_architectures(
        self, namespace: str, space_id: str, fingerprints: Iterable[str]
    ) -> Mapping[str, Architecture]:
        """The recorded architectures among ``fingerprints``."""
        with self._engine.connect() as connection:
            return architectures.read_architectures(connection, namespace, space_id, fingerprints)

    def matches(self, namespace: str, space_id: str, nearest: Sequence[tuple[str, float]]) -> list[Match]:
        """The architectures of fingerprints with distances, with their results on each task."""
        fingerprints = [fingerprint for fingerprint, _ in nearest]
        with self._engine.connect() as connection:
            numbered = architectures.numbered_architectures(connection, namespace, space_id, fingerprints)
            numbers = {fingerprint: number for fingerprint, (number, _) in numbered.items()}
            results = experiments.best_results(connection, space_id, numbers)
        return [Match(numbered[name][1], distance, results[name]) for name, distance in nearest if name in numbered]
