"""Recorded proposals: the best results of the sources that take part, as candidates for a new task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.warm_start.proposals import describe_evidence
from headstart_server.warm_start.ranked_results import RankedResults, Ranking, SourceEvidence
from headstart_server.warm_start.suggestions import Origin, PoolMember, Selection, Suggestion


@dataclass(frozen=True)
class RecordedProposals:
    """``ranking`` of all good results; ``sources``, the heaviest first; ``pool``: the caller's own candidates by
    fingerprint, if only those may be proposed."""

    knowledge: KnowledgeService
    namespace: str
    search_space_id: str
    ranking: Ranking
    sources: Sequence[RankedResults]
    pool: Mapping[str, PoolMember]

    def best(self, excluded: set[str], count: int) -> list[Architecture]:
        """The best of each source in turn, without the excluded fingerprints."""
        best: dict[str, None] = {}
        for of_rank in zip_longest(*(source.names.names(source.codes[:count].tolist()) for source in self.sources)):
            best.update(dict.fromkeys(each for each in of_rank if each is not None and each not in excluded))
            if len(best) >= count:
                break
        chosen = list(best)[:count]
        architectures = self._architectures(chosen)
        # An architecture may be gone if its last task was deleted meanwhile.
        return [architectures[fingerprint] for fingerprint in chosen if fingerprint in architectures]

    def take(self, selection: Selection, count: int) -> None:
        """Add to the selection until it has ``count`` suggestions or no good result of a source is left."""
        order = self._in_order(set(selection.excluded))
        while len(selection) < count:
            batch = list(islice(order, count - len(selection)))
            if not batch:
                return
            architectures = self._architectures(batch)
            for fingerprint, evidence in zip(batch, self.ranking.evidence_of(batch), strict=True):
                if fingerprint in architectures:
                    selection.add(self._suggestion(architectures[fingerprint], evidence))

    def _in_order(self, excluded: set[str]) -> Iterator[str]:
        for code, _ in self.ranking.best_first():
            fingerprint = self.ranking.fingerprint(code)
            if fingerprint not in excluded:
                yield fingerprint

    def _architectures(self, fingerprints: Sequence[str]) -> Mapping[str, Architecture]:
        return self.knowledge.architectures(self.namespace, self.search_space_id, fingerprints)

    def _suggestion(self, architecture: Architecture, evidence: tuple[SourceEvidence, ...]) -> Suggestion:
        own = self.pool.get(architecture.fingerprint)
        candidate = architecture.candidate if own is None else own.candidate
        return Suggestion(candidate, architecture.canonical, Origin.TRANSFERRED, describe_evidence(evidence), evidence)
