"""Source columns: scores of candidates by source surrogates and by the task heads of the space's model.

Both are used where both exist. The evidence of the task's results decides which of them counts more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.serving.score_cache import Score
from headstart_server.prediction.sources.expected_agreement import ExpectedAgreement
from headstart_server.prediction.sources.model_averaging import SourcePrior


@dataclass(frozen=True, eq=False)
class Learners:
    """Learners of one kind, one for each of ``task_ids`` [k]; ``name`` is unique in the process.

    ``scores`` [m, k] are of candidates, by learners that were fitted without their results; ``scores_of_results`` are
    the same for candidates with one.
    """

    name: str
    task_ids: tuple[str, ...]
    scores: Score
    scores_of_results: Score


@dataclass(frozen=True, eq=False)
class SourceColumns:
    """All learners of every kind; each kind is followed by the weighted mean of its learners if there are several."""

    kinds: tuple[Learners, ...]
    expected: tuple[ExpectedAgreement, ...]

    @property
    def name(self) -> str:
        return ";".join(kind.name for kind in self.kinds)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The task behind each column; empty for a mean."""
        return tuple(
            task_id for kind in self.kinds for task_id in (*kind.task_ids, *([""] if len(kind.task_ids) > 1 else []))
        )

    @property
    def expected_taus(self) -> Numbers:
        """Expected agreement of each column [columns]."""
        parts = [np.zeros(0)]
        for kind in self.expected:
            parts.append(kind.sources)
            if len(kind.sources) > 1:
                parts.append(np.array([kind.of_mean]))
        return np.concatenate(parts)

    @property
    def seen(self) -> float:
        """The number of past tasks that showed the agreement expected of the sources."""
        return max([each.seen for each in self.expected], default=0.0)

    def scores(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """Scores [m, columns], NaN where a learner fails."""
        return self._joined([kind.scores(candidates) for kind in self.kinds], len(candidates))

    def scores_of_results(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """The same scores for candidates with a result."""
        return self._joined([kind.scores_of_results(candidates) for kind in self.kinds], len(candidates))

    def prior(self) -> SourcePrior:
        """The source prior; kinds count the same before there is evidence."""
        priors = [expected.prior() for expected in self.expected]
        if not priors:
            return SourcePrior.of_none()
        alone, weights = min(prior.alone for prior in priors), np.concatenate([prior.weights for prior in priors])
        return SourcePrior(
            alone,
            weights * ((1.0 - alone) / float(weights.sum())),
            np.concatenate([prior.slopes for prior in priors]),
            np.concatenate([prior.residuals for prior in priors]),
        )

    def _joined(self, scores: Sequence[NDArray[np.float64]], count: int) -> Numbers:
        parts: list[Numbers] = [np.zeros((count, 0))]
        for own, expected in zip(scores, self.expected, strict=True):
            parts.append(own)
            if own.shape[1] > 1:
                parts.append((own @ expected.weights)[:, None])
        return np.concatenate(parts, axis=1)
