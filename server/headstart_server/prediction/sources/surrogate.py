"""What a search goes by: how good candidates are for its task, by its own results and by what other tasks teach.

All of it on normal scores of the task's own results. It is said twice: by the task alone, and with other tasks as far
as the evidence of the results speaks for them (see ``search_process``). The share of the second only falls as results
come, so the task's own say never decreases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.gaussian_process import Numbers
from headstart_server.prediction.search_process import SearchProcess

# With so many results of its own a task weighs them as much as what it is told by others.
_STRENGTH_OF_OTHERS = 10.0


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

    features: Numbers
    alone: Expected
    informed: Expected | None


@dataclass(frozen=True)
class Surrogate:
    """``scores`` asks those who lead ``process`` about candidates: [m, heads]; ``features`` are on its common scale.

    ``source_weights``: by task id, 0 to 1: how far each other task's ranking of the results agrees with them, beyond
    chance. ``count``: architectures of the task that it rests on, failed ones too; ``incumbent``: the score to beat.
    """

    process: SearchProcess
    alone: SearchProcess
    count: int
    incumbent: float
    source_weights: Mapping[str, float]
    features: Callable[[Sequence[CanonicalCandidate]], Numbers]
    scores: Callable[[Sequence[CanonicalCandidate]], Numbers] | None

    @property
    def share_of_others(self) -> float | None:
        """What other tasks are worth by the evidence of the task's results, 0 to 1; None where none has a say."""
        return None if self.scores is None else self.process.share_of_others

    def judge(self, candidates: Sequence[CanonicalCandidate]) -> Judged:
        """Of candidates that the task has no result of."""
        features = self.features(candidates)
        if self.scores is None:
            return Judged(features, self._alone(features), None)
        told = self.scores(candidates)
        # A learner that fails on a candidate is not heard of it.
        heard: NDArray[np.bool_] = np.asarray(np.isfinite(told).all(axis=1))
        _, _, led, unsure = self.process.predict(features, np.where(heard[:, None], told, 0.0))
        alone = self._alone(features)
        own = np.where(heard, own_share(self.count), 1.0)
        informed = Expected(own * alone.means + (1.0 - own) * led, own * alone.deviations + (1.0 - own) * unsure)
        return Judged(features, alone, informed)

    def _alone(self, features: Numbers) -> Expected:
        return Expected(*self.alone.predict(features, np.zeros((len(features), 0)))[:2])
