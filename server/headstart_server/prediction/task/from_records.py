"""Predictions from recorded results, without a model: those of the task, or those of tasks with the same metric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.task.evidence import (
    ENOUGH_OWN,
    MOST_SOURCES,
    Evidence,
    TaskPredictions,
    few,
    incumbent,
    other_tasks,
    same_objective,
)
from headstart_server.prediction.task.from_sources import SourceNeighbours, from_neighbours
from headstart_server.prediction.task.labels import Labels
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.prediction.types import Query
from headstart_server.runtime.array_bytes import array_bytes
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.runtime.lru import Lru

# Fewest completed architectures with which a task's own results suffice for a prediction.
LEAST_OWN = 2
_LEAST_OF_SOURCE = 5
# Cached bytes of all sources together.
_CACHED_BYTES = 256 * 2**20
# At most this number of architectures of each source is used, and as many failed ones. The spread over sources is far
# wider than their error.
_MOST_OF_SOURCE = 256


class RecordAnswers:
    """Predictions from recorded results, without a trained model. Thread-safe."""

    def __init__(self, evidence: Evidence, predictors: TaskPredictors) -> None:
        self._evidence = evidence
        self._predictors = predictors
        self._cache: Lru[tuple[str, str, str], tuple[Labels, SourceNeighbours]] = Lru(
            _CACHED_BYTES, lambda cached: array_bytes(cached[1])
        )

    def predict(
        self,
        namespace: str,
        observations: Observations,
        queries: Sequence[Query],
        level: float,
        degraded: bool,
    ) -> TaskPredictions:
        """Predict candidates of a task. Raises FailedPrecondition if there are no results to predict from."""
        candidates = [query.canonical for query in queries]
        space_id = observations.search_space_id
        labels = self._predictors.labels(namespace, observations)
        why = "the model is out of reach" if degraded else "no model that could help exists yet"
        sources = [] if labels.completed_count >= ENOUGH_OWN else self._sources(namespace, observations)
        features = self._evidence.features(namespace, space_id)
        neighbours = [self._neighbours(namespace, space_id, features, source) for source in sources]
        usable = [made for made in neighbours if made is not None]
        if usable:
            estimates = from_neighbours(
                usable,
                features.vectors(candidates),
                level,
                incumbent(observations),
                observations.task.maximize,
            )
            return TaskPredictions(
                estimates,
                f"k nearest recorded architectures ({why}); {few(labels.completed_count)}, "
                f"so {other_tasks(len(usable))}",
            )
        if labels.completed_count < LEAST_OWN:
            raise FailedPrecondition(
                f"nothing to predict from: task {observations.task.task_id!r} has {labels.completed_count} completed "
                f"architectures in {space_id!r} (at least {LEAST_OWN} are needed), and no other "
                f"task with {_LEAST_OF_SOURCE} of them there measures {observations.task.metric!r} in its direction",
                reason="NO_EVIDENCE",
            )
        fitted = self._predictors.fitted(namespace, "", observations, None)
        proxies = [query.proxies for query in queries]
        estimates = fitted.predict(candidates, features.vectors(candidates), None, level, proxies)
        made = f"Gaussian process and k nearest of {fitted.completed_count} recorded architectures"
        return TaskPredictions(estimates, f"{made} of this task ({why})")

    def _sources(self, namespace: str, target: Observations) -> list[tuple[Task, Labels]]:
        """Other tasks with the same metric and their labels, those with most results first."""
        sources = []
        for observations in self._evidence.knowledge.tasks_observed(namespace, target.search_space_id):
            task = observations.task
            if task.task_id == target.task.task_id or not same_objective(task, target.task):
                continue
            labels = self._predictors.informative_labels(namespace, observations)
            if labels.completed_count >= _LEAST_OF_SOURCE:
                sources.append((task, labels))
        return sorted(sources, key=lambda source: -len(source[1].fingerprints))[:MOST_SOURCES]

    def _neighbours(
        self, namespace: str, space_id: str, features: StructuralFeatures, source: tuple[Task, Labels]
    ) -> SourceNeighbours | None:
        """The neighbours of one source, cached for each state of its labels; None if too little of it is left."""
        task, labels = source
        key = (namespace, space_id, task.task_id)
        stored = self._cache.get(key)
        if stored is not None and stored[0] is labels:
            return stored[1]
        recorded = self._evidence.knowledge.architectures(namespace, space_id, labels.fingerprints)
        # Architectures that were deleted meanwhile are left out.
        known = [index for index, fingerprint in enumerate(labels.fingerprints) if fingerprint in recorded]
        # Separately, so that failed runs do not crowd out the values of others.
        finite = _thinned([index for index in known if np.isfinite(labels.values[index])])
        if len(finite) < LEAST_OWN:
            return None
        known = sorted(finite + _thinned([index for index in known if not np.isfinite(labels.values[index])]))
        vectors = features.vectors([recorded[labels.fingerprints[index]].canonical for index in known])
        made = SourceNeighbours.of(vectors, labels.values[known], task.maximize)
        self._cache.put(key, (labels, made))
        return made


def _thinned(positions: list[int]) -> list[int]:
    """Evenly spaced indices, at most _MOST_OF_SOURCE."""
    return positions[:: max(1, -(-len(positions) // _MOST_OF_SOURCE))]
