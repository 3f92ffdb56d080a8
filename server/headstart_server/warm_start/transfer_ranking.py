"""Ranks what past tasks found good: the candidates that a new task should try first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from headstart_server.knowledge.observations import Observations


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


def rank_transferred(sources: Sequence[Observations], weights: Mapping[str, float]) -> list[Transferred]:
    """Every architecture above the median of a source with weight, the most promising first.

    The score is the weighted sum over sources of the normal score (Blom, "Statistical estimates and transformed
    beta-variables", 1958) by which the architecture stands above the source's median. What a source has not seen, or
    found mediocre, adds nothing.
    """
    scores: dict[str, float] = {}
    evidence: dict[str, list[SourceEvidence]] = {}
    for source in sources:
        weight = weights.get(source.task.task_id, 0.0)
        if weight <= 0:
            continue
        for found, score in _standing(source):
            scores[found[0]] = scores.get(found[0], 0.0) + weight * score
            evidence.setdefault(found[0], []).append(found[1])
    order = sorted(scores, key=lambda fingerprint: (-scores[fingerprint], fingerprint))
    return [Transferred(name, scores[name], tuple(evidence[name])) for name in order if scores[name] > 0]


def _standing(source: Observations) -> list[tuple[tuple[str, SourceEvidence], float]]:
    """Each architecture of a source with its best result, and its normal score where that is positive, else 0."""
    sign = 1.0 if source.task.maximize else -1.0
    best: dict[str, int] = {}
    for index in np.flatnonzero(source.completed):
        fingerprint = source.fingerprints[index]
        if fingerprint not in best or sign * source.values[index] > sign * source.values[best[fingerprint]]:
            best[fingerprint] = int(index)
    if len(best) < 2:
        return []
    indices = np.array(list(best.values()))
    ranks = rankdata(sign * source.values[indices])
    normal_scores = ndtri((ranks - 0.375) / (len(ranks) + 0.25))
    quantiles = (ranks - 1) / (len(ranks) - 1)
    return [
        (
            (
                fingerprint,
                SourceEvidence(
                    source.task.task_id, source.sequence_of(index), float(source.values[index]), float(quantile)
                ),
            ),
            max(0.0, float(score)),
        )
        for (fingerprint, index), quantile, score in zip(best.items(), quantiles, normal_scores, strict=True)
    ]
