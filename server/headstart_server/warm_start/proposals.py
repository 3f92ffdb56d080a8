"""What to try next: candidates judged by the surrogate, in the order of what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.prediction.service import Judged
from headstart_server.warm_start.acquisition import NEAR, NEAR_AT_FIRST, Acquisition
from headstart_server.warm_start.candidate_generation import Generated
from headstart_server.warm_start.ranked_results import SourceEvidence
from headstart_server.warm_start.suggestions import ENOUGH_RESULTS, Choice, Origin, Suggestion

# A candidate that nobody has tried counts as transferred where sources, by their weights, give it this normal score.
_GOOD = 0.33
# What the task has tried or is trying when a default that nobody has tried comes, after the first of what other tasks
# found good; and a candidate to compare with where that is not known to be good here.
_BEFORE_DEFAULT, _BEFORE_CONTROL = 1, 2


@dataclass(frozen=True)
class Proposed:
    """A generated candidate that is new to the task."""

    generated: Generated
    canonical: CanonicalCandidate


@dataclass(frozen=True)
class Proposals:
    """``sources``: of the task behind each column of the surrogate, empty for a mean; ``default``: the space's default
    configuration, where it has one that the task has not tried; ``control``: a random candidate, which shows whether
    what sources promise is any better here. ``tried``: how many results the task has."""

    candidates: Sequence[Proposed]
    judged: Judged
    sources: Sequence[str]
    evidence: Callable[[Sequence[str]], list[tuple[SourceEvidence, ...]]]
    default: Suggestion | None
    control: Suggestion | None
    tried: int

    def take(self, choice: Choice, count: int) -> None:
        """Until there are ``count`` suggestions, or no candidate is left."""
        before = len(choice.excluded)
        for suggestion in self._best_first(choice):
            if len(choice) >= count:
                return
            if self.default is not None and before + len(choice) >= _BEFORE_DEFAULT:
                choice.add(self.default)
            if self.control is not None and before + len(choice) == _BEFORE_CONTROL and len(choice) < count:
                choice.add(self.control)
            if len(choice) < count:
                choice.add(suggestion)
        if self.default is not None and len(choice) < count:
            choice.add(self.default)

    def _best_first(self, choice: Choice) -> Iterator[Suggestion]:
        if not self.candidates:
            return
        names = [each.canonical.fingerprint for each in self.candidates]
        pending: NDArray[np.bool_] = np.array([name in choice.excluded for name in names], bool)
        # The very first proposal is one that was measured.
        recorded = np.array([each.generated.recorded for each in self.candidates], bool)
        acquisition = Acquisition(self.judged, NEAR_AT_FIRST if self.tried < ENOUGH_RESULTS else NEAR)
        for place in acquisition.best_first(pending, None if choice.excluded else recorded):
            [seen] = self.evidence([names[place]])
            yield self._suggestion(place, seen, acquisition.by_process[:, place])

    def _suggestion(self, place: int, evidence: tuple[SourceEvidence, ...], promise: NDArray[np.float64]) -> Suggestion:
        proposed = self.candidates[place]
        candidate, canonical = proposed.generated.candidate, proposed.canonical
        chance = f"; {self._chance(place)}" if self.tried else ""
        if evidence:
            return Suggestion(
                candidate, canonical, Origin.TRANSFERRED, f"{where_it_was_good(evidence)}{chance}", evidence
            )
        origin = proposed.generated.origin
        if self.judged.source_scores[place] < _GOOD:
            return Suggestion(candidate, canonical, Origin.GENERATED, f"{origin}{chance}")
        leading = self.sources[int(np.argmax(promise[1:]))]
        expected = f"good by the results of {leading or 'other tasks'}"
        return Suggestion(candidate, canonical, Origin.TRANSFERRED, f"{origin}; {expected}{chance}")

    def _chance(self, place: int) -> str:
        predictions, weights = self.judged.predictions, self.judged.weights
        ahead = (predictions.means[:, place] - self.judged.incumbent) / predictions.deviations[:, place]
        return f"chance {float(weights @ ndtr(ahead)):.0%} to beat the best here"


def where_it_was_good(evidence: Sequence[SourceEvidence]) -> str:
    best = max(evidence, key=lambda each: each.quantile)
    text = f"beats {best.quantile:.0%} of what was tried on {best.task_id}"
    return text + (f" and is known from {len(evidence) - 1} more tasks" if len(evidence) > 1 else "")


def new_candidates(
    generated: Sequence[Generated],
    canonical: Callable[[Candidate], CanonicalCandidate],
    known: Mapping[str, object] | set[str],
) -> list[Proposed]:
    """Those of the generated ones that are not known, each equivalence class once."""
    found: dict[str, Proposed] = {}
    for each in generated:
        form = canonical(each.candidate)
        if form.fingerprint not in known:
            found.setdefault(form.fingerprint, Proposed(each, form))
    return list(found.values())
