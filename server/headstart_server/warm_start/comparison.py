"""Task similarity as warm starts, task search and explanations all use it: one comparison, so they never disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.tasks import SimilarityEvidence, SimilarTask, compare
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.sources.sources import SourceScores
from headstart_server.warm_start.sources import PredictedScores, agreements, weigh_sources

# Architectures of the target that source models score at most: more of them hardly move the agreement.
_MOST_SCORED = 256
# Sources whose surrogates score them where no trained model exists, the heaviest first.
_MOST_SOURCE_SURROGATES = 16


@dataclass(frozen=True)
class ComparedTask:
    """A task and its sources in a space: ``sources`` by task id, ``similar`` the same ones, most similar first."""

    target: Observations
    sources: list[Observations]
    similar: list[SimilarTask]
    context: SimilarityContext


class TaskComparison:
    """Compares a task with the others of its namespace. Thread-safe; stateless."""

    def __init__(self, knowledge: KnowledgeService, prediction: PredictionService) -> None:
        self._knowledge = knowledge
        self._prediction = prediction

    def in_space(self, namespace: str, task_id: str, search_space_id: str) -> ComparedTask:
        """Compare with the other tasks that have completed experiments in the space. Raises NotFound."""
        target, observed, context = self._knowledge.compared(namespace, task_id, search_space_id)
        sources = [each for each in observed if len(each.means.codes)]

        scores = self._model_scores(namespace, target) if sources else {}
        similar = weigh_sources(target, sources, scores, context)
        if sources and not scores:
            heaviest = {task.task_id for task in similar[:_MOST_SOURCE_SURROGATES]}
            chosen = [source for source in sources if source.task.task_id in heaviest]
            scores = self._surrogate_scores(namespace, target, chosen)
            if scores:
                similar = weigh_sources(target, sources, scores, context)
        return ComparedTask(target, sources, similar, context)

    def everywhere(self, namespace: str, task_id: str, search_space_id: str | None) -> list[SimilarTask]:
        """All other tasks of the namespace, most similar first. Raises NotFound.

        Results and profiles are compared in the given space, or else, for each other task, in the space with the most
        evidence.
        """
        stored = self._knowledge.stored_task(namespace, task_id)
        context = self._knowledge.similarity_context(namespace)
        spaces = [search_space_id] if search_space_id else [summary.search_space_id for summary in stored.summaries]
        measured: dict[str, SimilarityEvidence] = {}
        profiles: dict[str, SimilarityEvidence] = {}
        for name in spaces:
            target, observed, _ = self._knowledge.compared(namespace, task_id, name)
            if len(target.means.codes):
                sources = [each for each in observed if len(each.means.codes)]
                _merge_largest(measured, agreements(target, sources, self._model_scores(namespace, target)))
            _merge_largest(profiles, context.profiles.agreements(task_id, name))
        others = [task for number, task in context.tasks.items() if number != stored.id]
        return compare(stored.task, others, context.features, context.word_weights, measured, profiles)

    def _model_scores(self, namespace: str, target: Observations) -> PredictedScores:
        """Scores of the target's completed architectures by the task heads of the space's model."""
        indices, fingerprints = _scored_architectures(target)
        scores = self._prediction.model_scores(namespace, target.search_space_id, fingerprints)
        return _by_task(scores, indices, len(target.means.codes))

    def _surrogate_scores(
        self, namespace: str, target: Observations, sources: Sequence[Observations]
    ) -> PredictedScores:
        """The same scores by surrogates of the sources."""
        indices, fingerprints = _scored_architectures(target)
        scores = self._prediction.surrogate_scores(namespace, target.search_space_id, fingerprints, sources)
        return _by_task(scores, indices, len(target.means.codes))


def _scored_architectures(target: Observations) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Indices and fingerprints of the completed architectures that sources score."""
    codes = target.means.codes
    indices = np.unique(np.linspace(0, len(codes) - 1, min(len(codes), _MOST_SCORED)).astype(np.int64))
    return indices, target.names.names(codes[indices].tolist())


def _by_task(scores: SourceScores | None, indices: NDArray[np.int64], count: int) -> PredictedScores:
    """Scores [count] by task id, NaN beside ``indices``."""
    if scores is None:
        return {}
    table = np.full((count, len(scores.task_ids)), np.nan)
    table[indices] = scores.scores
    return {task_id: table[:, column] for column, task_id in enumerate(scores.task_ids)}


def _merge_largest(merged: dict[str, SimilarityEvidence], added: dict[str, SimilarityEvidence]) -> None:
    """Keep the evidence of each task that rests on the most results."""
    for task_id, evidence in added.items():
        if task_id not in merged or merged[task_id].count < evidence.count:
            merged[task_id] = evidence
