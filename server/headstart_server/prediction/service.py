"""Predictions of candidates' results from a trained model, the task's own results, or other tasks.

With a few results of the task, predictions rest on the space's model, adapted to them, or without a model on those
results alone. With fewer, they rest on other tasks with the same metric, on an interval as wide as these disagree. A
learning curve joins any of these, or stands alone. Without any of them the service raises FailedPrecondition, because
it never makes up a number.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from headstart.spaces import CanonicalCandidate
from headstart.spaces.validation import InvalidInput, Violation
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures, structural_embedding
from headstart_server.prediction.learning_curves.task_curves import TaskCurves
from headstart_server.prediction.online_evaluation import OnlineEvaluation
from headstart_server.prediction.registry.artefact import ModelUnreadable
from headstart_server.prediction.registry.versions import ModelVersion, serving_version, trained_since
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.serving.embeddings import choose_embedding, model_of_embedding
from headstart_server.prediction.serving.from_model import ModelAnswers
from headstart_server.prediction.serving.recent_embeddings import RecentArchitectures
from headstart_server.prediction.serving.remote import FallbackScorer
from headstart_server.prediction.serving.scorer import LocalScorer, Scorer
from headstart_server.prediction.sources.source_surrogates import SourceSurrogates
from headstart_server.prediction.sources.sources import Sources, SourceScores
from headstart_server.prediction.sources.surrogate import Surrogate
from headstart_server.prediction.task.evidence import Evidence, TaskPredictions, incumbent
from headstart_server.prediction.task.from_records import RecordAnswers
from headstart_server.prediction.task.metric_range import range_of
from headstart_server.prediction.task.predictions import predictions_of
from headstart_server.prediction.task.predictor import Estimates
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.prediction.training import pipeline
from headstart_server.prediction.types import (
    Answer,
    Query,
    unused_inputs,
)
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition, NotFound, Unavailable
from headstart_server.runtime.settings import Settings

# The kind of job that trains a search space.
TRAIN_JOB = "train"

_log = logging.getLogger(__name__)

# Number of queries in a chunk.
_CHUNK = 512

# Number of violations reported at once.
_MOST_VIOLATIONS = 16


class PredictionService:
    """Predictions for candidates of a task. Thread-safe; it scores and adapts in the caller's thread."""

    def __init__(self, engine: Engine, knowledge: KnowledgeService, scorer: Scorer, settings: Settings) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._scorer = scorer
        self._settings = settings
        self._evidence = Evidence(knowledge)
        predictors = TaskPredictors(self._evidence)
        self._models = ServingModels(engine, scorer)
        self._from_model = ModelAnswers(self._evidence, self._models, predictors)
        self._from_records = RecordAnswers(self._evidence, predictors)
        self._sources = Sources(self._evidence, self._models, SourceSurrogates(self._evidence, predictors), predictors)
        self._curves = TaskCurves(knowledge)
        self._recent = RecentArchitectures(self._evidence)
        self.online_evaluation = OnlineEvaluation()

    def prepare(self) -> None:
        """Load the graph kernels, if this process scores, so that the first query does not wait for them."""
        if isinstance(self._scorer, LocalScorer | FallbackScorer):
            self._scorer.kernels()

    def close(self) -> None:
        """Close the connections; no call may follow."""
        self._scorer.close()

    # Predictions

    def predict(
        self, namespace: str, task_id: str, search_space_id: str, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """Predict candidates of a task.

        Raises NotFound for an unknown task or space, and the errors of ``predict_from``.
        """
        observations = self._knowledge.observations(namespace, task_id, search_space_id)
        return self.predict_from(namespace, observations, queries, interval_level)

    def predict_from(
        self, namespace: str, observations: Observations, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """Predict candidates of the task of these observations.

        Raises FailedPrecondition if there are no results to predict from, InvalidInput for a curve beyond the full
        training and for a proxy that no experiment of the space has.
        """
        self._refuse_unknown_proxies(namespace, observations, queries)
        curves = self._curves.predict(namespace, observations, queries, interval_level, incumbent(observations))
        predicted, degraded = self._predict(
            namespace, observations, queries, interval_level, curves.covers(len(queries))
        )
        predictions = curves.predictions(
            None if predicted is None else predictions_of(predicted.estimates), len(queries)
        )
        basis, version = (
            ("no model or results", "") if predicted is None else (predicted.basis, predicted.model_version)
        )
        points = [value for query in queries for _, value in query.learning_curve]
        possible = range_of(observations.task.metric, [*observations.value_range, *points])
        predictions = [possible.clip_prediction(each) for each in predictions]
        answer = Answer(predictions, version, basis + curves.basis + unused_inputs(queries, curves.shortened), degraded)
        self.online_evaluation.remember(namespace, observations, queries, answer, interval_level)
        return answer

    def _predict(
        self, namespace: str, observations: Observations, queries: Sequence[Query], level: float, curves_suffice: bool
    ) -> tuple[TaskPredictions | None, bool]:
        """Predictions from the model or from records, and whether they are degraded by an unavailable model.

        None if only the learning curves can answer; raises FailedPrecondition if they cannot either.
        """
        degraded = False
        version = self._models.of(namespace, observations.search_space_id)
        while version is not None:
            try:
                predicted = _joined(
                    self._from_model.predict(namespace, observations, chunk, level, version)
                    for chunk in _chunks(queries)
                )
            except ModelUnreadable:
                degraded = True
                version = self._models.older_than(version)
                continue
            except (Unavailable, NotFound) as error:
                _log.warning("predicting without model %s: %s", version.name, error)
                degraded = True
                break
            if predicted is not None:
                return predicted, degraded or self._scorer.unavailable
            break
        try:
            predicted = _joined(
                self._from_records.predict(namespace, observations, chunk, level, degraded)
                for chunk in _chunks(queries)
            )
            return predicted, degraded
        except FailedPrecondition:
            if not curves_suffice:
                raise
            return None, degraded

    # Transfer from other tasks

    def model_scores(self, namespace: str, search_space_id: str, fingerprints: Sequence[str]) -> SourceScores | None:
        """Scores of recorded architectures by every task head of the space's model; None without a usable model."""
        return self._sources.model_scores(namespace, search_space_id, fingerprints)

    def surrogate_scores(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], sources: Sequence[Observations]
    ) -> SourceScores | None:
        """Scores of recorded architectures by surrogates of the sources; None if no source has results."""
        return self._sources.surrogate_scores(namespace, search_space_id, fingerprints, sources)

    def surrogate(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> Surrogate:
        """The surrogate for a search on the task of these observations, with any number of results."""
        return self._sources.surrogate(namespace, observations, sources, context)

    def source_weights(
        self, namespace: str, observations: Observations, sources: Sequence[Observations], context: SimilarityContext
    ) -> Mapping[str, float]:
        """The weight of each source given these observations, 0 to 1, by task id."""
        return self._sources.source_weights(namespace, observations, sources, context)

    def features(self, namespace: str, search_space_id: str) -> StructuralFeatures:
        """The structural features of a space. Raises NotFound."""
        return self._evidence.features(namespace, search_space_id)

    # The vector index and its substitute

    def choose_embedding(self, namespace: str, search_space_id: str, present: str | None) -> str:
        """The embedding that the vector index of a space should have; ``present`` is its present one."""
        structural = structural_embedding(feature_layout(self._knowledge.search_space(namespace, search_space_id)))
        with self._engine.connect() as connection:
            return choose_embedding(connection, namespace, search_space_id, present, structural)

    def embed(
        self, namespace: str, search_space_id: str, embedding: str, canonicals: Sequence[CanonicalCandidate]
    ) -> NDArray[np.float32]:
        """Embeddings float32 [n, d]. Raises NotFound for an unknown space or embedding, Unavailable."""
        model = model_of_embedding(namespace, search_space_id, embedding)
        if model is not None:
            return self._scorer.score(model, canonicals).embeddings
        features = self.features(namespace, search_space_id)
        if embedding != features.embedding:
            raise NotFound(f"embedding {embedding!r} is not known to this version", "EMBEDDING_NOT_FOUND")
        return features.vectors(canonicals)

    def nearest_recorded(
        self, namespace: str, search_space_id: str, canonical: CanonicalCandidate, count: int
    ) -> list[tuple[str, float]]:
        """The nearest of the latest recorded architectures by structural embedding, without the vector index.

        Fingerprints with Euclidean distances, nearest first.
        """
        embedding = self.features(namespace, search_space_id).vectors([canonical])[0]
        return self._recent.of(namespace, search_space_id).nearest(embedding, count)

    # Models

    def needs_training(self, namespace: str, search_space_id: str, experiment_count: int) -> bool:
        """Whether a space with this number of experiments is due for training."""
        return bool(self.spaces_to_train({(namespace, search_space_id): experiment_count}))

    def spaces_to_train(self, counts: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
        """The spaces due for training, by namespace and id with their numbers of experiments."""
        return pipeline.spaces_to_train(self._engine, self._settings, counts)

    def trained_since(self, namespace: str, search_space_id: str, moment: datetime) -> bool:
        """Whether a space was trained after a moment, by the database's clock."""
        with self._engine.connect() as connection:
            return trained_since(connection, namespace, search_space_id, moment)

    def train(self, namespace: str, search_space_id: str) -> ModelVersion | None:
        """Train a space on everything recorded; None if that is too little. Raises NotFound."""
        return pipeline.train(self._engine, self._knowledge, self._settings, namespace, search_space_id)

    @property
    def device(self) -> str:
        """The device of the models, as far as this process knows."""
        return self._scorer.device

    def version_name(self, namespace: str, search_space_id: str) -> str:
        """The name of the model version that answers for a space; empty without one."""
        version = self._models.of(namespace, search_space_id)
        return "" if version is None else version.name

    def predictor(self, namespace: str, search_space_id: str) -> ModelVersion:
        """The serving version. Raises NotFound if there is none yet."""
        with self._engine.connect() as connection:
            version = serving_version(connection, namespace, search_space_id)
        if version is None:
            raise NotFound(
                f"search space {search_space_id[:63]!r} has no model yet: the worker trains one from "
                f"{self._settings.training_min_experiments} experiments on",
                reason="PREDICTOR_NOT_FOUND",
            )
        return version

    def _refuse_unknown_proxies(self, namespace: str, observations: Observations, queries: Sequence[Query]) -> None:
        """Raise InvalidInput for unknown proxies: a misspelt name would silently be ignored."""
        known = set(observations.proxy_names)
        if all(query.proxies.keys() <= known for query in queries):
            return
        for other in self._knowledge.tasks_observed(namespace, observations.search_space_id):
            known.update(other.proxy_names)
        problem = f"no experiment in {observations.search_space_id} was recorded with this proxy"
        unknown = [
            Violation(f"queries[{index}].proxies[{name[:63]}]", problem)
            for index, query in enumerate(queries)
            for name in sorted(query.proxies.keys() - known)
        ]
        if unknown:
            raise InvalidInput(unknown[:_MOST_VIOLATIONS])


def _chunks(queries: Sequence[Query]) -> Iterator[Sequence[Query]]:
    """Yield the queries in chunks that take little memory; one empty chunk without queries."""
    for start in range(0, len(queries), _CHUNK) or (0,):
        check()
        yield queries[start : start + _CHUNK]


def _joined(parts: Iterable[TaskPredictions | None]) -> TaskPredictions | None:
    """The predictions of all chunks. Their basis is the same, so None for the first means None for all."""
    collected: list[TaskPredictions] = []
    for part in parts:
        if part is None:
            return None
        collected.append(part)
    return replace(collected[0], estimates=Estimates.joined([part.estimates for part in collected]))
