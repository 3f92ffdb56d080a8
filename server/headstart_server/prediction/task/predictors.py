"""Keeps every task's adapted predictor, and adapts it again when the task has new results or the space a new model.

Hyperparameters, which are costly, are those of the first results, up to the count that ``refits`` names: the same in
every process, whenever it was first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.sizes import bytes_of_canonical
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.refits import last_refit
from headstart_server.prediction.task.labels import Labels, labels_of, most_informative
from headstart_server.prediction.task.predictor import (
    AdaptedPredictor,
    AnyFloats,
    Estimates,
    LabelledArchitectures,
    Queries,
)
from headstart_server.runtime.lru import Lru

# With a thousand results each takes some tens of megabytes, more in spaces of wide vectors.
_CACHED_BYTES = 2048 * 2**20
_CACHED_LABELS = 4096
# Fewest results for a fit.
_LEAST_COMPLETED = 2
# Matrices [n, n] and copies of the features [n, d] that the members of a predictor hold together.
_MATRICES, _COPIES = 4, 3


@dataclass(frozen=True)
class UnseenScores:
    """Gives scores [n, heads] of architectures by learners that were trained without their results.

    The last ``tree_heads`` columns are those of the trees, the others those of the graph network.
    """

    of: Callable[[Sequence[CanonicalCandidate]], Numbers]
    tree_heads: int


@dataclass(frozen=True)
class TaskPredictor:
    """A predictor with the labels it was fitted to; ``completed_count`` of them have a value."""

    predictor: AdaptedPredictor
    labels: Labels
    index_of: Mapping[str, int]

    @property
    def completed_count(self) -> int:
        return self.labels.completed_count

    def predict(
        self,
        candidates: Sequence[CanonicalCandidate],
        features: AnyFloats,
        scores: Numbers | None,
        level: float,
        proxies: Sequence[Mapping[str, float]] = (),
    ) -> Estimates:
        """Estimates for candidates; ``proxies`` has one mapping for each candidate, or is empty."""
        indices = np.array([self.index_of.get(candidate.fingerprint, -1) for candidate in candidates], np.int64)
        names = self.labels.proxy_names
        measured = None
        if names and any(proxies):
            measured = np.array([[one.get(name, np.nan) for name in names] for one in proxies], np.float64)
        return self.predictor.predict(Queries(features, scores, measured, indices), level)


@dataclass(frozen=True, eq=False)
class _CachedLabels:
    values: Numbers
    all: Labels
    informative: Labels


@dataclass(frozen=True, eq=False)
class _CachedPredictor:
    """``at_refit`` is the predictor of the first observations, by which hyperparameters were chosen; None if these
    are all observations, or too few of them completed.
    """

    observations: Observations
    fitted: TaskPredictor
    candidates: Mapping[str, CanonicalCandidate]
    width: int
    at_refit: _CachedPredictor | None

    @property
    def nbytes(self) -> int:
        count = len(self.candidates)
        arrays = 8 * count * (_MATRICES * count + _COPIES * self.width)
        own = arrays + sum(map(bytes_of_canonical, self.candidates.values()))
        return own + (0 if self.at_refit is None else self.at_refit.nbytes)


class TaskPredictors:
    """Predictors by namespace, task, space and the learners of the scores: a model version, or "" without one.
    Thread-safe.
    """

    def __init__(self) -> None:
        self._cache: Lru[tuple[str, str, str, str], _CachedPredictor] = Lru(_CACHED_BYTES, lambda cached: cached.nbytes)
        self._labels: Lru[tuple[str, str, str], _CachedLabels] = Lru(_CACHED_LABELS)

    def labels(self, namespace: str, observations: Observations) -> Labels:
        """The labels of these observations."""
        return self._labels_of(namespace, observations).all

    def informative_labels(self, namespace: str, observations: Observations) -> Labels:
        """The most informative labels; the same object while the observations are the same."""
        return self._labels_of(namespace, observations).informative

    def _labels_of(self, namespace: str, observations: Observations) -> _CachedLabels:
        key = (namespace, observations.task.task_id, observations.search_space_id)
        cached = self._labels.get(key)
        # A task that was deleted and created again has other observations, whatever their number.
        if cached is None or cached.values is not observations.values:
            labels = labels_of(observations)
            cached = _CachedLabels(observations.values, labels, most_informative(labels, observations.task.maximize))
            self._labels.put(key, cached)
        return cached

    def fitted(
        self,
        namespace: str,
        model_version: str,
        observations: Observations,
        architectures: Callable[[Sequence[str]], Mapping[str, Architecture]],
        features: StructuralFeatures,
        unseen_scores: UnseenScores | None,
    ) -> TaskPredictor:
        """The predictor fitted to these observations, at least two of whose architectures completed."""
        key = (namespace, observations.task.task_id, observations.search_space_id, model_version)
        cached = self._cache.get(key)
        if cached is not None and cached.observations.values is observations.values:
            return cached.fitted

        def fit(some: Observations, labels: Labels, at_refit: _CachedPredictor | None) -> _CachedPredictor:
            known = {} if cached is None else cached.candidates
            return _fit(known, labels, some, architectures, features, unseen_scores, at_refit)

        at_refit = None
        count = last_refit(observations.count)
        if count < observations.count:
            at_refit = _still_valid(cached, observations, count)
            first = observations.first(count)
            labels = most_informative(labels_of(first), first.task.maximize)
            if at_refit is None and labels.completed_count >= _LEAST_COMPLETED:
                at_refit = fit(first, labels, None)
        made = fit(observations, self.informative_labels(namespace, observations), at_refit)
        self._cache.put(key, made)
        return made.fitted


def _still_valid(stored: _CachedPredictor | None, observations: Observations, count: int) -> _CachedPredictor | None:
    """The cached value if it belongs to the first ``count`` of these observations."""
    for each in (stored, None if stored is None else stored.at_refit):
        if each is not None and each.observations.count == count and observations.begins_with(each.observations):
            return each
    return None


def _fit(
    known: Mapping[str, CanonicalCandidate],
    labels: Labels,
    observations: Observations,
    architectures: Callable[[Sequence[str]], Mapping[str, Architecture]],
    features: StructuralFeatures,
    unseen_scores: UnseenScores | None,
    at_refit: _CachedPredictor | None,
) -> _CachedPredictor:
    if all(fingerprint in known for fingerprint in labels.fingerprints):
        canonicals = {fingerprint: known[fingerprint] for fingerprint in labels.fingerprints}
    else:
        recorded = architectures(labels.fingerprints)
        canonicals = {fingerprint: recorded[fingerprint].canonical for fingerprint in labels.fingerprints}
    candidates = list(canonicals.values())
    vectors = features.vectors(candidates)
    predictor = AdaptedPredictor(
        LabelledArchitectures(
            features=vectors,
            values=labels.values,
            maximize=observations.task.maximize,
            scores=None if unseen_scores is None else unseen_scores.of(candidates),
            tree_heads=unseen_scores.tree_heads if unseen_scores is not None else 0,
            proxies=labels.proxies,
            replicates=labels.replicates,
        ),
        None if at_refit is None else at_refit.fitted.predictor,
    )
    index_of = {fingerprint: index for index, fingerprint in enumerate(labels.fingerprints)}
    return _CachedPredictor(
        observations, TaskPredictor(predictor, labels, index_of), canonicals, vectors.shape[1], at_refit
    )
