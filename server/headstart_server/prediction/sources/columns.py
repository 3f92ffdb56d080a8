"""Source columns: scores of candidates by source surrogates and by the task heads of the space's model.

Both are used where both exist. The evidence of the task's results decides which of them counts more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.registry.versions import ModelVersion
from headstart_server.prediction.serving.current_models import ServingModels
from headstart_server.prediction.serving.score_cache import ScoreCache
from headstart_server.prediction.sources.expected_agreement import ExpectedAgreement
from headstart_server.prediction.sources.model_averaging import SourcePrior
from headstart_server.prediction.sources.source_surrogates import SourceSurrogate


class SourceLearners(Protocol):
    """Learners of one kind, one for each source task."""

    @property
    def name(self) -> str:
        """A name that is unique in the process."""

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The source tasks [k]."""

    def scores(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """Scores [m, k], higher is better, NaN where a learner fails."""

    def scores_of_results(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """The same scores, for candidates with a result of the target task."""


@dataclass(frozen=True, eq=False)
class SurrogateLearners:
    """The source surrogates as learners; ``cache`` holds their scores."""

    surrogates: Sequence[SourceSurrogate]
    features: StructuralFeatures
    cache: ScoreCache

    @property
    def name(self) -> str:
        return "surrogates/" + ",".join(str(each.serial) for each in self.surrogates)

    @property
    def task_ids(self) -> tuple[str, ...]:
        return tuple(each.task_id for each in self.surrogates)

    def scores(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        return self.cache.scores(self.name, candidates, self._score)

    def scores_of_results(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        return self.scores(candidates)

    def _score(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        vectors: Numbers = self.features.vectors(candidates).astype(np.float64)
        return np.stack([each.scores(candidates, vectors) for each in self.surrogates], axis=1)


@dataclass(frozen=True, eq=False)
class TaskHeads:
    """The task heads of a model version as learners.

    Their scores come from networks that were trained without the architecture. Both methods raise Unavailable and
    NotFound.
    """

    models: ServingModels
    version: ModelVersion
    task_ids: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.version.name

    def scores(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        return self.models.unseen_scores(self.version, candidates)[:, : len(self.task_ids)]

    def scores_of_results(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        return self.models.unseen_scores_of_results(self.version, candidates)[:, : len(self.task_ids)]


@dataclass(frozen=True, eq=False)
class SourceColumns:
    """Columns of all learners by kind. If a kind has several, the weighted mean of its learners follows them."""

    kinds: tuple[SourceLearners, ...]
    expected: tuple[ExpectedAgreement, ...]

    @property
    def name(self) -> str:
        return ";".join(kind.name for kind in self.kinds)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The task of each column; empty for a mean."""
        return tuple(
            task_id for kind in self.kinds for task_id in (*kind.task_ids, *([""] if len(kind.task_ids) > 1 else []))
        )

    @property
    def expected_taus(self) -> Numbers:
        """Expected agreement of each column [columns]."""
        parts = [np.zeros(0)]
        for kind in self.expected:
            parts.append(kind.taus)
            if len(kind.taus) > 1:
                parts.append(np.array([kind.tau_of_mean]))
        return np.concatenate(parts)

    @property
    def support(self) -> float:
        """The number of past tasks behind the expected agreement."""
        return max([each.support for each in self.expected], default=0.0)

    def scores(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """Scores [m, columns], NaN where a learner fails."""
        return self._with_means([kind.scores(candidates) for kind in self.kinds], len(candidates))

    def scores_of_results(self, candidates: Sequence[CanonicalCandidate]) -> Numbers:
        """The same scores, for candidates with a result."""
        return self._with_means([kind.scores_of_results(candidates) for kind in self.kinds], len(candidates))

    def prior(self) -> SourcePrior:
        """The source prior; all kinds have the same total weight."""
        priors = [expected.prior() for expected in self.expected]
        if not priors:
            return SourcePrior.without_sources()
        alone, weights = min(prior.alone for prior in priors), np.concatenate([prior.weights for prior in priors])
        return SourcePrior(
            alone,
            weights * ((1.0 - alone) / float(weights.sum())),
            np.concatenate([prior.slopes for prior in priors]),
            np.concatenate([prior.residuals for prior in priors]),
        )

    def _with_means(self, scores: Sequence[NDArray[np.float64]], count: int) -> Numbers:
        parts: list[Numbers] = [np.zeros((count, 0))]
        for of_kind, expected in zip(scores, self.expected, strict=True):
            parts.append(of_kind)
            if of_kind.shape[1] > 1:
                parts.append((of_kind @ expected.weights)[:, None])
        return np.concatenate(parts, axis=1)
