"""Transfer service: adapts a candidate of one task to others, with its transferability and a fine-tuning plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.spaces import Candidate, CanonicalCandidate, SearchSpace
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.tasks import (
    Basis,
    SimilarityEvidence,
    agreement,
    by_descriptor,
    by_meta_features,
    measured_agreement,
)
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.types import Query
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.transfer.adapting import Change, adapt, describe
from headstart_server.transfer.data_shape import data_shape, shape_for_all
from headstart_server.transfer.fine_tuning import FineTuningPlan, fine_tuning_plan
from headstart_server.transfer.multi_task import Numbers, Objective, choose, expected_on_target, share_beaten
from headstart_server.transfer.transferability import TaskSimilarity, Transferability, transferability

INTERVAL_LEVEL = 0.9

# Best architectures of each target that compete for the shared candidate.
_BEST_OF_TARGET = 8
# Tasks whose pairs calibrate similarity; the number of pairs grows with its square.
_PAIRED_TASKS = 24
_LEAST_SHARED = 10
# Architectures of the target that a model of the source scores at most.
_MOST_SCORED = 256


@dataclass(frozen=True)
class TransferredCandidate:
    """A candidate adapted to one target."""

    task_id: str
    canonical: CanonicalCandidate
    candidate: Candidate
    changes: tuple[Change, ...]
    transferability: Transferability
    plan: FineTuningPlan


@dataclass(frozen=True)
class SharedCandidate:
    """One candidate for all targets; ``expected_ranks`` by target: the share of its results that it should beat."""

    canonical: CanonicalCandidate
    candidate: Candidate
    expected_ranks: Mapping[str, float]
    reason: str


@dataclass(frozen=True)
class TransferResult:
    candidates: list[TransferredCandidate]
    shared: SharedCandidate | None


class TransferService:
    """Adapts candidates to target tasks. Thread-safe; stateless."""

    def __init__(self, knowledge: KnowledgeService, prediction: PredictionService) -> None:
        self._knowledge = knowledge
        self._prediction = prediction

    def transfer(
        self,
        namespace: str,
        search_space_id: str,
        candidate: Candidate,
        source_id: str,
        target_ids: Sequence[str],
        objective: Objective = Objective.WEIGHTED,
        weights: Mapping[str, float] | None = None,
    ) -> TransferResult:
        """Adapt the candidate to each target; for several targets, also choose one for all. Raises NotFound."""
        space = self._knowledge.search_space(namespace, search_space_id)
        source, others, context = self._knowledge.compared(namespace, source_id, search_space_id)
        pairs = _known_pairs([source, *others], context)
        targets = [self._knowledge.observations(namespace, task_id, search_space_id) for task_id in target_ids]
        own = data_shape(source.task.meta_features)
        candidates = []
        for target in targets:
            check()
            adapted = adapt(space, candidate, own, data_shape(target.task.meta_features))
            similarity = _task_similarity(target.task, source.task, context)
            measured = self._measured_agreement(namespace, source, target)
            expected = transferability(measured, similarity, pairs, INTERVAL_LEVEL)
            canonical = self._knowledge.canonical(namespace, space, adapted.candidate)
            plan = fine_tuning_plan(expected.tau, data_shape(target.task.meta_features).instances)
            candidates.append(
                TransferredCandidate(target.task.task_id, canonical, adapted.candidate, adapted.changes, expected, plan)
            )
        if len(targets) == 1:
            return TransferResult(candidates, None)
        shares = [(weights or {}).get(task_id, 1.0) for task_id in target_ids]
        shared = self._shared(namespace, space, candidate, source, targets, candidates, objective, shares)
        return TransferResult(candidates, shared)

    def _measured_agreement(
        self, namespace: str, source: Observations, target: Observations
    ) -> SimilarityEvidence | None:
        """Agreement on architectures tried on both tasks, or on those of the target as a model of the source ranks
        them, whichever are more."""
        shared = measured_agreement(target, source)
        means = target.means
        if len(means.codes) < 3 or not len(source.means.codes):
            return shared
        scored = np.unique(np.linspace(0, len(means.codes) - 1, min(len(means.codes), _MOST_SCORED)).astype(np.int64))
        search_space_id = target.search_space_id
        fingerprints = target.names.names(means.codes[scored].tolist())
        predicted = self._prediction.model_scores(namespace, search_space_id, fingerprints)
        if predicted is None:
            predicted = self._prediction.surrogate_scores(namespace, search_space_id, fingerprints, [source])
        if predicted is None or source.task.task_id not in predicted.task_ids:
            return shared
        scores = predicted.scores[:, predicted.task_ids.index(source.task.task_id)]
        known = np.isfinite(scores)
        if shared is not None and shared.count >= known.sum():
            return shared
        method = f"as the results of {source.task.task_id} would rank those of {target.task.task_id}"
        return agreement(means.values[scored][known], scores[known], details=(search_space_id, method)) or shared

    def _shared(
        self,
        namespace: str,
        space: SearchSpace,
        candidate: Candidate,
        source: Observations,
        targets: Sequence[Observations],
        candidates: Sequence[TransferredCandidate],
        objective: Objective,
        weights: Sequence[float],
    ) -> SharedCandidate:
        shape = shape_for_all([data_shape(target.task.meta_features) for target in targets])
        considered = {"the candidate itself": (candidate, data_shape(source.task.meta_features))}
        for each in candidates:
            considered.setdefault(f"what was adapted to {each.task_id}", (each.candidate, shape))
        for target in targets:
            check()
            fingerprints = target.best_fingerprints(_BEST_OF_TARGET)
            recorded = self._knowledge.architectures(namespace, space.search_space_id, fingerprints)
            for rank, fingerprint in enumerate(fingerprints, start=1):
                if fingerprint in recorded:
                    origin = f"number {rank} of {target.task.task_id}"
                    considered.setdefault(
                        origin, (recorded[fingerprint].candidate, data_shape(target.task.meta_features))
                    )
        fitted = {origin: adapt(space, each, own, shape) for origin, (each, own) in considered.items()}
        canonicals = [self._knowledge.canonical(namespace, space, each.candidate) for each in fitted.values()]
        queries = [
            Query(candidate=each.candidate, canonical=canonical)
            for each, canonical in zip(fitted.values(), canonicals, strict=True)
        ]
        on_source = self._ranks(namespace, source, queries)
        ranks = np.full((len(queries), len(targets)), 0.5)
        for column, (target, transferred) in enumerate(zip(targets, candidates, strict=True)):
            check()
            own_ranks = self._ranks(namespace, target, queries)
            if own_ranks is not None:
                ranks[:, column] = own_ranks
            elif on_source is not None:
                ranks[:, column] = expected_on_target(on_source, transferred.transferability.tau)
        chosen = choose(ranks, weights, objective)
        origin, adapted = list(fitted.items())[chosen]
        by = "the best on average" if objective is Objective.WEIGHTED else "the best where it is worst"
        if np.all(ranks == ranks[0]):
            by = "no worse than another, as nothing tells them apart"
        reason = f"{origin} ({describe(adapted.changes)}): of {len(queries)} considered {by}"
        expected = {target.task.task_id: float(ranks[chosen, column]) for column, target in enumerate(targets)}
        return SharedCandidate(canonicals[chosen], adapted.candidate, expected, reason)

    def _ranks(self, namespace: str, task: Observations, queries: Sequence[Query]) -> Numbers | None:
        """The share of a task's results that each candidate is expected to beat; None if nothing can be predicted."""
        known = task.means.values
        if len(known) < 2:
            return None
        try:
            answer = self._prediction.predict_from(namespace, task, queries, INTERVAL_LEVEL)
        except FailedPrecondition:
            return None
        sign = 1.0 if task.task.maximize else -1.0
        return share_beaten(np.array([sign * each.mean for each in answer.predictions]), known)


def _task_similarity(target: Task, source: Task, context: SimilarityContext) -> TaskSimilarity:
    words = by_descriptor(target, source, context.word_weights)
    numbers = by_meta_features(target, [source], context.features)[0]
    evidence = [each for each in (words, numbers) if each is not None]
    if not evidence:
        return TaskSimilarity(None, "")
    names = {Basis.DESCRIPTOR: "descriptors", Basis.META_FEATURES: "meta-features"}
    mean = sum(each.value for each in evidence) / len(evidence)
    return TaskSimilarity(mean, " and ".join(names[each.basis] for each in evidence))


def _known_pairs(observed: Sequence[Observations], context: SimilarityContext) -> list[tuple[float, float]]:
    """Similarity and measured agreement of pairs of tasks that share enough architectures."""
    most = sorted(observed, key=lambda each: -len(each.means.codes))[:_PAIRED_TASKS]
    pairs = []
    for index, one in enumerate(most):
        check()
        for other in most[:index]:
            shared = measured_agreement(one, other)
            if shared is None or shared.count < _LEAST_SHARED:
                continue
            similarity = _task_similarity(one.task, other.task, context).value
            if similarity is not None:
                pairs.append((similarity, shared.value))
    return pairs
