"""Expected agreement of each source with a new task, as Kendall's tau, before the task has results.

It combines two kinds of evidence: how well past tasks of the space predict one another, each left out in turn, and how
similar their descriptions are. Proposals therefore follow past tasks that agree from the first one on, and ignore past
tasks that disagree or that are not similar to the new task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart_server.knowledge.similarity.rank_correlation import kendall_tau, kendall_taus
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.sources.model_averaging import SourcePrior

# Prior tau of two tasks: of unknown similarity, of similarity 0, of similarity 1.
_UNKNOWN, _DISSIMILAR, _EQUAL = 0.4, 0.05, 0.85
# Weights of two priors, in past tasks: of the tau by similarity, and of the average over all sources.
_STRENGTH, _STRENGTH_OF_AVERAGE = 1.0, 2.0
# With this number of held-out results, half of the observed agreement is chance.
_CHANCE = 12.0
# The bandwidth in similarity within which pairs of tasks inform one another.
_BANDWIDTH = 0.15
_LEAST, _MOST = 0.02, 0.95
# The probability that the task follows no source falls with the best expected tau, between these bounds.
_TRUST, _MOST_ALONE, _LEAST_ALONE = 1.25, 0.97, 0.1
# If it is expected to agree as well, the mean of all sources weighs this much more than the best of them.
_MEAN = 3.0
# Before there are results, a source leaves at least this share of a task's variance unexplained.
_LEAST_RESIDUAL = 0.1


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A source in the role of the new task.

    ``measured`` [n] are normal scores of some of its results, ``scores`` [n, k] the scores of these results by all
    sources. Higher is better in both; NaN where a source has no score.
    """

    measured: Numbers
    scores: Numbers


@dataclass(frozen=True, eq=False)
class ExpectedAgreement:
    """Expected Kendall tau of each source, ``taus`` [k], and of their weighted mean, ``tau_of_mean``.

    ``support`` is the number of past tasks that showed this agreement among tasks as similar as the sources and the
    target; 0 if the expectation rests on similarity alone.
    """

    taus: Numbers
    tau_of_mean: float
    support: float

    @property
    def weights(self) -> Numbers:
        """The weights [k] of the sources in their mean; their sum is 1."""
        return _weights(self.taus)

    def for_tasks(self, task_ids: Sequence[str], others: Sequence[str]) -> ExpectedAgreement:
        """The expectation for learners of the tasks ``others``, given that of ``task_ids``.

        A task without an expectation gets the weighted average.
        """
        known = dict(zip(task_ids, self.taus.tolist(), strict=True))
        average = float(self.taus @ self.weights)
        taus = np.array([known.get(task_id, average) for task_id in others])
        return ExpectedAgreement(taus, self.tau_of_mean, self.support)

    def prior(self) -> SourcePrior:
        """The source prior for the columns of the sources, and for the column of their mean if there are several."""
        taus, weights = self.taus, self.weights
        if len(taus) > 1:
            mean = _MEAN * self.tau_of_mean**2 / (_MEAN * self.tau_of_mean**2 + taus.max() ** 2)
            taus, weights = np.append(taus, self.tau_of_mean), np.append((1.0 - mean) * weights, mean)
        # Pearson's correlation of two normal variables with this tau.
        correlations = np.sin(0.5 * np.pi * taus)
        alone = float(np.clip(1.0 - _TRUST * taus.max(), _LEAST_ALONE, _MOST_ALONE))
        residuals = np.maximum(1.0 - np.square(correlations), _LEAST_RESIDUAL)
        return SourcePrior(alone, (1.0 - alone) * weights, correlations, residuals)


def expect_agreement(held_out: Sequence[HeldOut], between: Numbers, similarity: Numbers) -> ExpectedAgreement:
    """The expectation from k held-out sources, their pairwise similarity ``between`` [k, k], and their ``similarity``
    [k] to the new task.

    Similarity is 0 to 1, NaN where it is unknown.
    """
    count = len(held_out)
    measured = np.full((count, count), np.nan)
    for index, source in enumerate(held_out):
        if len(source.measured) > 1:
            measured[:, index] = kendall_taus(source.measured, source.scores)
            measured[index, index] = np.nan
    informative = np.array([len(source.measured) / (len(source.measured) + _CHANCE) for source in held_out])
    expected = [_expected_tau(measured, informative, between, index, each) for index, each in enumerate(similarity)]
    taus = np.clip(np.array(expected), _LEAST, _MOST)
    if count < 2:
        return ExpectedAgreement(taus, float(taus[0]) if count else _LEAST, 0.0)
    taus_of_mean = np.array([_tau_of_mean(source, index, taus) for index, source in enumerate(held_out)])
    # The mean is expected to be as good as the best source, until similar tasks show otherwise.
    closeness = float(_closeness(between, similarity) @ _weights(taus))
    support = closeness * float(informative.sum())
    mean = _STRENGTH_OF_AVERAGE * taus.max() + closeness * float(informative @ taus_of_mean)
    mean /= _STRENGTH_OF_AVERAGE + support
    return ExpectedAgreement(taus, float(np.clip(mean, _LEAST, _MOST)), support)


def _expected_tau(measured: Numbers, informative: Numbers, between: Numbers, index: int, similarity: float) -> float:
    """The expected tau of one source.

    Its tau with the other sources is shrunk to the average of all pairs, and that to the prior tau of its similarity.
    ``measured`` [k, k] are the taus of all pairs, NaN on the diagonal; ``informative`` [k] is how much the results of
    each held-out task say, 0 to 1.
    """
    closeness = np.where(np.isfinite(measured), _kernel(between, similarity), 0.0) * informative
    taus = np.nan_to_num(measured)
    # Pairs that share tasks are not independent: they count as the number of tasks.
    share = 1.0 / max(len(measured) - 1, 1)
    average = _STRENGTH * _prior_tau(similarity) + share * (closeness * taus).sum()
    average /= _STRENGTH + share * closeness.sum()
    weights = closeness[index]
    return float((_STRENGTH_OF_AVERAGE * average + weights @ taus[index]) / (_STRENGTH_OF_AVERAGE + weights.sum()))


def _prior_tau(similarity: float) -> float:
    return _UNKNOWN if np.isnan(similarity) else _DISSIMILAR + (_EQUAL - _DISSIMILAR) * similarity


def _kernel(between: Numbers, similarity: float) -> Numbers:
    """The weight of each pair of tasks as evidence for a pair of this similarity.

    Pairs of unknown similarity are evidence for one another only.
    """
    if np.isnan(similarity):
        return np.isnan(between).astype(np.float64)
    return np.nan_to_num(np.exp(-0.5 * np.square((between - similarity) / _BANDWIDTH)))


def _closeness(between: Numbers, similarity: Numbers) -> Numbers:
    """The mean weight [k] of all pairs as evidence for each source and the new task, 0 to 1."""
    others = ~np.eye(len(between), dtype=bool)
    return np.array([_kernel(between, each)[others].mean() for each in similarity])


def _tau_of_mean(source: HeldOut, index: int, taus: Numbers) -> float:
    """Kendall tau of a held-out source with the weighted mean of the other sources."""
    others = np.arange(len(taus)) != index
    scores = np.nan_to_num(source.scores[:, others])
    return kendall_tau(source.measured, scores @ _weights(taus[others])) or 0.0


def _weights(taus: Numbers) -> Numbers:
    """Weights by squared tau, of sum 1: one source that agrees outweighs many that do not."""
    return np.asarray(np.square(taus) / np.square(taus).sum())
