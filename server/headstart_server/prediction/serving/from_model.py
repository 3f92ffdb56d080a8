"""Predictions of a trained model: adapted to the task's results or, while there are few, from heads of other tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.graph.model import ModelTask
from headstart_server.prediction.registry.versions import ModelVersion
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.task.evidence import (
    ENOUGH_OWN,
    MOST_SOURCES,
    Evidence,
    TaskPredictions,
    few,
    incumbent,
    other_tasks,
)
from headstart_server.prediction.task.from_sources import from_heads
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.prediction.types import Query


@dataclass(frozen=True)
class ModelHeads:
    """The heads of a model version, as ``HeadScores``."""

    models: ServingModels
    version: ModelVersion
    tree_heads: int

    def of(self, candidates: Sequence[CanonicalCandidate]) -> NDArray[np.float64]:
        """Scores [n, heads] of candidates with results. Raises Unavailable, NotFound."""
        return self.models.unseen_scores_of_results(self.version, candidates)


class ModelAnswers:
    """Predictions by the trained model, adapted to a task. Thread-safe."""

    def __init__(self, evidence: Evidence, models: ServingModels, predictors: TaskPredictors) -> None:
        self._evidence = evidence
        self._models = models
        self._predictors = predictors

    def predict(
        self,
        namespace: str,
        observations: Observations,
        queries: Sequence[Query],
        level: float,
        version: ModelVersion,
    ) -> TaskPredictions | None:
        """Predict candidates with a model version; ``level`` is that of the intervals.

        None if the model has no head of a comparable task. Raises Unavailable, NotFound.
        """
        candidates = [query.canonical for query in queries]
        space_id = observations.search_space_id
        knowledge = self._models.knowledge(version)
        heads = knowledge.tasks
        model = f"model {version.name}, trained on {version.training_size} results of {len(heads)} tasks"
        labels = self._predictors.labels(namespace, observations)
        features = self._evidence.features(namespace, space_id)
        scores = self._models.unseen_scores(version, candidates)
        if labels.completed_count >= ENOUGH_OWN:
            heads_of_results = ModelHeads(self._models, version, len(knowledge.tree_tasks))
            fitted = self._predictors.fitted(namespace, version.name, observations, heads_of_results)
            proxies = [query.proxies for query in queries]
            estimates = fitted.predict(candidates, features.vectors(candidates), scores, level, proxies)
            return TaskPredictions(
                estimates, f"{model}, adapted to {fitted.completed_count} of this task", version.name
            )
        # Tasks of heads may have been deleted since the training.
        observed = self._evidence.knowledge.tasks_observed(namespace, space_id)
        present = {other.task.task_id for other in observed}
        chosen = [
            column
            for column, head in enumerate(heads)
            if head.task_id in present and _comparable(head, observations.task)
        ]
        chosen = sorted(chosen, key=lambda column: -heads[column].count)[:MOST_SOURCES]
        if not chosen:
            return None
        estimates = from_heads(
            [heads[column] for column in chosen],
            scores[:, chosen],
            level,
            incumbent(observations),
            observations.task.maximize,
            knowledge.out_of_distribution(features.vectors(candidates)),
        )
        return TaskPredictions(
            estimates, f"{model}; {few(labels.completed_count)}, so {other_tasks(len(chosen))}", version.name
        )


def _comparable(head: ModelTask, task: Task) -> bool:
    return head.task_id != task.task_id and head.metric == task.metric and head.maximize == task.maximize
