"""The warm start room: what to try first, and next, on a task."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum
from itertools import islice
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from headstart.spaces import Candidate, CanonicalCandidate, SearchSpace, sample
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity import SimilarTask
from headstart_server.prediction.service import Prediction as Predicted
from headstart_server.prediction.service import PredictionService, Query
from headstart_server.runtime.database import run_transaction
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.warm_start.comparison import TaskComparison
from headstart_server.warm_start.explanation import explain
from headstart_server.warm_start.gate import Gate, judge
from headstart_server.warm_start.recent import RecentSuggestions
from headstart_server.warm_start.transfer_ranking import (
    Ranking,
    SourceEvidence,
    Standings,
    rank_transferred,
    standings_of,
)

# Draws in a row that bring nothing new, after which the space counts as exhausted.
_FRUITLESS_DRAWS = 300

INTERVAL_LEVEL = 0.9
EXPLAINED_SUGGESTIONS = 5

# Recorded architectures by fingerprint, as far as they are known.
LookUp = Callable[[Sequence[str]], Mapping[str, Architecture]]


class Origin(IntEnum):
    TRANSFERRED = 1
    GENERATED = 2
    EXPLORATION = 3


@dataclass(frozen=True)
class Suggestion:
    candidate: Candidate
    canonical: CanonicalCandidate
    origin: Origin
    reason: str
    evidence: tuple[SourceEvidence, ...] = ()
    prediction: Predicted | None = None


@dataclass(frozen=True)
class WarmStart:
    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    model_version: str
    degraded: bool


@dataclass(frozen=True)
class PoolMember:
    """A candidate of the caller's own pool in its canonical form."""

    candidate: Candidate
    canonical: CanonicalCandidate


@dataclass(frozen=True)
class Explanation:
    """What would be transferred to a task, and why, in sentences."""

    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    text: str


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
        # Observations are replaced, never changed: the same object has the same standings, and goes with its task.
        self._standings: WeakKeyDictionary[Observations, Standings] = WeakKeyDictionary()

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
        compared = self.comparison.in_space(namespace, task_id, space_id)
        gate = judge(compared.similar)
        ranking = self._ranking(compared.sources, gate, pool)
        generator = random.Random(seed) if seed is not None else random.Random()
        share = self._exploration_share if exploration_share is None else exploration_share
        explorations = _explorations(count, share, generator)

        def choose(connection: Connection) -> list[Suggestion]:
            recent = RecentSuggestions(connection, namespace, task_id, space_id)
            # Read again under the lock: what came in meanwhile must not be suggested either.
            evaluated = self._knowledge.observations(namespace, task_id, space_id, connection).fingerprints
            chosen = _Choice({*evaluated, *recent.fingerprints()})
            chosen.take_transferred(ranking, self._recorded(namespace, space_id), pool, count - explorations)
            if pool:
                chosen.explore_pool(pool, count, generator)
            elif not space.explicit_graphs:
                self._explore(namespace, space, chosen, count, generator)
            recent.remember([suggestion.canonical.fingerprint for suggestion in chosen.suggestions], self._ttl)
            return chosen.suggestions

        chosen = run_transaction(self._engine, choose)
        suggestions, model_version, degraded = self._predicted(namespace, compared.target, chosen)
        return WarmStart(suggestions, compared.similar, gate, model_version, degraded)

    def explain(self, namespace: str, task_id: str, space_id: str) -> Explanation:
        """What ``propose`` would transfer first, and why; nothing is remembered of it. Raises NotFound."""
        compared = self.comparison.in_space(namespace, task_id, space_id)
        target, sources, similar = compared.target, compared.sources, compared.similar
        gate = judge(similar)
        chosen = _Choice(set(target.fingerprints))
        recorded = self._recorded(namespace, space_id)
        chosen.take_transferred(self._ranking(sources, gate, ()), recorded, (), EXPLAINED_SUGGESTIONS)
        suggestions, _, _ = self._predicted(namespace, target, chosen.suggestions)
        first = suggestions[0] if suggestions else None
        text = explain(
            target,
            sources,
            similar,
            gate,
            first.evidence if first else (),
            first.prediction.mean if first and first.prediction else None,
        )
        return Explanation(suggestions, similar, gate, text)

    def _ranking(self, sources: Sequence[Observations], gate: Gate, pool: Sequence[PoolMember]) -> Ranking:
        taking_part = {source.task.task_id: source for source in sources if source.task.task_id in gate.weights}
        among = None
        if pool and sources:
            among = sources[0].names.known(member.canonical.fingerprint for member in pool)
        standings = {task_id: self._standings_of(source) for task_id, source in taking_part.items()}
        return rank_transferred(standings, gate.weights, among)

    def _standings_of(self, source: Observations) -> Standings:
        held = self._standings.get(source)
        if held is None:
            held = self._standings[source] = standings_of(source)
        return held

    def _recorded(self, namespace: str, space_id: str) -> LookUp:
        return lambda fingerprints: self._knowledge.architectures(namespace, space_id, fingerprints)

    def _explore(
        self, namespace: str, space: SearchSpace, chosen: _Choice, count: int, generator: random.Random
    ) -> None:
        fruitless = 0
        while len(chosen.suggestions) < count and fruitless < _FRUITLESS_DRAWS:
            candidate = sample(space, generator)
            canonical = self._knowledge.canonical(namespace, space, candidate)
            reason = "drawn at random from the search space"
            fruitless += 1
            if chosen.add(Suggestion(candidate, canonical, Origin.EXPLORATION, reason)):
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


def _explorations(count: int, share: float, generator: random.Random) -> int:
    """The share of a count as a whole number, rounded at random so that it holds on average for small counts too."""
    exact = count * share
    return int(exact) + (generator.random() < exact - int(exact))


class _Choice:
    """Suggestions gathered one by one, no fingerprint twice and none of the excluded ones."""

    def __init__(self, excluded: set[str]) -> None:
        self._excluded = excluded
        self.suggestions: list[Suggestion] = []

    def add(self, suggestion: Suggestion) -> bool:
        """Whether it was taken."""
        if suggestion.canonical.fingerprint in self._excluded:
            return False
        self._excluded.add(suggestion.canonical.fingerprint)
        self.suggestions.append(suggestion)
        return True

    def take_transferred(self, ranking: Ranking, recorded: LookUp, pool: Sequence[PoolMember], count: int) -> None:
        """The best of a ranking until there are ``count`` suggestions."""
        own = {member.canonical.fingerprint: member.candidate for member in pool}
        best = ((code, ranking.fingerprint(code)) for code, _ in ranking.best_first())
        fresh = ((code, fingerprint) for code, fingerprint in best if fingerprint not in self._excluded)
        while len(self.suggestions) < count:
            batch = list(islice(fresh, count - len(self.suggestions)))
            if not batch:
                return
            architectures = recorded([fingerprint for _, fingerprint in batch])
            evidence = ranking.evidence([code for code, _ in batch])
            for (_, fingerprint), seen in zip(batch, evidence, strict=True):
                # One whose last task was deleted meanwhile may be gone.
                if fingerprint in architectures:
                    self._add_transferred(architectures[fingerprint], own, seen)

    def _add_transferred(
        self, architecture: Architecture, own: Mapping[str, Candidate], evidence: tuple[SourceEvidence, ...]
    ) -> None:
        best = max(evidence, key=lambda each: each.quantile)
        self.add(
            Suggestion(
                own.get(architecture.fingerprint, architecture.candidate),
                architecture.canonical,
                Origin.TRANSFERRED,
                f"beats {best.quantile:.0%} of what was tried on {best.task_id}"
                + (f" and is known from {len(evidence) - 1} more tasks" if len(evidence) > 1 else ""),
                evidence,
            )
        )

    def explore_pool(self, pool: Sequence[PoolMember], count: int, generator: random.Random) -> None:
        for member in generator.sample(pool, len(pool)):
            if len(self.suggestions) >= count:
                return
            self.add(
                Suggestion(member.candidate, member.canonical, Origin.EXPLORATION, "drawn at random from the pool")
            )
