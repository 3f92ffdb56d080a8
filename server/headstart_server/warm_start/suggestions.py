"""Suggestions of a warm start, and the selection that gathers them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.prediction.types import Prediction
from headstart_server.warm_start.ranked_results import SourceEvidence

# Architectures with a result, failed ones too, from which on a task's own results locate the good ones.
ENOUGH_RESULTS = 8


class Origin(IntEnum):
    TRANSFERRED = 1
    GENERATED = 2
    EXPLORATION = 3
    DEFAULT = 4


@dataclass(frozen=True)
class Suggestion:
    candidate: Candidate
    canonical: CanonicalCandidate
    origin: Origin
    reason: str
    evidence: tuple[SourceEvidence, ...] = ()
    prediction: Prediction | None = None


@dataclass(frozen=True)
class PoolMember:
    """A candidate of the caller's own pool with its canonical form."""

    candidate: Candidate
    canonical: CanonicalCandidate


class Selection:
    """Suggestions gathered one by one, each fingerprint once and none of the excluded ones."""

    def __init__(self, excluded: set[str]) -> None:
        self.excluded = excluded
        self.suggestions: list[Suggestion] = []

    def __len__(self) -> int:
        return len(self.suggestions)

    def add(self, suggestion: Suggestion) -> bool:
        """Add a suggestion; False if its fingerprint is excluded."""
        if suggestion.canonical.fingerprint in self.excluded:
            return False
        self.excluded.add(suggestion.canonical.fingerprint)
        self.suggestions.append(suggestion)
        return True

    def explore_pool(self, pool: Sequence[PoolMember], count: int, generator: random.Random) -> None:
        """Add random members of the pool until there are ``count`` suggestions."""
        for member in generator.sample(pool, len(pool)):
            if len(self) >= count:
                return
            self.add(
                Suggestion(member.candidate, member.canonical, Origin.EXPLORATION, "drawn at random from the pool")
            )
