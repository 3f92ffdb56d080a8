"""What past tasks found good, as candidates for a new one: the best results of the sources that take part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from headstart_server.knowledge.architectures import Architecture
from headstart_server.warm_start.proposals import where_it_was_good
from headstart_server.warm_start.ranked_results import RankedResults, Ranking, SourceEvidence
from headstart_server.warm_start.suggestions import Choice, LookUp, Origin, PoolMember, Suggestion


@dataclass(frozen=True)
class RecordedProposals:
    """``ranking``: all that is known good; ``sources``: the heaviest first; ``own``: the caller's candidates by
    fingerprint, where only those may be proposed."""

    ranking: Ranking
    sources: Sequence[RankedResults]
    own: Mapping[str, PoolMember]
    recorded: LookUp

    def best(self, excluded: set[str], count: int) -> list[Architecture]:
        """The best of each source in turn, without the excluded ones."""
        names: dict[str, None] = {}
        for of_rank in zip_longest(*(source.names.names(source.codes[:count].tolist()) for source in self.sources)):
            names.update(dict.fromkeys(name for name in of_rank if name is not None and name not in excluded))
            if len(names) >= count:
                break
        chosen = list(names)[:count]
        found = self.recorded(chosen)
        # One whose last task was deleted meanwhile may be gone.
        return [found[name] for name in chosen if name in found]

    def evidence(self, fingerprints: Sequence[str]) -> list[tuple[SourceEvidence, ...]]:
        """What the sources measured of each."""
        return self.ranking.evidence_of(fingerprints)

    def take(self, choice: Choice, count: int) -> None:
        """Until there are ``count`` suggestions, or nothing is left that other tasks found good."""
        order = self._in_order(set(choice.excluded))
        while len(choice) < count:
            batch = list(islice(order, count - len(choice)))
            if not batch:
                return
            architectures = self.recorded(batch)
            for name, evidence in zip(batch, self.evidence(batch), strict=True):
                if name in architectures:
                    choice.add(self._suggestion(architectures[name], evidence))

    def _in_order(self, excluded: set[str]) -> Iterator[str]:
        for code, _ in self.ranking.best_first():
            name = self.ranking.fingerprint(code)
            if name not in excluded:
                yield name

    def _suggestion(self, architecture: Architecture, evidence: tuple[SourceEvidence, ...]) -> Suggestion:
        own = self.own.get(architecture.fingerprint)
        candidate = architecture.candidate if own is None else own.candidate
        return Suggestion(candidate, architecture.canonical, Origin.TRANSFERRED, where_it_was_good(evidence), evidence)
