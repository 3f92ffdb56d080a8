"""Ranked results of past tasks: the candidates that a new task should try first, with the evidence for each."""

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

# Architectures taken from one source at most: as many as one call may return.
MOST_OF_SOURCE = 4096

_FIRST_SORTED = 64


@dataclass(frozen=True)
class SourceEvidence:
    """A source task's result of an architecture; ``quantile``: the share of its architectures that this one beats."""

    task_id: str
    sequence: int
    objective_value: float
    quantile: float


@dataclass(frozen=True, eq=False)
class RankedResults:
    """The k architectures above the median of a source, best first: normal scores, and the results they come from.

    ``quantiles`` [k]: the share of the source's architectures that each beats; ``values`` [k] in the task's unit;
    ``sequences`` [k]: of the experiments.
    """

    task_id: str
    names: Fingerprints
    codes: Codes
    normal_scores: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    values: NDArray[np.float64]
    sequences: NDArray[np.int64]

    def evidence(self, queries: Codes) -> Iterator[tuple[int, SourceEvidence]]:
        """Evidence for the queried architectures [m] that are ranked, each with its index in the query."""
        ranked, ranks = self._ranks(queries)
        for index in np.flatnonzero(ranked).tolist():
            rank = ranks[index]
            sequence, value, quantile = self.sequences[rank], self.values[rank], self.quantiles[rank]
            yield index, SourceEvidence(self.task_id, int(sequence), float(value), float(quantile))

    def _ranks(self, queries: Codes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """A mask of the queried architectures [m] that are ranked, and ranks [m], valid where the mask is true."""
        codes, ranks = self._by_code
        if not len(codes):
            return np.zeros(len(queries), bool), np.zeros(len(queries), np.int64)
        nearest = np.minimum(np.searchsorted(codes, queries), len(codes) - 1)
        return codes[nearest] == queries, ranks[nearest]

    @cached_property
    def _by_code(self) -> tuple[Codes, NDArray[np.int64]]:
        order = np.argsort(self.codes)
        return self.codes[order], order


def ranked_results_of(source: Observations, most: int = MOST_OF_SOURCE) -> RankedResults:
    """Rank the architectures of a source above its median by their best results, ``most`` of them at most.

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
    """Every architecture above the median of a weighted source, the most promising first.

    The score of an architecture is the weighted sum of its normal scores over the sources. A source that has not
    tried it, or ranks it below the median, adds nothing.
    """

    def __init__(self, weighted: Sequence[tuple[RankedResults, float]], among: Codes | None = None) -> None:
        """``weighted``: sources with their weights; ``among``: rank these architectures only."""
        self._sources = [source for source, _ in weighted]
        self._weights = [weight for _, weight in weighted]
        self._among = among

    @cached_property
    def _scored(self) -> tuple[Codes, NDArray[np.float64]]:
        """Codes and scores; lazy, because proposals of the surrogate usually suffice."""
        tried = np.concatenate([np.empty(0, np.int64), *(source.codes for source in self._sources)])
        scores = [weight * source.normal_scores for source, weight in zip(self._sources, self._weights, strict=True)]
        added = np.concatenate([np.empty(0), *scores])
        if not len(tried):
            return tried, added
        codes: Codes = np.flatnonzero(np.bincount(tried)).astype(np.int64)
        if self._among is not None:
            codes = np.intersect1d(codes, self._among)
        return codes, np.bincount(tried, weights=added).astype(np.float64)[codes]

    def best_first(self) -> Iterator[tuple[int, float]]:
        """Codes and scores, equal scores by fingerprint; sorts only as far as it is consumed."""
        codes, scores = self._scored
        done, size = 0, _FIRST_SORTED
        while done < len(codes):
            size = min(size, len(codes))
            least = np.partition(scores, len(codes) - size)[len(codes) - size]
            chosen = np.flatnonzero(scores >= least).tolist()
            chosen.sort(key=lambda index: (-scores[index], self.fingerprint(int(codes[index]))))
            for index in chosen[done:]:
                yield int(codes[index]), float(scores[index])
            done, size = len(chosen), 4 * len(chosen)

    def fingerprint(self, code: int) -> str:
        return self._sources[0].names.name(code)

    def evidence(self, codes: Sequence[int]) -> list[tuple[SourceEvidence, ...]]:
        """The evidence for each architecture, the heaviest source first."""
        merged: list[list[SourceEvidence]] = [[] for _ in codes]
        queries = np.array(codes, dtype=np.int64)
        for source in self._sources:
            for index, evidence in source.evidence(queries):
                merged[index].append(evidence)
        return [tuple(evidence) for evidence in merged]

    def evidence_of(self, fingerprints: Sequence[str]) -> list[tuple[SourceEvidence, ...]]:
        """The evidence for each architecture by fingerprint; empty where no source ranks it."""
        if not self._sources:
            return [() for _ in fingerprints]
        return self.evidence(self._sources[0].names.numbers(fingerprints).tolist())
