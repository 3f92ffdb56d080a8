"""Which tasks are like one: the same judgement for a warm start, for a search of tasks, and for an explanation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.tasks import SimilarityEvidence, SimilarTask, compare
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.sources.sources import LazySources
from headstart_server.warm_start.sources import SourceScores, agreements, weigh_sources

# What models of other tasks say is asked of so many of a task's architectures at most: beyond that it is known anyhow.
_MOST_JUDGED = 256
# Without a model so many of the sources are asked, those that count most.
_MOST_ASKED = 16


@dataclass(frozen=True)
class Compared:
    """A task and its sources in a space, the sources by task id, and ``similar``: the same, most similar first."""

    target: Observations
    sources: list[Observations]
    similar: list[SimilarTask]
    context: SimilarityContext


class TaskComparison:
    """Thread-safe; keeps nothing itself."""

    def __init__(self, knowledge: KnowledgeService, prediction: PredictionService) -> None:
        self._knowledge = knowledge
        self._prediction = prediction

    def in_space(self, namespace: str, task_id: str, space_id: str) -> Compared:
        """With the other tasks that have completed experiments in the space. Raises NotFound."""
        target, observed, context = self._knowledge.compared(namespace, task_id, space_id)
        sources = [each for each in observed if len(each.means.codes)]

        @cache
        def by_what_is_known() -> list[SimilarTask]:
            """Without asking any of them."""
            return weigh_sources(target, sources, {}, context)

        def heaviest() -> list[Observations]:
            chosen = {task.task_id for task in by_what_is_known()[:_MOST_ASKED]}
            return [source for source in sources if source.task.task_id in chosen]

        scores = self._source_scores(namespace, target, heaviest) if sources else {}
        similar = weigh_sources(target, sources, scores, context) if scores else by_what_is_known()
        return Compared(target, sources, similar, context)

    def everywhere(self, namespace: str, task_id: str, space_id: str | None) -> list[SimilarTask]:
        """All other tasks of the namespace, most similar first. Raises NotFound.

        Results and profiles are compared in one space, or for each other task in the one that tells most of it.
        """
        stored = self._knowledge.stored_task(namespace, task_id)
        context = self._knowledge.similarity_context(namespace)
        spaces = [space_id] if space_id else [summary.search_space_id for summary in stored.summaries]
        measured: dict[str, SimilarityEvidence] = {}
        profiles: dict[str, SimilarityEvidence] = {}
        for name in spaces:
            target, observed, _ = self._knowledge.compared(namespace, task_id, name)
            if len(target.means.codes):
                sources = [each for each in observed if len(each.means.codes)]
                _keep_best(measured, agreements(target, sources, self._source_scores(namespace, target, list)))
            _keep_best(profiles, context.profiles.agreements(task_id, name))
        others = [task for number, task in context.tasks.items() if number != stored.id]
        return compare(stored.task, others, context.features, context.word_weights, measured, profiles)

    def _source_scores(self, namespace: str, target: Observations, sources: LazySources) -> SourceScores:
        """What each source would say of the architectures completed on the target: by the space's model, or else of
        these sources by what they recorded."""
        codes = target.means.codes
        if not len(codes):
            return {}
        space_id = target.search_space_id
        asked = np.unique(np.linspace(0, len(codes) - 1, min(len(codes), _MOST_JUDGED)).astype(np.int64))
        names = target.names.names(codes[asked].tolist())
        scores = self._prediction.source_scores(
            namespace,
            space_id,
            names,
            lambda wanted: self._knowledge.architectures(namespace, space_id, wanted),
            sources,
        )
        if scores is None:
            return {}
        table = np.full((len(codes), len(scores.task_ids)), np.nan)
        table[asked] = scores.scores
        return {task_id: table[:, column] for column, task_id in enumerate(scores.task_ids)}


def _keep_best(best: dict[str, SimilarityEvidence], found: dict[str, SimilarityEvidence]) -> None:
    for task_id, evidence in found.items():
        if task_id not in best or best[task_id].count < evidence.count:
            best[task_id] = evidence
