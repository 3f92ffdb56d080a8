"""The warm start room: what to try first, and next, on a task."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

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
from headstart_server.warm_start.gate import Gate, judge
from headstart_server.warm_start.recent import RecentSuggestions
from headstart_server.warm_start.sources import SourceScores, weigh_sources
from headstart_server.warm_start.transfer_ranking import (
    SourceEvidence,
    Standing,
    Transferred,
    rank_transferred,
    standings_of,
)

# Draws in a row that bring nothing new, after which the space counts as exhausted.
_FRUITLESS_DRAWS = 300

INTERVAL_LEVEL = 0.9


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
        self._standings: dict[tuple[str, str, str], tuple[Observations, Sequence[Standing]]] = {}

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
        target = self._knowledge.observations(namespace, task_id, space_id)
        sources = self._sources(namespace, target)
        architectures = self._knowledge.architectures(namespace, space_id) if sources else {}
        similar = weigh_sources(target, sources, self._source_scores(namespace, target, architectures))
        gate = judge(similar)
        transferred = rank_transferred(self._standings_of(namespace, sources), gate.weights)
        generator = random.Random(seed) if seed is not None else random.Random()
        share = self._exploration_share if exploration_share is None else exploration_share
        explorations = _explorations(count, share, generator)

        def choose(connection: Connection) -> list[Suggestion]:
            recent = RecentSuggestions(connection, namespace, task_id, space_id)
            # Read again under the lock: what came in meanwhile must not be suggested either.
            evaluated = self._knowledge.observations(namespace, task_id, space_id).fingerprints
            chosen = _Choice({*evaluated, *recent.fingerprints()})
            chosen.take_transferred(transferred, architectures, pool, count - explorations)
            if pool:
                chosen.explore_pool(pool, count, generator)
            elif not space.explicit_graphs:
                self._explore(namespace, space, chosen, count, generator)
            recent.remember([suggestion.canonical.fingerprint for suggestion in chosen.suggestions], self._ttl)
            return chosen.suggestions

        chosen = run_transaction(self._engine, choose)
        suggestions, model_version, degraded = self._predicted(namespace, target, chosen)
        return WarmStart(suggestions, similar, gate, model_version, degraded)

    def _sources(self, namespace: str, target: Observations) -> list[Observations]:
        observed = self._knowledge.tasks_observed(namespace, target.search_space_id)
        return [o for o in observed if o.task.task_id != target.task.task_id and o.completed.any()]

    def _standings_of(self, namespace: str, sources: Sequence[Observations]) -> Mapping[str, Sequence[Standing]]:
        """By task id; taken anew only from sources that have grown."""
        found: dict[str, Sequence[Standing]] = {}
        for source in sources:
            key = (namespace, source.search_space_id, source.task.task_id)
            held = self._standings.get(key)
            # Observations are replaced, never changed: the same object has the same standings.
            if held is None or held[0] is not source:
                held = self._standings[key] = (source, standings_of(source))
            found[source.task.task_id] = held[1]
        return found

    def _source_scores(
        self, namespace: str, target: Observations, architectures: Mapping[str, Architecture]
    ) -> SourceScores:
        """What a model says that each source thinks of the architectures measured on the target."""
        known = {f: architectures[f].canonical for f in target.fingerprints if f in architectures}
        if not known:
            return {}
        scores = self._prediction.source_scores(namespace, target.search_space_id, list(known.values()))
        if scores is None:
            return {}
        return {
            task_id: dict(zip(known, map(float, scores.scores[:, column]), strict=True))
            for column, task_id in enumerate(scores.task_ids)
        }

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
            answer = self._prediction.predict(
                namespace, target.task.task_id, target.search_space_id, queries, INTERVAL_LEVEL
            )
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

    def take_transferred(
        self,
        transferred: Sequence[Transferred],
        architectures: Mapping[str, Architecture],
        pool: Sequence[PoolMember],
        count: int,
    ) -> None:
        own = {member.canonical.fingerprint: member.candidate for member in pool}
        for found in transferred:
            if len(self.suggestions) >= count:
                return
            if pool and found.fingerprint not in own:
                continue
            architecture = architectures.get(found.fingerprint)
            if architecture is None:
                continue
            best = max(found.evidence, key=lambda evidence: evidence.quantile)
            self.add(
                Suggestion(
                    own.get(found.fingerprint, architecture.candidate),
                    architecture.canonical,
                    Origin.TRANSFERRED,
                    f"beats {best.quantile:.0%} of what was tried on {best.task_id}"
                    + (f" and is known from {len(found.evidence) - 1} more tasks" if len(found.evidence) > 1 else ""),
                    found.evidence,
                )
            )

    def explore_pool(self, pool: Sequence[PoolMember], count: int, generator: random.Random) -> None:
        for member in generator.sample(pool, len(pool)):
            if len(self.suggestions) >= count:
                return
            self.add(
                Suggestion(member.candidate, member.canonical, Origin.EXPLORATION, "drawn at random from the pool")
            )
