"""The warm start room: what to try first, and next, on a task.

Without results of its own a task is proposed what other tasks found good; from a few results on, new candidates grown
around the best, as far as these promise to be better still. A share is drawn at random.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine

from headstart.spaces import SearchSpace, sample
from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity import SimilarTask
from headstart_server.prediction.service import PredictionService, Query, Surrogate
from headstart_server.runtime.database import run_transaction
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.warm_start.common_taste import common_taste, portfolio_size, taste_samples
from headstart_server.warm_start.comparison import Compared, TaskComparison
from headstart_server.warm_start.explanation import explain
from headstart_server.warm_start.first_proposals import MOST_SOURCES, FirstProposals, first_proposals
from headstart_server.warm_start.gate import Gate, Validated, judge
from headstart_server.warm_start.growing import PARENTS, Grown, grow
from headstart_server.warm_start.live_comparison import LiveComparison
from headstart_server.warm_start.next_proposals import NextProposals, seedlings_of
from headstart_server.warm_start.recent import RecentSuggestions
from headstart_server.warm_start.sources import earned_weights
from headstart_server.warm_start.suggestions import Choice, LookUp, Origin, PoolMember, Suggestion
from headstart_server.warm_start.transfer_ranking import Standings, standings_of
from headstart_server.warm_start.weight_history import WeightPoint, weight_history

# Draws in a row that bring nothing new, after which the space counts as exhausted.
_FRUITLESS_DRAWS = 300
# Architectures with a result, failed ones too, from which on a search goes by them rather than by a portfolio.
_ENOUGH_RESULTS = 8
# Candidates that other tasks would try, to grow new ones from.
_TRANSFERRED = 16
# Judged for each suggestion asked for, at least, and in all at most.
_JUDGED_EACH, _MOST_JUDGED = 4, 1024
_KEPT_TASTES = 8

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
    """What would be transferred to a task, and why, in sentences; ``history``: how much each source counted when."""

    suggestions: list[Suggestion]
    similar_tasks: list[SimilarTask]
    gate: Gate
    text: str
    history: list[WeightPoint]


@dataclass(frozen=True)
class _Judgement:
    """What the past means for a task as it stands; without a ``surrogate`` it has too few results to go by."""

    compared: Compared
    similar: list[SimilarTask]
    gate: Gate
    surrogate: Surrogate | None


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
        # Observations are replaced, never changed: the same object has the same standings, and goes with its task.
        self._standings: WeakKeyDictionary[Observations, Standings] = WeakKeyDictionary()
        # By model and sources, those measured first go first.
        self._tastes: dict[tuple[str, tuple[Observations, ...]], float] = {}
        self._lock = Lock()

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
        share = self._exploration_share if exploration_share is None else exploration_share
        explorations = _in_whole_numbers(count, share, generator)
        first = self._first(namespace, space_id, judgement, pool)
        starting = judgement.surrogate is None and exploration_share is None and judgement.gate.open
        portfolio = self._portfolio_size(namespace, space_id, judgement) if starting else 0
        following = self._next(namespace, space, judgement, first, pool, count, generator)

        def choose(connection: Connection) -> tuple[list[Suggestion], bool]:
            recent = RecentSuggestions(connection, namespace, task_id, space_id)
            # Read again under the lock: what came in meanwhile must not be suggested either.
            evaluated = self._knowledge.observations(namespace, task_id, space_id, connection).fingerprints
            choice = Choice({*evaluated, *recent.fingerprints()})
            drawn = explorations
            if starting:
                drawn = _first_explorations(len(choice.excluded), count, portfolio)
            wanted = count - drawn
            if following is not None:
                following.take(choice, wanted)
            first.take(choice, wanted)
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
        """What ``propose`` would transfer first, and why; nothing is remembered of it. Raises NotFound."""
        judgement = self._judge(namespace, task_id, space_id)
        target, similar, gate = judgement.compared.target, judgement.similar, judgement.gate
        choice = Choice(set(target.fingerprints))
        self._first(namespace, space_id, judgement, ()).take(choice, EXPLAINED_SUGGESTIONS)
        suggestions, _, _ = self._predicted(namespace, target, choice.suggestions)
        first = suggestions[0] if suggestions else None
        text = explain(
            target,
            judgement.compared.sources,
            similar,
            gate,
            first.evidence if first else (),
            first.prediction.mean if first and first.prediction else None,
        )
        history = weight_history(judgement.compared, _ENOUGH_RESULTS)
        return Explanation(suggestions, similar, gate, text, history)

    # What the past means

    def _judge(self, namespace: str, task_id: str, space_id: str) -> _Judgement:
        compared = self.comparison.in_space(namespace, task_id, space_id)
        heaviest = {task.task_id for task in compared.similar[:MOST_SOURCES] if task.weight > 0}
        sources = [source for source in compared.sources if source.task.task_id in heaviest]
        surrogate = self._surrogate(namespace, compared.target, sources)
        if surrogate is None:
            return _Judgement(
                compared, compared.similar, judge(compared.similar, None, len(compared.patternless)), None
            )
        similar = earned_weights(compared.similar, surrogate.source_weights)
        validated = None
        if surrogate.share_of_others is not None:
            validated = Validated(surrogate.count, surrogate.share_of_others)
        return _Judgement(compared, similar, judge(similar, validated, len(compared.patternless)), surrogate)

    def _surrogate(self, namespace: str, target: Observations, sources: Sequence[Observations]) -> Surrogate | None:
        if len(target.best_indices) < 2:
            return None
        try:
            surrogate = self._prediction.surrogate(namespace, target, sources)
        except FailedPrecondition:
            return None
        return surrogate if surrogate is not None and surrogate.count >= _ENOUGH_RESULTS else None

    # Proposals

    def _first(
        self, namespace: str, space_id: str, judgement: _Judgement, pool: Sequence[PoolMember]
    ) -> FirstProposals:
        weights = judgement.gate.weights
        sources = judgement.compared.sources
        standings = {
            source.task.task_id: self._standings_of(source) for source in sources if source.task.task_id in weights
        }
        recorded = self._recorded(namespace, space_id)
        return first_proposals(self._prediction, namespace, space_id, sources, standings, weights, recorded, pool)

    def _portfolio_size(self, namespace: str, space_id: str, judgement: _Judgement) -> int:
        """Of the first proposals, how many are what other tasks found good: as many as these agree on that."""
        sources = [each for each in judgement.compared.sources if each.task.task_id in judgement.gate.weights]
        sources = sources[:MOST_SOURCES]
        version = self._prediction.version_name(namespace, space_id)
        key = (version, tuple(sources))
        with self._lock:
            taste = self._tastes.get(key)
        if taste is None:
            standings = {source.task.task_id: self._standings_of(source) for source in sources}
            samples = taste_samples(standings, list(standings))
            names = [name for sample in samples.values() for name in sample]
            recorded = self._recorded(namespace, space_id)
            told = self._prediction.source_scores(namespace, space_id, names, recorded, lambda: sources)
            taste = common_taste(told, samples, standings)
            # Not what was said while the model was out of reach.
            if told is not None and told.model_version == version:
                with self._lock:
                    self._tastes[key] = taste
                    if len(self._tastes) > _KEPT_TASTES:
                        del self._tastes[next(iter(self._tastes))]
        return portfolio_size(taste, _ENOUGH_RESULTS)

    def _next(
        self,
        namespace: str,
        space: SearchSpace,
        judgement: _Judgement,
        first: FirstProposals,
        pool: Sequence[PoolMember],
        count: int,
        generator: random.Random,
    ) -> NextProposals | None:
        """None where the task has too few results to go by."""
        surrogate, target = judgement.surrogate, judgement.compared.target
        if surrogate is None:
            return None
        known = set(target.fingerprints)
        if pool:
            grown = [Grown(member.candidate, "of the pool") for member in pool]
        else:
            recorded = self._recorded(namespace, space.search_space_id)
            best = _best_names(target, PARENTS)
            found = recorded(best)
            transferred = [each.candidate for each in first.best(known, _TRANSFERRED)]
            least = min(_JUDGED_EACH * count, _MOST_JUDGED)
            parents = [found[name].candidate for name in best if name in found]
            grown = list(grow(space, parents, transferred, least, generator))
        seedlings = seedlings_of(grown, lambda each: self._knowledge.canonical(namespace, space, each), known)
        judged = surrogate.judge([seedling.canonical for seedling in seedlings])
        return NextProposals(seedlings, judged, surrogate.incumbent, judgement.gate.open, first.evidence)

    def _standings_of(self, source: Observations) -> Standings:
        held = self._standings.get(source)
        if held is None:
            held = self._standings[source] = standings_of(source)
        return held

    def _recorded(self, namespace: str, space_id: str) -> LookUp:
        return lambda fingerprints: self._knowledge.architectures(namespace, space_id, fingerprints)

    def _explore(
        self, namespace: str, space: SearchSpace, choice: Choice, count: int, generator: random.Random
    ) -> None:
        fruitless = 0
        while len(choice) < count and fruitless < _FRUITLESS_DRAWS:
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


def _first_explorations(tried: int, count: int, portfolio: int) -> int:
    """Of the next ``count`` proposals after ``tried``, how many are drawn at random: of the first eight, those after
    the portfolio."""
    return max(0, min(tried + count, _ENOUGH_RESULTS) - max(tried, portfolio))


def _in_whole_numbers(count: int, share: float, generator: random.Random) -> int:
    """The share of a count as a whole number, rounded at random so that it holds on average for small counts too."""
    exact = count * share
    return int(exact) + (generator.random() < exact - int(exact))
