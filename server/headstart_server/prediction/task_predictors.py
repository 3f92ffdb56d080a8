"""Keeps every task's adapted predictor, and adapts it again when the task has new results or the space a new model.

Hyperparameters, which are costly, are kept until the task has a tenth more results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations import Observations
from headstart_server.prediction.adaptation import AdaptedPredictor, AnyFloats, Asked, Estimates, Known
from headstart_server.prediction.gaussian_process import Hyperparameters, Numbers
from headstart_server.prediction.labels import Labels, labels_of, most_telling
from headstart_server.prediction.structural_features import StructuralFeatures
from headstart_server.runtime.lru import Lru

# Of a thousand results each holds some tens of megabytes.
_KEPT_PREDICTORS = 96
_KEPT_LABELS = 4096
_GROWTH_BEFORE_REFIT = 1.1


@dataclass(frozen=True)
class UnseenScores:
    """How to get scores [n, heads] of architectures by learners that have not seen their results.

    The last ``tree_heads`` columns are those of the trees, the others those of the graph network.
    """

    of: Callable[[Sequence[CanonicalCandidate]], Numbers]
    tree_heads: int


@dataclass(frozen=True)
class TaskPredictor:
    """A predictor with the labels it was fitted to; ``completed_count`` of them have a value."""

    predictor: AdaptedPredictor
    labels: Labels
    places: Mapping[str, int]

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
        """``proxies`` of each candidate, or of none."""
        places = np.array([self.places.get(candidate.fingerprint, -1) for candidate in candidates], np.int64)
        names = self.labels.proxy_names
        measured = None
        if names and any(proxies):
            measured = np.array([[one.get(name, np.nan) for name in names] for one in proxies], np.float64)
        return self.predictor.predict(Asked(features, scores, measured, places), level)


@dataclass(frozen=True, eq=False)
class _KeptLabels:
    values: Numbers
    all: Labels
    telling: Labels


@dataclass
class _Kept:
    values: Numbers
    fitted: TaskPredictor
    candidates: dict[str, CanonicalCandidate]
    chosen_at: int


class TaskPredictors:
    """By namespace, task, space and learners of the scores: a model version, or "" without any. Thread-safe."""

    def __init__(self) -> None:
        self._kept: Lru[tuple[str, str, str, str], _Kept] = Lru(_KEPT_PREDICTORS)
        self._labels: Lru[tuple[str, str, str], _KeptLabels] = Lru(_KEPT_LABELS)

    def labels(self, namespace: str, observations: Observations) -> Labels:
        """The labels of these observations."""
        return self._labels_of(namespace, observations).all

    def telling_labels(self, namespace: str, observations: Observations) -> Labels:
        """The most telling of them; the same object as long as the observations are the same."""
        return self._labels_of(namespace, observations).telling

    def _labels_of(self, namespace: str, observations: Observations) -> _KeptLabels:
        key = (namespace, observations.task.task_id, observations.search_space_id)
        kept = self._labels.get(key)
        # A task that was deleted and made again has other observations, whatever their number.
        if kept is None or kept.values is not observations.values:
            labels = labels_of(observations)
            kept = _KeptLabels(observations.values, labels, most_telling(labels, observations.task.maximize))
            self._labels.put(key, kept)
        return kept

    def fitted(
        self,
        namespace: str,
        model_version: str,
        observations: Observations,
        architectures: Callable[[Sequence[str]], Mapping[str, Architecture]],
        features: StructuralFeatures,
        unseen_scores: UnseenScores | None,
    ) -> TaskPredictor:
        """The predictor for these observations, of which at least two architectures completed."""
        key = (namespace, observations.task.task_id, observations.search_space_id, model_version)
        kept = self._kept.get(key)
        if kept is not None and kept.values is observations.values:
            return kept.fitted
        kept = _fit(
            kept, self.telling_labels(namespace, observations), observations, architectures, features, unseen_scores
        )
        self._kept.put(key, kept)
        return kept.fitted


def _fit(
    before: _Kept | None,
    labels: Labels,
    observations: Observations,
    architectures: Callable[[Sequence[str]], Mapping[str, Architecture]],
    features: StructuralFeatures,
    unseen_scores: UnseenScores | None,
) -> _Kept:
    canonicals = {} if before is None else before.candidates
    if any(fingerprint not in canonicals for fingerprint in labels.fingerprints):
        recorded = architectures(labels.fingerprints)
        canonicals = {fingerprint: recorded[fingerprint].canonical for fingerprint in labels.fingerprints}
    candidates = [canonicals[fingerprint] for fingerprint in labels.fingerprints]
    scores = None if unseen_scores is None else unseen_scores.of(candidates)
    hyperparameters: Mapping[str, Hyperparameters] = {}
    chosen_at = len(candidates)
    if before is not None and len(candidates) <= _GROWTH_BEFORE_REFIT * before.chosen_at:
        hyperparameters, chosen_at = before.fitted.predictor.hyperparameters, before.chosen_at
    known = Known(
        features=features.vectors(candidates),
        values=labels.values,
        maximize=observations.task.maximize,
        scores=scores,
        tree_heads=unseen_scores.tree_heads if unseen_scores is not None else 0,
        proxies=labels.proxies,
        repeats=labels.repeats,
    )
    predictor = AdaptedPredictor(known, hyperparameters)
    places = {fingerprint: place for place, fingerprint in enumerate(labels.fingerprints)}
    return _Kept(
        observations.values,
        TaskPredictor(predictor, labels, places),
        canonicals,
        chosen_at,
    )
