"""What to try next on a task that has results: new candidates around what is good, by their expected improvement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.prediction.service import Judged
from headstart_server.warm_start.acquisition import apart, expected_improvement
from headstart_server.warm_start.first_proposals import where_it_was_good
from headstart_server.warm_start.growing import Grown
from headstart_server.warm_start.suggestions import Choice, Origin, Suggestion
from headstart_server.warm_start.transfer_ranking import SourceEvidence


@dataclass(frozen=True)
class Seedling:
    """A grown candidate that is new to the task."""

    grown: Grown
    canonical: CanonicalCandidate


@dataclass(frozen=True)
class NextProposals:
    """``open``: whether other tasks have a say."""

    seedlings: Sequence[Seedling]
    judged: Judged
    incumbent: float
    open: bool
    evidence: Callable[[Sequence[str]], list[tuple[SourceEvidence, ...]]]

    def take(self, choice: Choice, count: int) -> None:
        """Until there are ``count`` suggestions, or no candidate is left."""
        if len(choice) >= count or not self.seedlings:
            return
        informed = self.judged.informed
        expected = informed if informed is not None and self.open else self.judged.alone
        names = [seedling.canonical.fingerprint for seedling in self.seedlings]
        pending: NDArray[np.bool_] = np.array([name in choice.excluded for name in names], bool)
        promise = expected_improvement(expected.means, expected.deviations, self.incumbent)
        chance = ndtr((expected.means - self.incumbent) / np.maximum(expected.deviations, 1e-9))
        chosen: list[int] = []
        for place in apart(promise, self.judged.features, pending):
            chosen.append(place)
            if len(chosen) == count - len(choice):
                break
        for place, seen in zip(chosen, self.evidence([names[place] for place in chosen]), strict=True):
            choice.add(_suggestion(self.seedlings[place], seen, f"chance {chance[place]:.0%} to beat the best here"))


def _suggestion(seedling: Seedling, evidence: tuple[SourceEvidence, ...], chance: str) -> Suggestion:
    candidate, canonical = seedling.grown.candidate, seedling.canonical
    if evidence:
        return Suggestion(
            candidate, canonical, Origin.TRANSFERRED, f"{where_it_was_good(evidence)}; {chance}", evidence
        )
    return Suggestion(candidate, canonical, Origin.GENERATED, f"{seedling.grown.origin}; {chance}")


def seedlings_of(
    grown: Sequence[Grown], canonical: Callable[[Candidate], CanonicalCandidate], known: Mapping[str, object] | set[str]
) -> list[Seedling]:
    """Those of the grown ones that are not known, each equivalence class once."""
    found: dict[str, Seedling] = {}
    for each in grown:
        form = canonical(each.candidate)
        if form.fingerprint not in known:
            found.setdefault(form.fingerprint, Seedling(each, form))
    return list(found.values())
