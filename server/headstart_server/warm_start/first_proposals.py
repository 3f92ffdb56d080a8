"""What other tasks would try on a task that has next to no results: a portfolio of what they found good.

A source counts by its weight. Each says what it thinks of the best of all the others too: by a model of it where there
is one, or else by what it measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import Candidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations import Observations
from headstart_server.prediction.service import PredictionService, SourceScores
from headstart_server.warm_start.portfolio import cover
from headstart_server.warm_start.suggestions import Choice, LookUp, Origin, PoolMember, Suggestion
from headstart_server.warm_start.transfer_ranking import Ranking, SourceEvidence, Standings

# Of so many sources, the heaviest, so many of the best make up the portfolio.
MOST_SOURCES = 16
_BEST_OF_SOURCE = 16


@dataclass(frozen=True)
class FirstProposals:
    """The candidates of a portfolio [n] with what sources say of them [n, tasks]; ``ranking``: all that is known good.

    ``own``: the caller's candidates by fingerprint, where only those may be proposed.
    """

    ranking: Ranking
    fingerprints: tuple[str, ...]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    recorded: LookUp
    own: Mapping[str, Candidate]

    def take(self, choice: Choice, count: int) -> None:
        """Until there are ``count`` suggestions, or nothing is left that other tasks found good."""
        for batch in self._batches(choice, count):
            architectures = self.recorded(batch)
            for fingerprint, evidence in zip(batch, self.evidence(batch), strict=True):
                # One whose last task was deleted meanwhile may be gone.
                if fingerprint in architectures:
                    choice.add(self._suggestion(architectures[fingerprint], evidence))

    def best(self, excluded: set[str], count: int) -> list[Architecture]:
        """What would be proposed first."""
        names = list(islice(self._in_order(excluded), count))
        found = self.recorded(names)
        return [found[name] for name in names if name in found]

    def evidence(self, fingerprints: Sequence[str]) -> list[tuple[SourceEvidence, ...]]:
        """What the sources measured of each."""
        return self.ranking.evidence_of(fingerprints)

    def _batches(self, choice: Choice, count: int) -> Iterator[list[str]]:
        order = self._in_order(set(choice.excluded))
        while len(choice) < count:
            batch = list(islice(order, count - len(choice)))
            if not batch:
                return
            yield batch

    def _in_order(self, excluded: set[str]) -> Iterator[str]:
        """The portfolio first, then the rest of the ranking."""
        taken = np.array([name in excluded for name in self.fingerprints], bool)
        proposed = set()
        for place in cover(self.scores, self.weights, taken):
            proposed.add(self.fingerprints[place])
            yield self.fingerprints[place]
        for code, _ in self.ranking.best_first():
            name = self.ranking.fingerprint(code)
            if name not in excluded and name not in proposed:
                yield name

    def _suggestion(self, architecture: Architecture, evidence: tuple[SourceEvidence, ...]) -> Suggestion:
        candidate = self.own.get(architecture.fingerprint, architecture.candidate)
        if not evidence:
            reason = "of the pool; other tasks would expect it to be good"
            return Suggestion(candidate, architecture.canonical, Origin.GENERATED, reason)
        return Suggestion(candidate, architecture.canonical, Origin.TRANSFERRED, where_it_was_good(evidence), evidence)


def where_it_was_good(evidence: Sequence[SourceEvidence]) -> str:
    best = max(evidence, key=lambda each: each.quantile)
    told = f"beats {best.quantile:.0%} of what was tried on {best.task_id}"
    return told + (f" and is known from {len(evidence) - 1} more tasks" if len(evidence) > 1 else "")


def first_proposals(
    prediction: PredictionService,
    namespace: str,
    space_id: str,
    sources: Sequence[Observations],
    standings: Mapping[str, Standings],
    weights: Mapping[str, float],
    recorded: LookUp,
    pool: Sequence[PoolMember],
) -> FirstProposals:
    """``weights`` of the sources that take part, by task id, and their ``standings``; nothing where there are none."""
    leading = sorted(weights, key=lambda task_id: (-weights[task_id], task_id))[:MOST_SOURCES]
    own = {member.canonical.fingerprint: member for member in pool}
    among = None
    if pool and sources:
        among = sources[0].names.known(own)
    ranking = Ranking([(standings[task_id], weight) for task_id, weight in weights.items()], among)
    names = tuple(own) if pool else _best_of(standings, leading)
    if not leading or not names:
        return FirstProposals(ranking, (), np.zeros((0, 0)), np.zeros(0), recorded, {})

    def known(fingerprints: Sequence[str]) -> Mapping[str, Architecture]:
        inside = {name: own[name] for name in fingerprints if name in own}
        found = {name: Architecture(name, each.candidate, each.canonical) for name, each in inside.items()}
        return {**recorded([name for name in fingerprints if name not in own]), **found}

    taking_part = [source for source in sources if source.task.task_id in leading]
    told = prediction.source_scores(namespace, space_id, names, known, lambda: taking_part)
    scores = said_of(told, leading, standings, names)
    candidates = {name: member.candidate for name, member in own.items()}
    return FirstProposals(
        ranking, names, scores, np.array([weights[task_id] for task_id in leading]), known, candidates
    )


def _best_of(standings: Mapping[str, Standings], leading: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for task_id in leading:
        source = standings[task_id]
        found.update(dict.fromkeys(source.names.names(source.codes[:_BEST_OF_SOURCE].tolist())))
    return tuple(found)


def said_of(
    told: SourceScores | None, leading: Sequence[str], standings: Mapping[str, Standings], names: Sequence[str]
) -> NDArray[np.float64]:
    """What each of the leading tasks says of the candidates [n, tasks]: as it measured those that it found good, of the
    others by its model, which would even out what stands out."""
    scores = np.zeros((len(names), len(leading)))
    modelled = {} if told is None else {task_id: place for place, task_id in enumerate(told.task_ids)}
    for column, task_id in enumerate(leading):
        measured = standings[task_id].normal_scores_of(names)
        if told is not None and task_id in modelled:
            modelled_scores = told.scores[:, modelled[task_id]]
            scores[:, column] = np.where(measured > 0.0, measured, modelled_scores)
        else:
            scores[:, column] = measured
    return scores
