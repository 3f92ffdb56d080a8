"""Scores and surrogates for a task from its source tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.learners.weighted_heads import agreement
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.serving.score_cache import ScoreCache
from headstart_server.prediction.sources.columns import SourceColumns, SourceLearners, SurrogateLearners, TaskHeads
from headstart_server.prediction.sources.leave_one_task_out import LeaveOneTaskOut
from headstart_server.prediction.sources.source_surrogates import SourceSurrogates
from headstart_server.prediction.sources.surrogate import Surrogate
from headstart_server.prediction.sources.surrogate_cache import FittedAverage, SurrogateCache
from headstart_server.prediction.task.evidence import Evidence
from headstart_server.prediction.task.labels import labels_of, most_informative
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.runtime.errors import NotFound, Unavailable

_log = logging.getLogger(__name__)

# Number of cached scores by source surrogates.
_CACHED_SCORES = 20_000
# From this number of results on, a source counts by its measured agreement; before, by its expected one.
ENOUGH_RESULTS = 8


@dataclass(frozen=True)
class SourceScores:
    """Scores float [n, tasks], higher is better, NaN for an architecture that is not recorded any more."""

    task_ids: tuple[str, ...]
    scores: NDArray[np.float64]


class Sources:
    """Scores and surrogates from source tasks. Thread-safe."""

    def __init__(
        self, evidence: Evidence, models: ServingModels, surrogates: SourceSurrogates, predictors: TaskPredictors
    ) -> None:
        self._evidence = evidence
        self._models = models
        self._source_surrogates = surrogates
        self._predictors = predictors
        self._surrogates = SurrogateCache(evidence)
        self._leave_one_out = LeaveOneTaskOut()
        self._score_cache = ScoreCache(_CACHED_SCORES)

    def model_scores(self, namespace: str, search_space_id: str, fingerprints: Sequence[str]) -> SourceScores | None:
        """Scores of recorded architectures by every task head of the space's model; None without a usable model."""
        heads = self._heads(namespace, search_space_id)
        if heads is None:
            return None
        try:
            return self._scores_of_recorded(namespace, search_space_id, fingerprints, heads)
        except (Unavailable, NotFound) as error:
            _log.warning("no source scores from model %s: %s", heads.name, error)
            return None

    def surrogate_scores(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], sources: Sequence[Observations]
    ) -> SourceScores | None:
        """Scores of recorded architectures by surrogates of the sources; None if no source has results."""
        learners = self._surrogate_learners(namespace, search_space_id, sources) if fingerprints else None
        if learners is None or not learners.surrogates:
            return None
        return self._scores_of_recorded(namespace, search_space_id, fingerprints, learners)

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
            _log.warning("the surrogate of %s leaves the model out: %s", observations.search_space_id, error)
            return self._surrogate(namespace, observations, SourceColumns(columns.kinds[:1], columns.expected[:1]))

    def source_weights(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> Mapping[str, float]:
        """The weights of the surrogate's sources by task id, also for the first results of a task."""
        columns = self._columns(namespace, observations, sources, context)
        labels = most_informative(labels_of(observations), observations.task.maximize)
        if len(labels.fingerprints) < ENOUGH_RESULTS:
            return _expected_weights(columns, self._surrogates.fit(namespace, observations, labels, columns))
        scores = columns.scores_of_results(self._surrogates.candidates(namespace, observations, labels))
        return _measured_weights(columns, scores, normal_scores(labels.values, observations.task.maximize))

    def _surrogate(self, namespace: str, observations: Observations, columns: SourceColumns) -> Surrogate:
        labels = self._predictors.informative_labels(namespace, observations)
        fitted = self._surrogates.fitted(namespace, observations, labels, columns)
        if len(labels.fingerprints) < ENOUGH_RESULTS:
            weights = _expected_weights(columns, fitted)
        else:
            weights = _measured_weights(columns, fitted.columns, fitted.targets)
        features = self._evidence.features(namespace, observations.search_space_id)
        return Surrogate(fitted, features, columns, weights)

    def _columns(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> SourceColumns:
        """The columns of the sources' surrogates, and of the space's model if there is one."""
        space_id = observations.search_space_id
        learners = self._surrogate_learners(namespace, space_id, sources)
        if not learners.surrogates:
            return SourceColumns((), ())
        by_task = {source.task.task_id: source.task for source in sources}
        tasks = [by_task[task_id] for task_id in learners.task_ids]
        expected = self._leave_one_out.expected(
            observations.task, tasks, space_id, learners.surrogates, learners.features, context
        )
        heads = self._heads(namespace, space_id)
        if heads is None:
            return SourceColumns((learners,), (expected,))
        return SourceColumns((learners, heads), (expected, expected.for_tasks(learners.task_ids, heads.task_ids)))

    def _surrogate_learners(
        self, namespace: str, search_space_id: str, sources: Sequence[Observations]
    ) -> SurrogateLearners:
        surrogates = self._source_surrogates.of(namespace, sources)
        return SurrogateLearners(surrogates, self._evidence.features(namespace, search_space_id), self._score_cache)

    def _heads(self, namespace: str, search_space_id: str) -> TaskHeads | None:
        version = self._models.of(namespace, search_space_id)
        if version is None:
            return None
        try:
            knowledge = self._models.knowledge(version)
        except (Unavailable, NotFound) as error:
            _log.warning("no task heads of model %s: %s", version.name, error)
            return None
        return TaskHeads(self._models, version, tuple(head.task_id for head in knowledge.tasks))

    def _scores_of_recorded(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], learners: SourceLearners
    ) -> SourceScores | None:
        """Scores by learners, NaN for an architecture that is not recorded any more; None if none is."""
        architectures = self._evidence.knowledge.architectures(namespace, search_space_id, fingerprints)
        known = np.array([fingerprint in architectures for fingerprint in fingerprints], bool)
        if not known.any():
            return None
        rows = np.full((len(fingerprints), len(learners.task_ids)), np.nan)
        rows[known] = learners.scores_of_results(
            [architectures[fingerprint].canonical for fingerprint in fingerprints if fingerprint in architectures]
        )
        return SourceScores(learners.task_ids, rows)


def _expected_weights(columns: SourceColumns, fitted: FittedAverage) -> dict[str, float]:
    """Expected agreement of each source by task id, reduced where the few results contradict it."""
    prior, posterior = columns.prior().weights, fitted.average.weights[1:]
    ratio = np.minimum(1.0, posterior / np.maximum(prior, 1e-300))
    return _best_by_task(columns.task_ids, columns.expected_taus * ratio)


def _measured_weights(columns: SourceColumns, scores: Numbers, targets: Numbers) -> dict[str, float]:
    """The agreement of each source with the results [n] beyond chance, by task id."""
    return _best_by_task(columns.task_ids, agreement(np.nan_to_num(scores), targets))


def _best_by_task(task_ids: Sequence[str], values: Numbers) -> dict[str, float]:
    weights: dict[str, float] = {}
    for task_id, value in zip(task_ids, values.tolist(), strict=True):
        if task_id:
            weights[task_id] = max(weights.get(task_id, 0.0), value)
    return weights
