"""Scores, surrogates and proposals for a task from its source tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.learners.weighted_heads import agreement
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.serving.score_cache import Score, ScoreCache
from headstart_server.prediction.sources.columns import Learners, SourceColumns
from headstart_server.prediction.sources.leave_one_task_out import LeaveOneTaskOut
from headstart_server.prediction.sources.source_surrogates import SourceSurrogate, SourceSurrogates
from headstart_server.prediction.sources.surrogate import Surrogate
from headstart_server.prediction.sources.surrogate_cache import Fitted, SurrogateCache
from headstart_server.prediction.task.evidence import Evidence
from headstart_server.prediction.task.labels import Labels, labels_of, most_informative
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.runtime.errors import NotFound, Unavailable

_log = logging.getLogger(__name__)

# Number of cached scores by source surrogates.
_CACHED_SCORES = 20_000
# From this number of results on, a source counts by its measured agreement; before, by its expected one.
ENOUGH_RESULTS = 8

# Looks up recorded architectures by fingerprint.
Recorded = Callable[[Sequence[str]], Mapping[str, Architecture]]
# Source tasks, for spaces without a model.
LazySources = Callable[[], Sequence[Observations]]


@dataclass(frozen=True)
class SourceScores:
    """Scores float [n, tasks], higher is better, NaN for an architecture that is not recorded any more.

    ``model_version`` is the model whose heads scored them, by networks trained without the architecture; empty if
    surrogates of the tasks did.
    """

    task_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    model_version: str


class Sources:
    """Scores and surrogates from source tasks. Thread-safe."""

    def __init__(
        self, evidence: Evidence, models: ServingModels, surrogates: SourceSurrogates, predictors: TaskPredictors
    ) -> None:
        self._evidence = evidence
        self._models = models
        self._surrogates = surrogates
        self._predictors = predictors
        self._searches = SurrogateCache()
        self._held_out = LeaveOneTaskOut()
        self._kept_scores = ScoreCache(_CACHED_SCORES)

    def scores(
        self,
        namespace: str,
        search_space_id: str,
        fingerprints: Sequence[str],
        recorded: Recorded,
        sources: LazySources,
    ) -> SourceScores | None:
        """Scores of recorded architectures, given by fingerprint: by every head of the model, or before one exists by
        surrogates of the sources.
        """
        scores_of_model = self._model_scores(namespace, search_space_id, fingerprints, recorded)
        if scores_of_model is not None or not fingerprints:
            return scores_of_model
        surrogates = self._surrogates.of(namespace, sources())
        if not surrogates:
            return None
        ask = self._asking(surrogates, self._evidence.features(namespace, search_space_id))
        scores = _of_recorded(fingerprints, recorded, ask)
        if scores is None:
            return None
        return SourceScores(tuple(each.task_id for each in surrogates), scores, "")

    def surrogate(
        self,
        namespace: str,
        observations: Observations,
        sources: Sequence[Observations],
        context: SimilarityContext,
    ) -> Surrogate:
        """The surrogate for a task with any number of results."""
        columns = self._columns(namespace, observations, sources, context)
        try:
            return self._surrogate(namespace, observations, columns)
        except (Unavailable, NotFound) as error:
            _log.warning("the model of %s has no say: %s", observations.search_space_id, error)
            return self._surrogate(namespace, observations, SourceColumns(columns.kinds[:1], columns.expected[:1]))

    def source_weights(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> Mapping[str, float]:
        """The weights of the surrogate's sources by task id, also for the first results of a task."""
        columns = self._columns(namespace, observations, sources, context)
        labels = most_informative(labels_of(observations), observations.task.maximize)
        if len(labels.fingerprints) < ENOUGH_RESULTS:
            fitted = self._fitted(namespace, observations, labels, columns, SurrogateCache())
            return _expected_weights(columns, fitted)
        scores = columns.scores_of_results(self._canonicals(namespace, observations, labels))
        return _measured_weights(columns, scores, normal_scores(labels.values, observations.task.maximize))

    def _surrogate(self, namespace: str, observations: Observations, columns: SourceColumns) -> Surrogate:
        labels = self._predictors.informative_labels(namespace, observations)
        fitted = self._fitted(namespace, observations, labels, columns, self._searches)
        features = self._evidence.features(namespace, observations.search_space_id)
        few = len(labels.fingerprints) < ENOUGH_RESULTS
        return Surrogate(
            fitted.average,
            len(labels.fingerprints),
            fitted.incumbent,
            _expected_weights(columns, fitted) if few else _measured_weights(columns, fitted.columns, fitted.targets),
            columns.task_ids,
            columns.seen,
            lambda candidates: fitted.scale.features.scaled(features.vectors(candidates)),
            columns.scores,
        )

    def _fitted(
        self,
        namespace: str,
        observations: Observations,
        labels: Labels,
        columns: SourceColumns,
        searches: SurrogateCache,
    ) -> Fitted:
        space_id = observations.search_space_id
        return searches.fitted(
            namespace,
            columns.name,
            observations,
            labels,
            self._evidence.knowledge.search_space(namespace, space_id),
            self._evidence.features(namespace, space_id),
            lambda wanted: self._canonicals(namespace, observations, wanted),
            columns.scores_of_results,
            columns.prior(),
        )

    def _canonicals(self, namespace: str, observations: Observations, labels: Labels) -> list[CanonicalCandidate]:
        """Raises Unavailable if a deletion of a task removed an architecture."""
        recorded = self._evidence.architectures(namespace, observations.search_space_id, labels.fingerprints)
        return [recorded[fingerprint].canonical for fingerprint in labels.fingerprints]

    def _columns(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> SourceColumns:
        """The columns of the sources' surrogates, and of the space's model if there is one."""
        space_id = observations.search_space_id
        features = self._evidence.features(namespace, space_id)
        by_task = {source.task.task_id: source.task for source in sources}
        surrogates = self._surrogates.of(namespace, sources)
        if not surrogates:
            return SourceColumns((), ())
        ask = self._asking(surrogates, features)
        own = Learners(_name(surrogates), tuple(each.task_id for each in surrogates), ask, ask)
        tasks = [by_task[each.task_id] for each in surrogates]
        expected = self._held_out.expected(observations.task, tasks, space_id, surrogates, features, context)
        heads = self._heads(namespace, space_id)
        if heads is None:
            return SourceColumns((own,), (expected,))
        return SourceColumns((own, heads), (expected, expected.of(own.task_ids, heads.task_ids)))

    def _heads(self, namespace: str, space_id: str) -> Learners | None:
        version = self._models.of(namespace, space_id)
        if version is None:
            return None
        try:
            known = self._models.knowledge(version)
        except (Unavailable, NotFound) as error:
            _log.warning("no heads of model %s: %s", version.name, error)
            return None
        task_ids = tuple(head.task_id for head in known.tasks)
        return Learners(
            version.name,
            task_ids,
            lambda candidates: self._models.unseen_scores(version, candidates)[:, : len(task_ids)],
            lambda candidates: self._models.unseen_scores_of_results(version, candidates)[:, : len(task_ids)],
        )

    def _model_scores(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], recorded: Recorded
    ) -> SourceScores | None:
        version = self._models.of(namespace, search_space_id)
        if version is None:
            return None
        try:
            heads = self._models.knowledge(version).tasks
            scores = _of_recorded(
                fingerprints, recorded, lambda canonicals: self._models.unseen_scores_of_results(version, canonicals)
            )
        except (Unavailable, NotFound) as error:
            _log.warning("no source scores from model %s: %s", version.name, error)
            return None
        if scores is None:
            return None
        return SourceScores(tuple(head.task_id for head in heads), scores[:, : len(heads)], version.name)

    def _asking(self, surrogates: Sequence[SourceSurrogate], features: StructuralFeatures) -> Score:
        name = _name(surrogates)
        return lambda candidates: self._kept_scores.of(
            name, candidates, lambda missing: _ask(surrogates, features, missing)
        )


def _expected_weights(columns: SourceColumns, fitted: Fitted) -> dict[str, float]:
    """Expected agreement of each source by task id, reduced by contrary evidence of the few results."""
    prior, posterior = columns.prior().weights, fitted.average.weights[1:]
    ratio = np.minimum(1.0, posterior / np.maximum(prior, 1e-300))
    return _best_of_each(columns.task_ids, columns.expected_taus * ratio)


def _measured_weights(columns: SourceColumns, scores: Numbers, targets: Numbers) -> dict[str, float]:
    """The agreement of each source with the results [n] beyond chance, by task id."""
    return _best_of_each(columns.task_ids, agreement(np.nan_to_num(scores), targets))


def _best_of_each(task_ids: Sequence[str], values: Numbers) -> dict[str, float]:
    weights: dict[str, float] = {}
    for task_id, value in zip(task_ids, values.tolist(), strict=True):
        if task_id:
            weights[task_id] = max(weights.get(task_id, 0.0), value)
    return weights


def _of_recorded(fingerprints: Sequence[str], recorded: Recorded, score: Score) -> Numbers | None:
    """Scores [n, heads], NaN for an architecture that is not recorded any more; None if none is."""
    architectures = recorded(fingerprints)
    known = np.array([name in architectures for name in fingerprints], bool)
    if not known.any():
        return None
    scores = score([architectures[name].canonical for name in fingerprints if name in architectures])
    rows = np.full((len(fingerprints), scores.shape[1]), np.nan)
    rows[known] = scores
    return rows


def _ask(
    surrogates: Sequence[SourceSurrogate], features: StructuralFeatures, candidates: Sequence[CanonicalCandidate]
) -> Numbers:
    vectors: Numbers = features.vectors(candidates).astype(np.float64)
    return np.stack([each.scores(candidates, vectors) for each in surrogates], axis=1)


def _name(surrogates: Sequence[SourceSurrogate]) -> str:
    return "surrogates/" + ",".join(str(each.serial) for each in surrogates)
