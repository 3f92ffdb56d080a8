"""Ranks what past tasks found good: the candidates that a new task should try first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from headstart_server.knowledge.observations import Observations

# A source is asked for so many of its best at most: as many as one call may be answered with.
MOST_OF_SOURCE = 4096


@dataclass(frozen=True)
class SourceEvidence:
    """What a source task saw of an architecture; ``quantile`` is the share of its architectures that this one beats."""

    task_id: str
    sequence: int
    objective_value: float
    quantile: float


@dataclass(frozen=True)
class Transferred:
    fingerprint: str
    score: float
    evidence: tuple[SourceEvidence, ...]


@dataclass(frozen=True)
class Standing:
    """An architecture above the median of a source: its normal score there, and where it was seen."""

    fingerprint: str
    normal_score: float
    evidence: SourceEvidence


def rank_transferred(standings: Mapping[str, Sequence[Standing]], weights: Mapping[str, float]) -> list[Transferred]:
    """Every architecture above the median of a source with weight, the most promising first.

    ``standings`` and ``weights`` are by task id. The score is the weighted sum over sources of the normal score by
    which the architecture stands above the source's median. What a source has not seen, or found mediocre, adds none.
    """
    scores: dict[str, float] = {}
    evidence: dict[str, list[SourceEvidence]] = {}
    for task_id, weight in weights.items():
        for standing in standings[task_id]:
            name = standing.fingerprint
            scores[name] = scores.get(name, 0.0) + weight * standing.normal_score
            evidence.setdefault(name, []).append(standing.evidence)
    order = sorted(scores, key=lambda fingerprint: (-scores[fingerprint], fingerprint))
    return [Transferred(name, scores[name], tuple(evidence[name])) for name in order]


def standings_of(source: Observations, most: int = MOST_OF_SOURCE) -> list[Standing]:
    """The best of a source's architectures, by their best results: those above its median, so many at most.

    Normal scores by Blom, "Statistical estimates and transformed beta-variables", 1958.
    """
    sign = 1.0 if source.task.maximize else -1.0
    best: dict[str, int] = {}
    for index in np.flatnonzero(source.completed):
        fingerprint = source.fingerprints[index]
        if fingerprint not in best or sign * source.values[index] > sign * source.values[best[fingerprint]]:
            best[fingerprint] = int(index)
    if len(best) < 2:
        return []
    names, indices = list(best), np.array(list(best.values()))
    ranks = rankdata(sign * source.values[indices])
    normal_scores = ndtri((ranks - 0.375) / (len(ranks) + 0.25))
    found = []
    for place in np.argsort(-ranks, kind="stable")[:most]:
        if normal_scores[place] > 0:
            value, quantile = float(source.values[indices[place]]), float((ranks[place] - 1) / (len(ranks) - 1))
            evidence = SourceEvidence(source.task.task_id, source.sequence_of(int(indices[place])), value, quantile)
            found.append(Standing(names[place], float(normal_scores[place]), evidence))
    return found
