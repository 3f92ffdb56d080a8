"""The warm start domain: what to try first, and next, on a task.

One surrogate answers from the first proposal on: before a task has results it is what past tasks promise, and each
result moves its weight to those that told it in advance.
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
from headstart_server.prediction.service import PredictionService, Query, Surrogate
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.deadline import check
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.warm_start.candidate_generation import PARENTS, Generated, generate
from headstart_server.warm_start.comparison import Compared, TaskComparison
from headstart_server.warm_start.explanation import explain
from headstart_server.warm_start.gate import Gate, judge
from headstart_server.warm_start.live_comparison import LiveComparison
from headstart_server.warm_start.proposals import Proposals, new_candidates
from headstart_server.warm_start.ranked_results import RankedResults, Ranking, ranked_results_of
from headstart_server.warm_start.recent import RecentSuggestions, pending_suggestions
from headstart_server.warm_start.recorded_proposals import RecordedProposals
from headstart_server.warm_start.sources import expected_weights
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS, Choice, LookUp, Origin, PoolMember, Suggestion
from headstart_server.warm_start.weight_history import WeightPoint, weight_history

# Draws in a row that bring nothing new, after which the space counts as exhausted.
_FRUITLESS_DRAWS = 300
# Of so many sources, the heaviest, the results lead a search.
_MOST_SOURCES = 16
# Results of sources among the candidates while a task has few of its own, and later; how many of them are changed.
_FIRST_TRANSFERRED, _TRANSFERRED, _CHANGED = 192, 16, 48
# Past tasks that showed their agreement, without which a random candidate is compared with what they promise.
_ENOUGH_SEEN = 0.25
# Judged for each suggestion asked for, at least, and in all at most.
_JUDGED_EACH, _MOST_JUDGED = 4, 1024

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
    """What would be suggested first, and why, in sentences; ``history``: how much each source counted when."""

    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    text: str
    history: list[WeightPoint]


@dataclass(frozen=True)
class _Judgement:
    """What the past means for a task as it stands; ``sources``: the heaviest, which the surrogate rests on."""

    compared: Compared
    sources: list[Observations]
    similar: list[SimilarTask]
    gate: Gate
    surrogate: Surrogate

    @property
    def informed(self) -> bool:
        """Whether there is anything to go by."""
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
        self.live_comparison = LiveComparison()
        # Observations are replaced, never changed: the same object has the same ranks, and goes with its task.
        self._ranked: WeakKeyDictionary[Observations, RankedResults] = WeakKeyDictionary()

    def propose(
        self,
        namespace: str,
        task_id: str,
        space_id: str,
        count: int,
        pool: Sequence[PoolMember] = (),
        exploration_share: float | None = None,
        seed: int | None = None,
    ) -> WarmStart:
        """Up to ``count`` candidates that were neither evaluated nor suggested lately on this task.

        Fewer where the space or the pool is exhausted. Raises NotFound for an unknown task or space.
        """
        space = self._knowledge.search_space(namespace, space_id)
        judgement = self._judge(namespace, task_id, space_id)
        generator = random.Random(seed) if seed is not None else random.Random()
        explorations = self._explorations(judgement, count, exploration_share, generator)
        recorded = self._recorded_proposals(namespace, space_id, judgement, pool)
        proposals = self._proposals(namespace, space, judgement, recorded, pool, count)
        if exploration_share is not None:
            # Who says how much to explore says how much to compare.
            proposals = replace(proposals, control=None)

        def choose(connection: Connection) -> tuple[list[Suggestion], bool]:
            recent = RecentSuggestions(connection, namespace, task_id, space_id)
            # Read again under the lock: what came in meanwhile must not be suggested either.
            evaluated = self._knowledge.observations(namespace, task_id, space_id, connection).fingerprints
            choice = Choice({*evaluated, *recent.fingerprints()})
            proposals.take(choice, count - explorations)
            recorded.take(choice, count - explorations)
            if pool:
                choice.explore_pool(pool, count, generator)
            elif not space.explicit_graphs:
                self._explore(namespace, space, choice, count, generator)
            recent.remember([suggestion.canonical.fingerprint for suggestion in choice.suggestions], self._ttl)
            return choice.suggestions, recent.kept

        chosen, kept = run_transaction(self._engine, choose)
        target = judgement.compared.target
        self.live_comparison.remember(namespace, target.task, space_id, chosen)
        suggestions, model_version, degraded = self._predicted(namespace, target, chosen)
        return WarmStart(suggestions, judgement.similar, judgement.gate, model_version, degraded or not kept)

    def explain(self, namespace: str, task_id: str, space_id: str) -> Explanation:
        """What ``propose`` would suggest first, and why, without what it would draw at random; nothing is remembered.

        Raises NotFound.
        """
        space = self._knowledge.search_space(namespace, space_id)
        judgement = self._judge(namespace, task_id, space_id)
        target, similar, gate = judgement.compared.target, judgement.similar, judgement.gate
        with self._engine.connect() as connection:
            choice = Choice({*target.fingerprints, *pending_suggestions(connection, namespace, task_id, space_id)})
        recorded = self._recorded_proposals(namespace, space_id, judgement, ())
        proposals = self._proposals(namespace, space, judgement, recorded, (), EXPLAINED_SUGGESTIONS)
        proposals.take(choice, EXPLAINED_SUGGESTIONS)
        recorded.take(choice, EXPLAINED_SUGGESTIONS)
        suggestions, _, _ = self._predicted(namespace, target, choice.suggestions)
        text = explain(target, judgement.compared.sources, similar, gate, suggestions[0] if suggestions else None)
        history = weight_history(
            judgement.compared.target,
            similar,
            lambda until: self._prediction.source_weights(
                namespace, until, judgement.sources, judgement.compared.context
            ),
        )
        return Explanation(suggestions, similar, gate, text, history)

    # What the past means

    def _judge(self, namespace: str, task_id: str, space_id: str) -> _Judgement:
        compared = self.comparison.in_space(namespace, task_id, space_id)
        heaviest = {task.task_id for task in compared.similar[:_MOST_SOURCES]}
        sources = [source for source in compared.sources if source.task.task_id in heaviest]
        surrogate = self._prediction.surrogate(namespace, compared.target, sources, compared.context)
        similar = expected_weights(compared.similar, surrogate.source_weights)
        return _Judgement(
            compared, sources, similar, judge(similar, surrogate.count, surrogate.share_of_sources), surrogate
        )

    # Proposals

    def _explorations(self, judgement: _Judgement, count: int, share: float | None, generator: random.Random) -> int:
        """How many are drawn at random: unless the caller says so, none before the task has some results."""
        if share is None:
            share = self._exploration_share if judgement.surrogate.count >= ENOUGH_RESULTS else 0.0
        return _in_whole_numbers(count, share, generator)

    def _recorded_proposals(
        self, namespace: str, space_id: str, judgement: _Judgement, pool: Sequence[PoolMember]
    ) -> RecordedProposals:
        weights = judgement.gate.weights
        taking_part = [source for source in judgement.compared.sources if source.task.task_id in weights]
        taking_part.sort(key=lambda source: (-weights[source.task.task_id], source.task.task_id))
        own = {member.canonical.fingerprint: member for member in pool}
        among = taking_part[0].names.known(own) if pool and taking_part else None
        ranked = [(self._ranked_results(source), weights[source.task.task_id]) for source in taking_part]
        return RecordedProposals(
            Ranking(ranked, among),
            [each for each, _ in ranked[:_MOST_SOURCES]],
            own,
            self._recorded(namespace, space_id),
        )

    def _proposals(
        self,
        namespace: str,
        space: SearchSpace,
        judgement: _Judgement,
        recorded: RecordedProposals,
        pool: Sequence[PoolMember],
        count: int,
    ) -> Proposals:
        """The same for the same results, so that an explanation tells what a suggestion will be."""
        surrogate, target = judgement.surrogate, judgement.compared.target
        known = set(target.fingerprints)
        generator = random.Random(f"{target.task.task_id}/{surrogate.count}")
        generated: list[Generated] = []
        if judgement.informed and pool:
            seen = recorded.evidence([member.canonical.fingerprint for member in pool])
            generated = [
                Generated(member.candidate, "of the pool", recorded=bool(evidence))
                for member, evidence in zip(pool, seen, strict=True)
            ]
        elif judgement.informed:
            generated = self._generated(namespace, space, judgement, recorded, count, generator)
        candidates = new_candidates(generated, lambda each: self._knowledge.canonical(namespace, space, each), known)
        judged = surrogate.judge([each.canonical for each in candidates], judgement.gate.open)
        default = None if pool else self._default(namespace, space, known)
        control = self._control(namespace, space, pool, generator) if surrogate.seen < _ENOUGH_SEEN else None
        return Proposals(candidates, judged, surrogate.sources, recorded.evidence, default, control, surrogate.count)

    def _generated(
        self,
        namespace: str,
        space: SearchSpace,
        judgement: _Judgement,
        recorded: RecordedProposals,
        count: int,
        generator: random.Random,
    ) -> list[Generated]:
        surrogate, target = judgement.surrogate, judgement.compared.target
        known = set(target.fingerprints)
        transferred = recorded.best(known, _FIRST_TRANSFERRED)
        worth = surrogate.judge([each.canonical for each in transferred], judgement.gate.open).mean
        order = (-worth).argsort(kind="stable")[
            : _FIRST_TRANSFERRED if surrogate.count < ENOUGH_RESULTS else _TRANSFERRED
        ]
        best = _best_names(target, PARENTS)
        found = self._recorded(namespace, space.search_space_id)(best)
        parents = [found[name].candidate for name in best if name in found]
        least = min(_JUDGED_EACH * count, _MOST_JUDGED)
        return list(
            generate(
                space, parents, [transferred[place].candidate for place in order.tolist()], _CHANGED, least, generator
            )
        )

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
        held = self._ranked.get(source)
        if held is None:
            held = self._ranked[source] = ranked_results_of(source)
        return held

    def _recorded(self, namespace: str, space_id: str) -> LookUp:
        return lambda fingerprints: self._knowledge.architectures(namespace, space_id, fingerprints)

    def _explore(
        self, namespace: str, space: SearchSpace, choice: Choice, count: int, generator: random.Random
    ) -> None:
        fruitless = 0
        while len(choice) < count and fruitless < _FRUITLESS_DRAWS:
            check()
            candidate = sample(space, generator)
            canonical = self._knowledge.canonical(namespace, space, candidate)
            reason = "drawn at random from the search space"
            fruitless += 1
            if choice.add(Suggestion(candidate, canonical, Origin.EXPLORATION, reason)):
                fruitless = 0

    def _predicted(
        self, namespace: str, target: Observations, suggestions: list[Suggestion]
    ) -> tuple[list[Suggestion], str, bool]:
        """The suggestions with predictions, where there is anything that a prediction could rest on."""
        if not suggestions:
            return suggestions, "", False
        queries = [Query(candidate=s.candidate, canonical=s.canonical) for s in suggestions]
        try:
            answer = self._prediction.predict_from(namespace, target, queries, INTERVAL_LEVEL)
        except FailedPrecondition:
            return suggestions, "", False
        with_predictions = [
            replace(suggestion, prediction=prediction)
            for suggestion, prediction in zip(suggestions, answer.predictions, strict=True)
        ]
        return with_predictions, answer.model_version, answer.degraded


def _best_names(target: Observations, count: int) -> list[str]:
    """Fingerprints of the architectures with the best completed results, the best first."""
    best = target.best_indices
    values = target.values[best] if target.task.maximize else -target.values[best]
    order = (-values).argsort(kind="stable")[:count]
    return list(target.names.names(target.codes[best[order]].tolist()))


def _in_whole_numbers(count: int, share: float, generator: random.Random) -> int:
    """The share of a count as a whole number, rounded at random so that it holds on average for small counts too."""
    exact = count * share
    return int(exact) + (generator.random() < exact - int(exact))
