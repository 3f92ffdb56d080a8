"""The transfer room: a candidate of one task for others."""

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
from headstart_server.prediction.service import PredictionService, Query
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.transfer.adapting import Change, adapt, describe
from headstart_server.transfer.data_shape import data_shape, shape_for_all
from headstart_server.transfer.fine_tuning import FineTuningPlan, fine_tuning_plan
from headstart_server.transfer.multi_task import Numbers, Objective, carried_over, choose, share_beaten
from headstart_server.transfer.transferability import Likeness, Transferability, transferability

INTERVAL_LEVEL = 0.9

# Of each target, so many of the best that were tried there are considered for all.
_BEST_OF_TARGET = 8
# Tasks whose pairs tell what likeness means; pairs grow with their square.
_PAIRED_TASKS = 24
_LEAST_SHARED = 10
# Architectures of the target that a model of the source is asked about.
_MOST_ASKED = 256


@dataclass(frozen=True)
class ForTarget:
    task_id: str
    canonical: CanonicalCandidate
    candidate: Candidate
    changes: tuple[Change, ...]
    transferability: Transferability
    plan: FineTuningPlan


@dataclass(frozen=True)
class ForAll:
    """``expected_ranks`` by target: the share of what was tried there that the candidate is expected to beat."""

    canonical: CanonicalCandidate
    candidate: Candidate
    expected_ranks: Mapping[str, float]
    reason: str


@dataclass(frozen=True)
class Transferred:
    for_targets: list[ForTarget]
    for_all: ForAll | None


class TransferService:
    """Thread-safe; keeps nothing."""

    def __init__(self, knowledge: KnowledgeService, prediction: PredictionService) -> None:
        self._knowledge = knowledge
        self._prediction = prediction

    def transfer(
        self,
        namespace: str,
        space_id: str,
        candidate: Candidate,
        source_id: str,
        target_ids: Sequence[str],
        objective: Objective = Objective.WEIGHTED,
        weights: Mapping[str, float] | None = None,
    ) -> Transferred:
        """Adapted to each target; with several, one for all of them too. Raises NotFound."""
        space = self._knowledge.search_space(namespace, space_id)
        source, others, context = self._knowledge.compared(namespace, source_id, space_id)
        pairs = _known_pairs([source, *others], context)
        targets = [self._knowledge.observations(namespace, task_id, space_id) for task_id in target_ids]
        own = data_shape(source.task.meta_features)
        found = []
        for target in targets:
            check()
            adapted = adapt(space, candidate, own, data_shape(target.task.meta_features))
            likeness = _likeness(target.task, source.task, context)
            told = transferability(self._measured(namespace, source, target), likeness, pairs, INTERVAL_LEVEL)
            canonical = self._knowledge.canonical(namespace, space, adapted.candidate)
            plan = fine_tuning_plan(told.tau, data_shape(target.task.meta_features).instances)
            found.append(ForTarget(target.task.task_id, canonical, adapted.candidate, adapted.changes, told, plan))
        if len(targets) == 1:
            return Transferred(found, None)
        shares = [(weights or {}).get(task_id, 1.0) for task_id in target_ids]
        return Transferred(found, self._for_all(namespace, space, candidate, source, targets, found, objective, shares))

    def _measured(self, namespace: str, source: Observations, target: Observations) -> SimilarityEvidence | None:
        """On architectures tried on both, or on those of the target as a model of the source ranks them, whichever
        are more."""
        shared = measured_agreement(target, source)
        means = target.means
        if len(means.codes) < 3 or not len(source.means.codes):
            return shared
        asked = np.unique(np.linspace(0, len(means.codes) - 1, min(len(means.codes), _MOST_ASKED)).astype(np.int64))
        space_id = target.search_space_id
        told = self._prediction.source_scores(
            namespace,
            space_id,
            target.names.names(means.codes[asked].tolist()),
            lambda wanted: self._knowledge.architectures(namespace, space_id, wanted),
            lambda: [source],
        )
        if told is None or source.task.task_id not in told.task_ids:
            return shared
        scores = told.scores[:, told.task_ids.index(source.task.task_id)]
        heard = np.isfinite(scores)
        if shared is not None and shared.count >= heard.sum():
            return shared
        seen = f"as the results of {source.task.task_id} would rank those of {target.task.task_id}"
        return agreement(means.values[asked][heard], scores[heard], details=(space_id, seen)) or shared

    def _for_all(
        self,
        namespace: str,
        space: SearchSpace,
        candidate: Candidate,
        source: Observations,
        targets: Sequence[Observations],
        found: Sequence[ForTarget],
        objective: Objective,
        weights: Sequence[float],
    ) -> ForAll:
        shape = shape_for_all([data_shape(target.task.meta_features) for target in targets])
        considered = {"the candidate itself": (candidate, data_shape(source.task.meta_features))}
        for each in found:
            considered.setdefault(f"what was adapted to {each.task_id}", (each.candidate, shape))
        for target in targets:
            check()
            best = target.best_indices
            order = np.argsort(-target.values[best] if target.task.maximize else target.values[best], kind="stable")
            names = target.names.names(target.codes[best[order[:_BEST_OF_TARGET]]].tolist())
            recorded = self._knowledge.architectures(namespace, space.search_space_id, names)
            for place, name in enumerate(names, start=1):
                if name in recorded:
                    origin = f"number {place} of {target.task.task_id}"
                    considered.setdefault(origin, (recorded[name].candidate, data_shape(target.task.meta_features)))
        fitted = {origin: adapt(space, each, own, shape) for origin, (each, own) in considered.items()}
        canonicals = [self._knowledge.canonical(namespace, space, each.candidate) for each in fitted.values()]
        queries = [
            Query(candidate=each.candidate, canonical=canonical)
            for each, canonical in zip(fitted.values(), canonicals, strict=True)
        ]
        on_source = self._ranks(namespace, source, queries)
        ranks = np.full((len(queries), len(targets)), 0.5)
        for column, (target, told) in enumerate(zip(targets, found, strict=True)):
            check()
            own_ranks = self._ranks(namespace, target, queries)
            if own_ranks is not None:
                ranks[:, column] = own_ranks
            elif on_source is not None:
                ranks[:, column] = carried_over(on_source, told.transferability.tau)
        place = choose(ranks, weights, objective)
        origin, adapted = list(fitted.items())[place]
        by = "the best on average" if objective is Objective.WEIGHTED else "the best where it is worst"
        if np.all(ranks == ranks[0]):
            # The first of equals is as good as any.
            by = "no worse than another, as nothing tells them apart"
        reason = f"{origin} ({describe(adapted.changes)}): of {len(queries)} considered {by}"
        expected = {target.task.task_id: float(ranks[place, column]) for column, target in enumerate(targets)}
        return ForAll(canonicals[place], adapted.candidate, expected, reason)

    def _ranks(self, namespace: str, task: Observations, queries: Sequence[Query]) -> Numbers | None:
        """The share of what was tried on a task that each candidate is expected to beat; None where nothing tells."""
        known = task.means.values
        if len(known) < 2:
            return None
        try:
            answer = self._prediction.predict_from(namespace, task, queries, INTERVAL_LEVEL)
        except FailedPrecondition:
            return None
        sign = 1.0 if task.task.maximize else -1.0
        return share_beaten(np.array([sign * each.mean for each in answer.predictions]), known)


def _likeness(target: Task, source: Task, context: SimilarityContext) -> Likeness:
    words = by_descriptor(target, source, context.word_weights)
    numbers = by_meta_features(target, [source], context.features)[0]
    told = [each for each in (words, numbers) if each is not None]
    if not told:
        return Likeness(None, "")
    names = {Basis.DESCRIPTOR: "descriptors", Basis.META_FEATURES: "meta-features"}
    return Likeness(sum(each.value for each in told) / len(told), " and ".join(names[each.basis] for each in told))


def _known_pairs(observed: Sequence[Observations], context: SimilarityContext) -> list[tuple[float, float]]:
    """Likeness and measured agreement of pairs of tasks that share enough architectures."""
    most = sorted(observed, key=lambda each: -len(each.means.codes))[:_PAIRED_TASKS]
    pairs = []
    for place, one in enumerate(most):
        check()
        for other in most[:place]:
            shared = measured_agreement(one, other)
            if shared is None or shared.count < _LEAST_SHARED:
                continue
            alike = _likeness(one.task, other.task, context).value
            if alike is not None:
                pairs.append((alike, shared.value))
    return pairs
