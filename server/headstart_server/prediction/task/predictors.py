"""Task predictors, cached, and fitted again when the task has new results or the space a new model.

Hyperparameters are costly, so they are chosen on the first results, up to the last count of ``refits``. They follow
from the recorded results alone and are therefore the same in every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.sizes import bytes_of_canonical
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.refits import last_refit
from headstart_server.prediction.task.evidence import Evidence
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
# Numbers of matrices [n, n] and of copies of the features [n, d] in the members of a predictor.
_MATRICES, _COPIES = 4, 3


class HeadScores(Protocol):
    """The task heads of a model, without those that were trained on the architecture in question."""

    @property
    def tree_heads(self) -> int:
        """The number of columns that the trees score: the last ones. The graph network scores the others."""

    def of(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """Scores [n, heads] of candidates with results."""


@dataclass(frozen=True)
class TaskPredictor:
    """A predictor with the labels that it was fitted to; ``index_of`` gives the index of a label by fingerprint."""

    predictor: AdaptedPredictor
    labels: Labels
    index_of: Mapping[str, int]

    @property
    def completed_count(self) -> int:
        """The number of labels with a value."""
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
    """A predictor with what it was fitted to.

    ``at_refit`` is the predictor of the first observations, from which the hyperparameters are taken. It
    is None if these are all observations, or too few of them completed.
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
    """Predictors by namespace, task, space and model version ("" without a model). Thread-safe."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
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
        self, namespace: str, model_version: str, observations: Observations, head_scores: HeadScores | None
    ) -> TaskPredictor:
        """The predictor fitted to these observations, at least two of whose architectures completed.

        Raises Unavailable if a deletion of a task removed an architecture.
        """
        key = (namespace, observations.task.task_id, observations.search_space_id, model_version)
        cached = self._cache.get(key)
        if cached is not None and cached.observations.values is observations.values:
            return cached.fitted
        labels = self.informative_labels(namespace, observations)
        first = observations.first(last_refit(observations.count))
        at_refit, first_labels = None, None
        if first.count < observations.count:
            at_refit = _still_valid(cached, observations, first.count)
            if at_refit is None:
                first_labels = most_informative(labels_of(first), first.task.maximize)
        fingerprints = {*labels.fingerprints, *(() if first_labels is None else first_labels.fingerprints)}
        candidates = self._candidates(namespace, observations.search_space_id, fingerprints, cached)
        features = self._evidence.features(namespace, observations.search_space_id)
        if first_labels is not None and first_labels.completed_count >= _LEAST_COMPLETED:
            at_refit = _fit(first, first_labels, candidates, features, head_scores, None)
        latest = _fit(observations, labels, candidates, features, head_scores, at_refit)
        self._cache.put(key, latest)
        return latest.fitted

    def _candidates(
        self, namespace: str, search_space_id: str, fingerprints: set[str], cached: _CachedPredictor | None
    ) -> Mapping[str, CanonicalCandidate]:
        """Candidates by fingerprint; those of the predictor before are not read again."""
        known = {} if cached is None else cached.candidates
        missing = fingerprints - known.keys()
        recorded = self._evidence.architectures(namespace, search_space_id, missing) if missing else {}
        return {**known, **{fingerprint: recorded[fingerprint].canonical for fingerprint in missing}}


def _still_valid(cached: _CachedPredictor | None, observations: Observations, count: int) -> _CachedPredictor | None:
    """The cached predictor, or its predecessor, that was fitted to the first ``count`` of these observations."""
    for each in (cached, None if cached is None else cached.at_refit):
        if each is not None and each.observations.count == count and observations.begins_with(each.observations):
            return each
    return None


def _fit(
    observations: Observations,
    labels: Labels,
    candidates: Mapping[str, CanonicalCandidate],
    features: StructuralFeatures,
    head_scores: HeadScores | None,
    at_refit: _CachedPredictor | None,
) -> _CachedPredictor:
    labelled = {fingerprint: candidates[fingerprint] for fingerprint in labels.fingerprints}
    ordered = list(labelled.values())
    vectors = features.vectors(ordered)
    predictor = AdaptedPredictor(
        LabelledArchitectures(
            features=vectors,
            values=labels.values,
            maximize=observations.task.maximize,
            scores=None if head_scores is None else head_scores.of(ordered),
            tree_heads=0 if head_scores is None else head_scores.tree_heads,
            proxies=labels.proxies,
            replicates=labels.replicates,
        ),
        None if at_refit is None else at_refit.fitted.predictor,
    )
    index_of = {fingerprint: index for index, fingerprint in enumerate(labels.fingerprints)}
    return _CachedPredictor(
        observations, TaskPredictor(predictor, labels, index_of), labelled, vectors.shape[1], at_refit
    )
