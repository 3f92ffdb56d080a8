"""The prediction room: how good candidates will be, from a trained model, recorded neighbours, or other tasks.

It decides what an answer may rest on. With a model and a few results of the task: the model, adapted to them. With
results but no model: those results. With next to no results: tasks that measure the same in the same unit, on an
interval as wide as they disagree. A learning curve joins any of these, or stands alone. With nothing at all it
refuses; a number is never made up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

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
from headstart_server.prediction.serving.remote import FallbackScorer, open_scorer
from headstart_server.prediction.serving.scorer import LocalScorer, Scorer
from headstart_server.prediction.sources.source_surrogates import SourceSurrogates
from headstart_server.prediction.sources.sources import Sources, SourceScores
from headstart_server.prediction.sources.surrogate import ScoredCandidates, Surrogate
from headstart_server.prediction.task.evidence import Evidence, TaskPredictions, incumbent
from headstart_server.prediction.task.from_records import RecordAnswers
from headstart_server.prediction.task.metric_range import range_of
from headstart_server.prediction.task.predictions import predictions_of
from headstart_server.prediction.task.predictor import Estimates
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.prediction.training import pipeline
from headstart_server.prediction.types import (
    Answer,
    CurveForecast,
    MemberPrediction,
    Prediction,
    Query,
    unused_inputs,
)
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition, NotFound, Unavailable
from headstart_server.runtime.settings import Settings

__all__ = [
    "Answer",
    "CurveForecast",
    "MemberPrediction",
    "ModelVersion",
    "Prediction",
    "PredictionService",
    "Query",
    "ScoredCandidates",
    "SourceScores",
    "Surrogate",
    "open_scorer",
]

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
        """Load the graph kernels, if this process scores, so that the first question does not wait for them."""
        if isinstance(self._scorer, LocalScorer | FallbackScorer):
            self._scorer.kernels()

    def close(self) -> None:
        """Close the connections; no question may follow."""
        self._scorer.close()

    # Predictions

    def predict(
        self, namespace: str, task_id: str, search_space_id: str, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """Predict candidates of a task. Raises NotFound for an unknown task or space, FailedPrecondition without any
        results to predict from.
        """
        observations = self._knowledge.observations(namespace, task_id, search_space_id)
        return self.predict_from(namespace, observations, queries, interval_level)

    def predict_from(
        self, namespace: str, observations: Observations, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """Predict candidates of the task of these observations.

        Raises FailedPrecondition without any results to predict from, InvalidInput for a curve beyond the full
        training, and for a proxy that no experiment of the space has.
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
        predictions = [possible.of_prediction(each) for each in predictions]
        answer = Answer(predictions, version, basis + curves.basis + unused_inputs(queries, curves.shortened), degraded)
        self.online_evaluation.remember(namespace, observations, queries, answer, interval_level)
        return answer

    def _predict(
        self, namespace: str, observations: Observations, queries: Sequence[Query], level: float, curves_tell: bool
    ) -> tuple[TaskPredictions | None, bool]:
        """Predictions from the model or from records, and whether a part was out of reach.

        None where only learning curves can answer; raises FailedPrecondition where they cannot either.
        """
        degraded = False
        version = self._models.of(namespace, observations.search_space_id)
        while version is not None:
            try:
                predicted = self._in_chunks(
                    queries, partial(self._from_model.predict, namespace, observations, level=level, version=version)
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
            predicted = self._in_chunks(
                queries, partial(self._from_records.predict, namespace, observations, level=level, degraded=degraded)
            )
            return predicted, degraded
        except FailedPrecondition:
            if not curves_tell:
                raise
            return None, degraded

    @staticmethod
    def _in_chunks(
        queries: Sequence[Query], answer: Callable[[Sequence[Query]], TaskPredictions | None]
    ) -> TaskPredictions | None:
        """Answer queries in chunks that take little memory. All chunks rest on the same, so None for one is None for
        all.
        """
        parts: list[TaskPredictions] = []
        for start in range(0, len(queries), _CHUNK) or (0,):
            check()
            predicted = answer(queries[start : start + _CHUNK])
            if predicted is None:
                return None
            parts.append(predicted)
        return replace(parts[0], estimates=Estimates.joined([part.estimates for part in parts]))

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
        """Train a space on everything recorded; None where there is too little. Raises NotFound."""
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
        """The serving version. Raises NotFound where there is none yet."""
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
