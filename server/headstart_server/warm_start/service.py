"""Warm start service: candidates to try first, and next, on a task, and the explanation of them.

One surrogate serves from the first proposal on. Before a task has results it rests on past tasks alone; each result
then moves weight to the sources that predicted it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from headstart.spaces import SearchSpace, default_candidate, sample
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.tasks import SimilarTask
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.sources.surrogate import Surrogate
from headstart_server.prediction.types import Query
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.warm_start.candidate_generation import PARENTS, GeneratedCandidate, generate
from headstart_server.warm_start.comparison import ComparedTask, TaskComparison
from headstart_server.warm_start.explanation import explain
from headstart_server.warm_start.exploration_baseline import ExplorationBaseline
from headstart_server.warm_start.gate import Gate, evaluate_gate
from headstart_server.warm_start.proposals import Proposals, new_candidates
from headstart_server.warm_start.ranked_results import RankedResults, Ranking, ranked_results_of
from headstart_server.warm_start.recorded_proposals import RecordedProposals
from headstart_server.warm_start.reservations import Reservations, pending_suggestions
from headstart_server.warm_start.sources import with_surrogate_weights
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS, Origin, PoolMember, Selection, Suggestion
from headstart_server.warm_start.weight_history import WeightPoint, weight_history

# Draws in a row without a new candidate after which the space counts as exhausted.
_FRUITLESS_DRAWS = 300
# Sources whose results the surrogate uses, the heaviest.
_MOST_SOURCES = 16
# Results of sources among the candidates while a task has few of its own, and later; how many of them are mutated.
_FIRST_TRANSFERRED, _TRANSFERRED, _MUTATED = 192, 16, 48
# Past tasks that showed the agreement expected of them; below this a random control joins the suggestions.
_ENOUGH_SUPPORT = 0.25
# Candidates scored for each requested suggestion at least, and in all at most.
_SCORED_EACH, _MOST_SCORED = 4, 1024

INTERVAL_LEVEL = 0.9
EXPLAINED_SUGGESTIONS = 5


@dataclass(frozen=True)
class WarmStart:
    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    model_version: str
    degraded: bool


@dataclass(frozen=True)
class Explanation:
    """The first suggestions, and the reasons in sentences; ``history``: source weights over the task's results."""

    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    text: str
    history: list[WeightPoint]


@dataclass(frozen=True)
class _Transfer:
    """The contribution of past tasks to a task now; ``sources``: the heaviest, which the surrogate uses."""

    compared: ComparedTask
    sources: list[Observations]
    similar: list[SimilarTask]
    gate: Gate
    surrogate: Surrogate

    @property
    def informed(self) -> bool:
        """Whether sources or enough results of the task guide the proposals."""
        return self.gate.open or self.surrogate.count >= ENOUGH_RESULTS


class WarmStartService:
    def __init__(
        self,
        engine: Engine,
        knowledge: KnowledgeService,
        prediction: PredictionService,
        exploration_share: float,
        suggestion_ttl_seconds: float,
    ) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._prediction = prediction
        self._exploration_share = exploration_share
        self._ttl = timedelta(seconds=suggestion_ttl_seconds)
        self.comparison = TaskComparison(knowledge, prediction)
        self.exploration_baseline = ExplorationBaseline()
        # Observations are immutable, so a cached ranking stays valid as long as its object lives.
        self._ranked: WeakKeyDictionary[Observations, RankedResults] = WeakKeyDictionary()

    def propose(
        self,
        namespace: str,
        task_id: str,
        search_space_id: str,
        count: int,
        pool: Sequence[PoolMember] = (),
        exploration_share: float | None = None,
        seed: int | None = None,
    ) -> WarmStart:
        """Suggest up to ``count`` candidates that are neither evaluated nor reserved on this task.

        Fewer if the space or the pool is exhausted. Raises NotFound for an unknown task or space.
        """
        space = self._knowledge.search_space(namespace, search_space_id)
        transfer = self._transfer(namespace, task_id, search_space_id)
        generator = random.Random(seed) if seed is not None else random.Random()
        explorations = self._exploration_count(transfer, count, exploration_share, generator)
        recorded = self._recorded_proposals(namespace, search_space_id, transfer, pool)
        proposals = self._proposals(namespace, space, transfer, recorded, pool, count)
        if exploration_share is not None:
            # The caller's share of random candidates is exact, so no control is added to it.
            proposals = replace(proposals, control=None)

        def select(connection: Connection) -> tuple[list[Suggestion], bool]:
            reservations = Reservations(connection, namespace, task_id, search_space_id)
            # Read again under the lock: results that came in meanwhile must not be suggested either.
            evaluated = self._knowledge.observations(namespace, task_id, search_space_id, connection).fingerprints
            selection = Selection({*evaluated, *reservations.fingerprints()})
            proposals.take(selection, count - explorations)
            recorded.take(selection, count - explorations)
            if pool:
                selection.explore_pool(pool, count, generator)
            elif not space.explicit_graphs:
                self._explore(namespace, space, selection, count, generator)
            reservations.add([suggestion.canonical.fingerprint for suggestion in selection.suggestions], self._ttl)
            return selection.suggestions, reservations.writable

        selected, reserved = run_transaction(self._engine, select)
        target = transfer.compared.target
        self.exploration_baseline.remember(namespace, target.task, search_space_id, selected)
        suggestions, model_version, degraded = self._with_predictions(namespace, target, selected)
        return WarmStart(suggestions, transfer.similar, transfer.gate, model_version, degraded or not reserved)

    def explain(self, namespace: str, task_id: str, search_space_id: str) -> Explanation:
        """Explain what ``propose`` would suggest first, without random draws. Reserves nothing. Raises NotFound."""
        space = self._knowledge.search_space(namespace, search_space_id)
        transfer = self._transfer(namespace, task_id, search_space_id)
        target, similar, gate = transfer.compared.target, transfer.similar, transfer.gate
        with self._engine.connect() as connection:
            pending = pending_suggestions(connection, namespace, task_id, search_space_id)
        selection = Selection({*target.fingerprints, *pending})
        recorded = self._recorded_proposals(namespace, search_space_id, transfer, ())
        proposals = self._proposals(namespace, space, transfer, recorded, (), EXPLAINED_SUGGESTIONS)
        proposals.take(selection, EXPLAINED_SUGGESTIONS)
        recorded.take(selection, EXPLAINED_SUGGESTIONS)
        suggestions, _, _ = self._with_predictions(namespace, target, selection.suggestions)
        text = explain(target, transfer.compared.sources, similar, gate, suggestions[0] if suggestions else None)
        history = weight_history(self._prediction, namespace, transfer.compared, transfer.sources, similar)
        return Explanation(suggestions, similar, gate, text, history)

    # Transfer from past tasks

    def _transfer(self, namespace: str, task_id: str, search_space_id: str) -> _Transfer:
        compared = self.comparison.in_space(namespace, task_id, search_space_id)
        heaviest = {task.task_id for task in compared.similar[:_MOST_SOURCES]}
        sources = [source for source in compared.sources if source.task.task_id in heaviest]
        surrogate = self._prediction.surrogate(namespace, compared.target, sources, compared.context)
        similar = with_surrogate_weights(compared.similar, surrogate.source_weights)
        gate = evaluate_gate(similar, surrogate.count, surrogate.share_of_sources)
        return _Transfer(compared, sources, similar, gate, surrogate)

    # Proposals

    def _exploration_count(self, transfer: _Transfer, count: int, share: float | None, generator: random.Random) -> int:
        """The number of random suggestions; without a share from the caller, 0 before the task has enough results."""
        if share is None:
            share = self._exploration_share if transfer.surrogate.count >= ENOUGH_RESULTS else 0.0
        return _randomly_rounded(count, share, generator)

    def _recorded_proposals(
        self, namespace: str, search_space_id: str, transfer: _Transfer, pool: Sequence[PoolMember]
    ) -> RecordedProposals:
        weights = transfer.gate.weights
        taking_part = [source for source in transfer.compared.sources if source.task.task_id in weights]
        taking_part.sort(key=lambda source: (-weights[source.task.task_id], source.task.task_id))
        by_fingerprint = {member.canonical.fingerprint: member for member in pool}
        among = taking_part[0].names.known(by_fingerprint) if pool and taking_part else None
        weighted = [(self._ranked_results(source), weights[source.task.task_id]) for source in taking_part]
        sources = [source for source, _ in weighted[:_MOST_SOURCES]]
        return RecordedProposals(
            self._knowledge, namespace, search_space_id, Ranking(weighted, among), sources, by_fingerprint
        )

    def _proposals(
        self,
        namespace: str,
        space: SearchSpace,
        transfer: _Transfer,
        recorded: RecordedProposals,
        pool: Sequence[PoolMember],
        count: int,
    ) -> Proposals:
        """Proposals that depend on the task's results alone, so that an explanation shows what will be suggested."""
        surrogate, target = transfer.surrogate, transfer.compared.target
        known = set(target.fingerprints)
        generator = random.Random(f"{target.task.task_id}/{surrogate.count}")
        generated: list[GeneratedCandidate] = []
        if transfer.informed and pool:
            known_evidence = recorded.ranking.evidence_of([member.canonical.fingerprint for member in pool])
            generated = [
                GeneratedCandidate(member.candidate, "of the pool", recorded=bool(evidence))
                for member, evidence in zip(pool, known_evidence, strict=True)
            ]
        elif transfer.informed:
            generated = self._generated(namespace, space, transfer, recorded, count, generator)
        canonicals = [self._knowledge.canonical(namespace, space, each.candidate) for each in generated]
        candidates = new_candidates(generated, canonicals, known)
        scored = surrogate.predict([each.canonical for each in candidates], transfer.gate.open)
        default = None if pool else self._default(namespace, space, known)
        control = self._control(namespace, space, pool, generator) if surrogate.support < _ENOUGH_SUPPORT else None
        return Proposals(candidates, scored, surrogate.sources, recorded.ranking, default, control, surrogate.count)

    def _generated(
        self,
        namespace: str,
        space: SearchSpace,
        transfer: _Transfer,
        recorded: RecordedProposals,
        count: int,
        generator: random.Random,
    ) -> list[GeneratedCandidate]:
        surrogate, target = transfer.surrogate, transfer.compared.target
        known = set(target.fingerprints)
        transferred = recorded.best(known, _FIRST_TRANSFERRED)
        means = surrogate.predict([each.canonical for each in transferred], transfer.gate.open).mean
        most = _FIRST_TRANSFERRED if surrogate.count < ENOUGH_RESULTS else _TRANSFERRED
        best_transferred = [transferred[index].candidate for index in (-means).argsort(kind="stable")[:most].tolist()]
        best = target.best_fingerprints(PARENTS)
        architectures = self._knowledge.architectures(namespace, space.search_space_id, best)
        parents = [architectures[fingerprint].candidate for fingerprint in best if fingerprint in architectures]
        minimum = min(_SCORED_EACH * count, _MOST_SCORED)
        return list(generate(space, parents, best_transferred, _MUTATED, minimum, generator))

    def _control(
        self, namespace: str, space: SearchSpace, pool: Sequence[PoolMember], generator: random.Random
    ) -> Suggestion | None:
        reason = "drawn at random, to see whether what other tasks found good is better here"
        if pool:
            member = generator.choice(pool)
            return Suggestion(member.candidate, member.canonical, Origin.EXPLORATION, reason)
        if space.explicit_graphs:
            return None
        candidate = sample(space, generator)
        return Suggestion(candidate, self._knowledge.canonical(namespace, space, candidate), Origin.EXPLORATION, reason)

    def _default(self, namespace: str, space: SearchSpace, known: set[str]) -> Suggestion | None:
        candidate = default_candidate(space)
        if candidate is None:
            return None
        canonical = self._knowledge.canonical(namespace, space, candidate)
        if canonical.fingerprint in known:
            return None
        return Suggestion(candidate, canonical, Origin.DEFAULT, "the default configuration of the search space")

    def _ranked_results(self, source: Observations) -> RankedResults:
        cached = self._ranked.get(source)
        if cached is None:
            cached = self._ranked[source] = ranked_results_of(source)
        return cached

    def _explore(
        self, namespace: str, space: SearchSpace, selection: Selection, count: int, generator: random.Random
    ) -> None:
        fruitless = 0
        while len(selection) < count and fruitless < _FRUITLESS_DRAWS:
            check()
            candidate = sample(space, generator)
            canonical = self._knowledge.canonical(namespace, space, candidate)
            reason = "drawn at random from the search space"
            fruitless += 1
            if selection.add(Suggestion(candidate, canonical, Origin.EXPLORATION, reason)):
                fruitless = 0

    def _with_predictions(
        self, namespace: str, target: Observations, suggestions: list[Suggestion]
    ) -> tuple[list[Suggestion], str, bool]:
        """Add predictions if the task has evidence for any; also the model version, and whether they are degraded."""
        if not suggestions:
            return suggestions, "", False
        queries = [Query(candidate=s.candidate, canonical=s.canonical) for s in suggestions]
        try:
            answer = self._prediction.predict_from(namespace, target, queries, INTERVAL_LEVEL)
        except FailedPrecondition:
            return suggestions, "", False
        predicted = [
            replace(suggestion, prediction=prediction)
            for suggestion, prediction in zip(suggestions, answer.predictions, strict=True)
        ]
        return predicted, answer.model_version, answer.degraded


def _randomly_rounded(count: int, share: float, generator: random.Random) -> int:
    """The share of a count, rounded at random so that it also holds on average for small counts."""
    exact = count * share
    return int(exact) + (generator.random() < exact - int(exact))
