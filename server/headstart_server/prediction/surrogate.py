"""What a search goes by: how good candidates are for its task, by its own results and by what other tasks teach.

All of it on normal scores of the task's own results. Two predictors say it: one that rests on the task alone, and one
whose prior mean other tasks lead (Golovin et al., KDD 2017, stack Gaussian processes likewise; weights by agreement of
rankings after Feurer et al., "Scalable meta-learning for Bayesian optimization", 2018). The share of the second only
falls as results come, so the task's own say never decreases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.adaptation import AnyFloats
from headstart_server.prediction.gaussian_process import Numbers
from headstart_server.prediction.task_predictors import TaskPredictor

# With so many results of its own a task weighs them as much as what it is told by others.
_STRENGTH_OF_OTHERS = 40.0


def own_share(count: int) -> float:
    """The weight of a task's own ``count`` results against all other tasks, 0 to 1; it never falls as they grow."""
    return count / (count + _STRENGTH_OF_OTHERS)


@dataclass(frozen=True)
class Expected:
    """Means and standard deviations [m] on normal scores."""

    means: Numbers
    deviations: Numbers


@dataclass(frozen=True)
class Judged:
    """Candidates with features [m, d]; ``informed`` is None where no other task has a say."""

    features: AnyFloats
    alone: Expected
    informed: Expected | None


@dataclass(frozen=True)
class Surrogate:
    """``scores`` asks those who lead the prior mean of ``informed`` about candidates: [m, heads].

    ``task_ids``: the tasks of the first heads.
    """

    alone: TaskPredictor
    informed: TaskPredictor | None
    task_ids: tuple[str, ...]
    features: Callable[[Sequence[CanonicalCandidate]], AnyFloats]
    scores: Callable[[Sequence[CanonicalCandidate]], Numbers]

    @property
    def count(self) -> int:
        """Architectures of the task that it rests on, failed ones too."""
        return len(self.alone.labels.fingerprints)

    @property
    def incumbent(self) -> float:
        """The normal score to beat."""
        return self.alone.predictor.best_standing

    @property
    def agreement_alone(self) -> float:
        """Kendall's tau of the task's results with what is said of each without it, by its own results alone."""
        return self.alone.predictor.left_out_agreement

    @property
    def agreement_informed(self) -> float | None:
        """The same with what other tasks teach; None where none has a say."""
        return None if self.informed is None else self.informed.predictor.left_out_agreement

    @property
    def source_weights(self) -> dict[str, float]:
        """By task id, 0 to 1: how far each other task's ranking of the results agrees with them, beyond chance."""
        if self.informed is None:
            return {}
        return dict(zip(self.task_ids, self.informed.predictor.agreement.tolist(), strict=False))

    def judge(self, candidates: Sequence[CanonicalCandidate]) -> Judged:
        """Of candidates that the task has no result of."""
        features = self.features(candidates)
        alone = Expected(*self.alone.predictor.standings(features, None))
        if self.informed is None:
            return Judged(features, alone, None)
        told = Expected(*self.informed.predictor.standings(features, self.scores(candidates)))
        own = own_share(self.count)
        # A learner that fails on a candidate is not heard of it.
        heard = np.isfinite(told.means) & np.isfinite(told.deviations)
        means = np.where(heard, own * alone.means + (1.0 - own) * told.means, alone.means)
        deviations = np.where(heard, own * alone.deviations + (1.0 - own) * told.deviations, alone.deviations)
        return Judged(features, alone, Expected(means, deviations))
