"""Keeps the model average of each search, and fits it again when the task has new results.

Hyperparameters are those of the first results, up to the count that ``refits`` names, whenever a process was first
asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate, SearchSpace
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.prediction.features.scaling import FeatureScale, scale_of_space
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers, median_distance
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.refits import last_refit
from headstart_server.prediction.sources.model_averaging import KernelParameters, ModelAverage, SourcePrior
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


@dataclass(frozen=True, eq=False)
class Fitted:
    """``columns`` [n, k] are the sources' scores of the results; ``targets`` [n] their normal scores."""

    observations: Observations
    average: ModelAverage
    scale: SpaceScale
    columns: Numbers
    targets: Numbers
    searched_at: int

    @property
    def incumbent(self) -> float:
        """The best result; without any, the score of an average candidate."""
        return float(self.targets.max()) if len(self.targets) else 0.0


class SurrogateCache:
    """Fitted surrogates by namespace, task, space and the name of the sources. Thread-safe."""

    def __init__(self) -> None:
        self._cache: Lru[tuple[str, str, str, str], Fitted] = Lru(
            _CACHED_BYTES, lambda cached: array_bytes(cached.average, cached.columns, cached.targets)
        )
        self._scales: WeakKeyDictionary[StructuralFeatures, SpaceScale] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def fitted(
        self,
        namespace: str,
        sources: str,
        observations: Observations,
        labels: Labels,
        space: SearchSpace,
        features: StructuralFeatures,
        canonicals: Callable[[Labels], Sequence[CanonicalCandidate]],
        columns: Callable[[Sequence[CanonicalCandidate]], Numbers],
        prior: SourcePrior,
    ) -> Fitted:
        """The fit to the labels [n] of these observations, which may be none; ``columns`` [m, k] of candidates."""
        key = (namespace, observations.task.task_id, observations.search_space_id, sources)
        cached = self._cache.get(key)
        # Observations are immutable: a new result makes a new object.
        if cached is not None and cached.observations.values is observations.values:
            return cached
        known = canonicals(labels)
        vectors = features.vectors(known)
        scale = self._scale(space, features, vectors)
        columns_of_results, targets = columns(known), normal_scores(labels.values, observations.task.maximize)

        def average_of(
            some: NDArray[np.floating], columns_of_results: Numbers, targets: Numbers, given: KernelParameters | None
        ) -> ModelAverage:
            return ModelAverage(
                scale.features.scaled(some), np.nan_to_num(columns_of_results), targets, prior, scale.distance, given
            )

        searched_at = last_refit(observations.count)
        hyperparameters = None
        if searched_at < observations.count:
            if (
                cached is not None
                and cached.searched_at == searched_at
                and observations.begins_with(cached.observations)
            ):
                hyperparameters = cached.average.hyperparameters
            else:
                first = observations.first(searched_at)
                few = most_informative(labels_of(first), first.task.maximize)
                if not len(few.fingerprints):
                    # Without results there is nothing to choose by: hyperparameters are searched again with the
                    # first.
                    searched_at = 0
                else:
                    then = canonicals(few)
                    values = normal_scores(few.values, first.task.maximize)
                    hyperparameters = average_of(features.vectors(then), columns(then), values, None).hyperparameters
        average = average_of(vectors, columns_of_results, targets, hyperparameters)
        fitted = Fitted(observations, average, scale, columns_of_results, targets, searched_at)
        self._cache.put(key, fitted)
        return fitted

    def _scale(self, space: SearchSpace, features: StructuralFeatures, vectors: NDArray[np.floating]) -> SpaceScale:
        """The scale of a space that candidates can be drawn from; for explicit graphs, that of the recorded ones."""
        if space.explicit_graphs:
            scale = FeatureScale.of(vectors)
            return SpaceScale(scale, median_distance(scale.scaled(vectors)) if len(vectors) else 1.0)
        with self._lock:
            known = self._scales.get(features)
        if known is None:
            scale, drawn = scale_of_space(space, features)
            known = SpaceScale(scale, median_distance(scale.scaled(drawn)))
            with self._lock:
                self._scales[features] = known
        return known
