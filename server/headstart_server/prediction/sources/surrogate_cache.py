"""The surrogate cache: the model average of each task, fitted again when the task has new results.

Hyperparameters are chosen on the first results, up to the count that ``refits`` names. A fit therefore depends on the
results alone, not on the first request to a process.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.prediction.features.scaling import FeatureScale, scale_of_space
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers, median_distance
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.refits import last_refit
from headstart_server.prediction.sources.columns import SourceColumns
from headstart_server.prediction.sources.model_averaging import KernelParameters, ModelAverage
from headstart_server.prediction.task.evidence import Evidence
from headstart_server.prediction.task.labels import Labels, labels_of, most_informative
from headstart_server.runtime.array_bytes import array_bytes
from headstart_server.runtime.lru import Lru

# With a thousand results each takes some ten megabytes, more in spaces of wide vectors.
_CACHED_BYTES = 1024 * 2**20


@dataclass(frozen=True, eq=False)
class SpaceScale:
    """The common scale of a space's features, and the median ``distance`` of its candidates on it."""

    features: FeatureScale
    distance: float

    def scaled(self, vectors: NDArray[np.floating]) -> Numbers:
        """Features [m, d] on the scale."""
        return self.features.scaled(vectors)


@dataclass(frozen=True, eq=False)
class FittedAverage:
    """A model average with the data that it was fitted to.

    ``columns`` [n, k] are the source scores of the results, ``targets`` [n] the normal scores of the results.
    ``refit_at`` is the number of experiments that the hyperparameters were chosen on.
    """

    observations: Observations
    average: ModelAverage
    scale: SpaceScale
    columns: Numbers
    targets: Numbers
    refit_at: int

    @property
    def incumbent(self) -> float:
        """The best target; without results, the score of an average candidate."""
        return float(self.targets.max()) if len(self.targets) else 0.0


class SurrogateCache:
    """Fitted averages by namespace, task, space and the name of the sources. Thread-safe."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._cache: Lru[tuple[str, str, str, str], FittedAverage] = Lru(
            _CACHED_BYTES, lambda cached: array_bytes(cached.average, cached.columns, cached.targets)
        )
        self._scales: WeakKeyDictionary[StructuralFeatures, SpaceScale] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def fitted(
        self, namespace: str, observations: Observations, labels: Labels, columns: SourceColumns
    ) -> FittedAverage:
        """The cached or new fit to the labels [n] of these observations; n may be 0.

        Raises Unavailable if a deletion of a task removed an architecture.
        """
        key = (namespace, observations.task.task_id, observations.search_space_id, columns.name)
        cached = self._cache.get(key)
        # Observations are immutable: a new result makes a new object.
        if cached is not None and cached.observations.values is observations.values:
            return cached
        fitted = self.fit(namespace, observations, labels, columns, cached)
        self._cache.put(key, fitted)
        return fitted

    def fit(
        self,
        namespace: str,
        observations: Observations,
        labels: Labels,
        columns: SourceColumns,
        before: FittedAverage | None = None,
    ) -> FittedAverage:
        """A new fit, which is not cached; hyperparameters of ``before`` are used while they are due."""
        candidates = self.candidates(namespace, observations, labels)
        features = self._evidence.features(namespace, observations.search_space_id)
        vectors = features.vectors(candidates)
        scale = self._scale(namespace, observations.search_space_id, features, vectors)
        scores = columns.scores_of_results(candidates)
        targets = normal_scores(labels.values, observations.task.maximize)
        refit_at = last_refit(observations.count)
        hyperparameters = None
        if refit_at < observations.count:
            if before is not None and before.refit_at == refit_at and observations.begins_with(before.observations):
                hyperparameters = before.average.hyperparameters
            else:
                hyperparameters = self._chosen_on(namespace, observations.first(refit_at), columns, features, scale)
                if hyperparameters is None:
                    # The first experiments gave no result to choose by: the next fit chooses again.
                    refit_at = 0
        average = _average(scale, vectors, scores, targets, columns, hyperparameters)
        return FittedAverage(observations, average, scale, scores, targets, refit_at)

    def candidates(self, namespace: str, observations: Observations, labels: Labels) -> list[CanonicalCandidate]:
        """The architectures of labels. Raises Unavailable if a deletion of a task removed one."""
        recorded = self._evidence.architectures(namespace, observations.search_space_id, labels.fingerprints)
        return [recorded[fingerprint].canonical for fingerprint in labels.fingerprints]

    def _chosen_on(
        self,
        namespace: str,
        observations: Observations,
        columns: SourceColumns,
        features: StructuralFeatures,
        scale: SpaceScale,
    ) -> KernelParameters | None:
        """The hyperparameters that these observations choose; None if they have no results."""
        labels = most_informative(labels_of(observations), observations.task.maximize)
        if not len(labels.fingerprints):
            return None
        candidates = self.candidates(namespace, observations, labels)
        targets = normal_scores(labels.values, observations.task.maximize)
        scores = columns.scores_of_results(candidates)
        return _average(scale, features.vectors(candidates), scores, targets, columns, None).hyperparameters

    def _scale(
        self, namespace: str, search_space_id: str, features: StructuralFeatures, vectors: NDArray[np.floating]
    ) -> SpaceScale:
        """The scale of random candidates of a space; for explicit graphs, that of the recorded ones."""
        space = self._evidence.knowledge.search_space(namespace, search_space_id)
        if space.explicit_graphs:
            scale = FeatureScale.of(vectors)
            return SpaceScale(scale, median_distance(scale.scaled(vectors)) if len(vectors) else 1.0)
        with self._lock:
            cached = self._scales.get(features)
        if cached is None:
            scale, drawn = scale_of_space(space, features)
            cached = SpaceScale(scale, median_distance(scale.scaled(drawn)))
            with self._lock:
                self._scales[features] = cached
        return cached


def _average(
    scale: SpaceScale,
    vectors: NDArray[np.floating],
    scores: Numbers,
    targets: Numbers,
    columns: SourceColumns,
    hyperparameters: KernelParameters | None,
) -> ModelAverage:
    return ModelAverage(
        scale.scaled(vectors), np.nan_to_num(scores), targets, columns.prior(), scale.distance, hyperparameters
    )
