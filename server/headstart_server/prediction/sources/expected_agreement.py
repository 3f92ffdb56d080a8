"""Expected agreement of each source with a new task, as Kendall's tau, before the task has results.

It is learned from how well past tasks of the space predict one another, each left out in turn (leave one task out),
and from how similar two tasks are by their descriptions. Past tasks that agree are therefore followed from the first
proposal on. Past tasks that disagree, or that are not similar to the new one, are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart_server.knowledge.similarity.rank_correlation import kendall_tau, kendall_taus
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.sources.model_averaging import SourcePrior

# Prior agreement of two tasks: nothing known, nothing in common, apparently equal.
_UNKNOWN, _UNLIKE, _EQUAL = 0.4, 0.05, 0.85
# The prior counts for the first number of past tasks, the average over all sources for the second.
_STRENGTH, _STRENGTH_OF_ALL = 1.0, 2.0
# With this number of held-out results, half of the observed agreement is chance.
_CHANCE = 12.0
# The bandwidth in similarity within which pairs of tasks inform one another.
_ALIKE = 0.15
_LEAST, _MOST = 0.02, 0.95
# The probability that a source leads rises with the best expected agreement, between these bounds.
_TRUST, _MOST_ALONE, _LEAST_ALONE = 1.25, 0.97, 0.1
# The mean of all sources counts this much more than the best of them, if it is expected to agree as well.
_MEAN = 3.0
# Before there are results, a source leaves at least this share of a task's variance unexplained.
_LEAST_RESIDUAL = 0.1


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A source in the role of the new task: ``measured`` [n] of some of its results, and ``scores`` [n, k] by all
    sources.

    Higher is better in both; NaN where a source has no score.
    """

    measured: Numbers
    scores: Numbers


@dataclass(frozen=True, eq=False)
class ExpectedAgreement:
    """``sources`` [k] is the expected Kendall tau of each; ``of_mean`` that of their weighted mean.

    ``seen`` is the number of past tasks that showed this agreement among tasks as similar as the sources and the
    target; 0 if only similarity suggests it.
    """

    sources: Numbers
    of_mean: float
    seen: float

    @property
    def weights(self) -> Numbers:
        """The weights [k] of the sources in their average; of sum 1."""
        return _weights(self.sources)

    def of(self, task_ids: Sequence[str], others: Sequence[str]) -> ExpectedAgreement:
        """The expectation for other learners of the same tasks, given by id; the average for a task without one."""
        known = dict(zip(task_ids, self.sources.tolist(), strict=True))
        average = float(self.sources @ self.weights)
        taus = np.array([known.get(task_id, average) for task_id in others])
        return ExpectedAgreement(taus, self.of_mean, self.seen)

    def prior(self) -> SourcePrior:
        """The expectation for the columns of the sources, followed by that of their mean if there are several."""
        taus, weights = self.sources, self.weights
        if len(taus) > 1:
            mean = _MEAN * self.of_mean**2 / (_MEAN * self.of_mean**2 + taus.max() ** 2)
            taus, weights = np.append(taus, self.of_mean), np.append((1.0 - mean) * weights, mean)
        # Pearson's correlation of two normal variables with this tau.
        correlations = np.sin(0.5 * np.pi * taus)
        alone = float(np.clip(1.0 - _TRUST * taus.max(), _LEAST_ALONE, _MOST_ALONE))
        residuals = np.maximum(1.0 - np.square(correlations), _LEAST_RESIDUAL)
        return SourcePrior(alone, (1.0 - alone) * weights, correlations, residuals)


def expect_agreement(held_out: Sequence[HeldOut], between: Numbers, similarity: Numbers) -> ExpectedAgreement:
    """The expectation from k held-out sources, their similarity ``between`` them [k, k], and their ``similarity`` [k]
    to the task.

    Similarity is 0 to 1, NaN where nothing is known.
    """
    count = len(held_out)
    measured = np.full((count, count), np.nan)
    for index, own in enumerate(held_out):
        if len(own.measured) > 1:
            measured[:, index] = kendall_taus(own.measured, own.scores)
            measured[index, index] = np.nan
    informative = np.array([len(own.measured) / (len(own.measured) + _CHANCE) for own in held_out])
    sources = np.array(
        [_expected(measured, informative, between, index, like) for index, like in enumerate(similarity)]
    )
    sources = np.clip(sources, _LEAST, _MOST)
    if count < 2:
        return ExpectedAgreement(sources, float(sources[0]) if count else _LEAST, 0.0)
    of_mean = np.array([_tau_of_mean(own, index, sources) for index, own in enumerate(held_out)])
    # As good as the best of them, until similar tasks show that it is better or worse.
    alike = float(_closeness(between, similarity) @ _weights(sources))
    seen = alike * float(informative.sum())
    mean = (_STRENGTH_OF_ALL * sources.max() + alike * float(informative @ of_mean)) / (_STRENGTH_OF_ALL + seen)
    return ExpectedAgreement(sources, float(np.clip(mean, _LEAST, _MOST)), seen)


def _expected(measured: Numbers, predicted: Numbers, between: Numbers, index: int, similarity: float) -> float:
    """The expectation for one source: its agreement with the others, shrunk to the agreement of all, shrunk to what
    similarity suggests.

    ``predicted`` [k] is how informative each task's results are, 0 to 1.
    """
    closeness = np.where(np.isfinite(measured), _kernel(between, similarity), 0.0) * predicted
    taus = np.nan_to_num(measured)
    # Pairs that share tasks are not independent: they count as the number of tasks.
    share = 1.0 / max(len(measured) - 1, 1)
    promised = _promised(similarity)
    family = (_STRENGTH * promised + share * (closeness * taus).sum()) / (_STRENGTH + share * closeness.sum())
    own = closeness[index]
    return float((_STRENGTH_OF_ALL * family + own @ taus[index]) / (_STRENGTH_OF_ALL + own.sum()))


def _promised(similarity: float) -> float:
    return _UNKNOWN if np.isnan(similarity) else _UNLIKE + (_EQUAL - _UNLIKE) * similarity


def _kernel(between: Numbers, similarity: float) -> Numbers:
    """The weight of each pair for one of this similarity. Pairs of unknown similarity count for others of unknown
    similarity.
    """
    if np.isnan(similarity):
        return np.isnan(between).astype(np.float64)
    return np.nan_to_num(np.exp(-0.5 * np.square((between - similarity) / _ALIKE)))


def _closeness(between: Numbers, similarity: Numbers) -> Numbers:
    """For each source, the mean weight of pairs for it and the task, 0 to 1."""
    others = ~np.eye(len(between), dtype=bool)
    return np.array([_kernel(between, like)[others].mean() for like in similarity])


def _tau_of_mean(own: HeldOut, index: int, taus: Numbers) -> float:
    others = np.arange(len(taus)) != index
    scores = np.nan_to_num(own.scores[:, others])
    return kendall_tau(own.measured, scores @ _weights(taus[others])) or 0.0


def _weights(taus: Numbers) -> Numbers:
    """The weights by squared tau, so that one source that agrees outweighs many that do not; of sum 1."""
    return np.asarray(np.square(taus) / np.square(taus).sum())
