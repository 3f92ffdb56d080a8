"""A ranking of past results as plain values: every architecture with its score and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.warm_start.ranked_results import Ranking, SourceEvidence, ranked_results_of


@dataclass(frozen=True)
class Transferred:
    fingerprint: str
    score: float
    evidence: tuple[SourceEvidence, ...]


def ranked(sources: Sequence[Observations], weights: Mapping[str, float]) -> list[Transferred]:
    """``weights`` by task id; tasks without one take no part."""
    results = {source.task.task_id: ranked_results_of(source) for source in sources}
    ranking = Ranking([(results[task_id], weight) for task_id, weight in weights.items()])
    return [
        Transferred(ranking.fingerprint(code), score, ranking.evidence([code])[0])
        for code, score in ranking.best_first()
    ]
