"""Ranks what past tasks found good: the candidates that a new task should try first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from headstart_server.knowledge.observations.interning import Codes, Fingerprints
from headstart_server.knowledge.observations.observations import Observations

# A source is asked for so many of its best at most: as many as one call may be answered with.
MOST_OF_SOURCE = 4096

_FIRST_SORTED = 64


@dataclass(frozen=True)
class SourceEvidence:
    """What a source task saw of an architecture; ``quantile`` is the share of its architectures that this one beats."""

    task_id: str
    sequence: int
    objective_value: float
    quantile: float


@dataclass(frozen=True, eq=False)
class RankedResults:
    """The architectures above the median of a source, best first (k of them): normal scores, and where they were seen.

    ``quantiles`` [k]: the share of the source's architectures that each beats; ``values`` [k] in the task's unit.
    """

    task_id: str
    names: Fingerprints
    codes: Codes
    normal_scores: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    values: NDArray[np.float64]
    sequences: NDArray[np.int64]

    def evidence(self, asked: Codes) -> Iterator[tuple[int, SourceEvidence]]:
        """Of those of the asked architectures [m] that stand here, each with its place among them."""
        here, places = self._found(asked)
        for place in np.flatnonzero(here).tolist():
            found = places[place]
            sequence, value, quantile = self.sequences[found], self.values[found], self.quantiles[found]
            yield place, SourceEvidence(self.task_id, int(sequence), float(value), float(quantile))

    def normal_scores_of(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Of architectures by fingerprint [m]; 0, as for an average one, where they do not stand here."""
        here, places = self._found(self.names.numbers(names))
        scores = np.zeros(len(here))
        scores[here] = self.normal_scores[places[here]]
        return scores

    def _found(self, asked: Codes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which of the asked architectures [m] stand here, and where [m], of no meaning for the others."""
        codes, places = self._by_code
        if not len(codes):
            return np.zeros(len(asked), bool), np.zeros(len(asked), np.int64)
        nearest = np.minimum(np.searchsorted(codes, asked), len(codes) - 1)
        return codes[nearest] == asked, places[nearest]

    @cached_property
    def _by_code(self) -> tuple[Codes, NDArray[np.int64]]:
        order = np.argsort(self.codes)
        return self.codes[order], order


def ranked_results_of(source: Observations, most: int = MOST_OF_SOURCE) -> RankedResults:
    """The best of a source's architectures, by their best results: those above its median, so many at most.

    Normal scores by Blom, "Statistical estimates and transformed beta-variables", 1958.
    """
    best = source.best_indices
    ranks = rankdata(source.values[best] if source.task.maximize else -source.values[best])
    normal_scores = ndtri((ranks - 0.375) / (len(ranks) + 0.25))
    order = np.argsort(-ranks, kind="stable")[:most]
    order = order[normal_scores[order] > 0]
    chosen = best[order]
    return RankedResults(
        source.task.task_id,
        source.names,
        source.codes[chosen],
        normal_scores[order],
        (ranks[order] - 1) / max(len(ranks) - 1, 1),
        source.values[chosen],
        chosen + 1,
    )


class Ranking:
    """Every architecture above the median of a source with weight, the most promising first.

    The score is the weighted sum over sources of the normal score by which the architecture stands above the source's
    median. What a source has not seen, or found mediocre, adds none.
    """

    def __init__(self, taking_part: Sequence[tuple[RankedResults, float]], among: Codes | None = None) -> None:
        """Sources with their weights; ``among``: rank these architectures only."""
        self._sources = [source for source, _ in taking_part]
        self._weights = [weight for _, weight in taking_part]
        self._among = among

    def __len__(self) -> int:
        return len(self._scored[0])

    @cached_property
    def _scored(self) -> tuple[Codes, NDArray[np.float64]]:
        """Codes and scores. Made when the first is asked for, which is seldom: a portfolio comes before."""
        met = np.concatenate([np.empty(0, np.int64), *(source.codes for source in self._sources)])
        scores = [weight * source.normal_scores for source, weight in zip(self._sources, self._weights, strict=True)]
        added = np.concatenate([np.empty(0), *scores])
        if not len(met):
            return met, added
        codes: Codes = np.flatnonzero(np.bincount(met)).astype(np.int64)
        if self._among is not None:
            codes = np.intersect1d(codes, self._among)
        return codes, np.bincount(met, weights=added).astype(np.float64)[codes]

    def best_first(self) -> Iterator[tuple[int, float]]:
        """Codes and scores, equal scores by fingerprint; sorted as far as they are asked for."""
        codes, scores = self._scored
        done, size = 0, _FIRST_SORTED
        while done < len(codes):
            size = min(size, len(codes))
            least = np.partition(scores, len(codes) - size)[len(codes) - size]
            chosen = np.flatnonzero(scores >= least).tolist()
            chosen.sort(key=lambda place: (-scores[place], self.fingerprint(int(codes[place]))))
            for place in chosen[done:]:
                yield int(codes[place]), float(scores[place])
            done, size = len(chosen), 4 * len(chosen)

    def fingerprint(self, code: int) -> str:
        return self._sources[0].names.name(code)

    def evidence(self, codes: Sequence[int]) -> list[tuple[SourceEvidence, ...]]:
        """What the sources saw of each of them, the heaviest source first."""
        found: list[list[SourceEvidence]] = [[] for _ in codes]
        asked = np.array(codes, dtype=np.int64)
        for source in self._sources:
            for place, evidence in source.evidence(asked):
                found[place].append(evidence)
        return [tuple(evidence) for evidence in found]

    def evidence_of(self, fingerprints: Sequence[str]) -> list[tuple[SourceEvidence, ...]]:
        """The same by fingerprint; nothing of what no source has met."""
        if not self._sources:
            return [() for _ in fingerprints]
        return self.evidence(self._sources[0].names.numbers(fingerprints).tolist())
