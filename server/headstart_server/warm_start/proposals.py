"""Proposals of a warm start: new candidates scored by the surrogate, in the order of their acquisition values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.sources.surrogate import ScoredCandidates
from headstart_server.warm_start.acquisition import NEAR, NEAR_AT_FIRST, Acquisition
from headstart_server.warm_start.candidate_generation import GeneratedCandidate
from headstart_server.warm_start.ranked_results import Ranking, SourceEvidence
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS, Origin, Selection, Suggestion

# An untried candidate counts as transferred from this weighted normal score of the sources on.
_GOOD = 0.33
# Tried or pending candidates of the task after which an untried default comes, and a random control for comparison.
_BEFORE_DEFAULT, _BEFORE_CONTROL = 1, 2


@dataclass(frozen=True)
class Proposal:
    """A generated candidate that is new to the task."""

    generated: GeneratedCandidate
    canonical: CanonicalCandidate


@dataclass(frozen=True)
class Proposals:
    """Scored proposals for a task with ``result_count`` results.

    ``sources`` [k]: the task behind each source column of the surrogate, empty for a mean. ``default``: the space's
    default configuration, if it has one that the task has not tried. ``control``: a random candidate, which shows
    whether what sources rank high is any better here.
    """

    candidates: Sequence[Proposal]
    scored: ScoredCandidates
    sources: Sequence[str]
    ranking: Ranking
    default: Suggestion | None
    control: Suggestion | None
    result_count: int

    def take(self, selection: Selection, count: int) -> None:
        """Add to the selection until it has ``count`` suggestions or no candidate is left."""
        before = len(selection.excluded)
        for suggestion in self._best_first(selection):
            if len(selection) >= count:
                return
            if self.default is not None and before + len(selection) >= _BEFORE_DEFAULT:
                selection.add(self.default)
            if self.control is not None and before + len(selection) == _BEFORE_CONTROL and len(selection) < count:
                selection.add(self.control)
            if len(selection) < count:
                selection.add(suggestion)
        if self.default is not None and len(selection) < count:
            selection.add(self.default)

    def _best_first(self, selection: Selection) -> Iterator[Suggestion]:
        if not self.candidates:
            return
        fingerprints = [each.canonical.fingerprint for each in self.candidates]
        pending: NDArray[np.bool_] = np.array([each in selection.excluded for each in fingerprints], bool)
        # The very first proposal is one that was measured.
        recorded = np.array([each.generated.recorded for each in self.candidates], bool)
        acquisition = Acquisition(self.scored, NEAR_AT_FIRST if self.result_count < ENOUGH_RESULTS else NEAR)
        for index in acquisition.best_first(pending, None if selection.excluded else recorded):
            [evidence] = self.ranking.evidence_of([fingerprints[index]])
            yield self._suggestion(index, evidence, acquisition.by_component[:, index])

    def _suggestion(
        self, index: int, evidence: tuple[SourceEvidence, ...], improvements: NDArray[np.float64]
    ) -> Suggestion:
        proposal = self.candidates[index]
        candidate, canonical = proposal.generated.candidate, proposal.canonical
        chance = f"; {self._chance(index)}" if self.result_count else ""
        if evidence:
            return Suggestion(
                candidate, canonical, Origin.TRANSFERRED, f"{describe_evidence(evidence)}{chance}", evidence
            )
        origin = proposal.generated.origin
        if self.scored.source_scores[index] < _GOOD:
            return Suggestion(candidate, canonical, Origin.GENERATED, f"{origin}{chance}")
        leading = self.sources[int(np.argmax(improvements[1:]))]
        expected = f"good by the results of {leading or 'other tasks'}"
        return Suggestion(candidate, canonical, Origin.TRANSFERRED, f"{origin}; {expected}{chance}")

    def _chance(self, index: int) -> str:
        predictions, weights = self.scored.predictions, self.scored.weights
        ahead = (predictions.means[:, index] - self.scored.incumbent) / predictions.deviations[:, index]
        return f"chance {float(weights @ ndtr(ahead)):.0%} to beat the best here"


def describe_evidence(evidence: Sequence[SourceEvidence]) -> str:
    """The best of the evidence in words, for the reason of a suggestion."""
    best = max(evidence, key=lambda each: each.quantile)
    text = f"beats {best.quantile:.0%} of what was tried on {best.task_id}"
    return text + (f" and is known from {len(evidence) - 1} more tasks" if len(evidence) > 1 else "")


def new_candidates(
    generated: Sequence[GeneratedCandidate],
    canonicals: Sequence[CanonicalCandidate],
    known: Mapping[str, object] | set[str],
) -> list[Proposal]:
    """The generated candidates whose fingerprint is not known, the first of each equivalence class."""
    proposals: dict[str, Proposal] = {}
    for each, canonical in zip(generated, canonicals, strict=True):
        if canonical.fingerprint not in known:
            proposals.setdefault(canonical.fingerprint, Proposal(each, canonical))
    return list(proposals.values())
