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

# Agreement of two tasks of which nothing is known, of those that have nothing in common, and of those that seem equal.
_UNKNOWN, _UNLIKE, _EQUAL = 0.4, 0.05, 0.85
# Such an expectation counts for so many past tasks, and so does what all sources showed for each of them.
_STRENGTH, _STRENGTH_OF_ALL = 1.0, 2.0
# Of so many results held out, half of what they show is chance.
_CHANCE = 12.0
# Pairs of tasks tell of another pair as far as they are alike to the same degree, within about this much.
_ALIKE = 0.15
_LEAST, _MOST = 0.02, 0.95
# The probability that a source leads rises with the agreement expected of the best one, between these bounds.
_TRUST, _MOST_ALONE, _LEAST_ALONE = 1.25, 0.97, 0.1
# The mean of all sources counts for so many times the best of them, where it is expected to agree as well.
_MEAN = 3.0
# A source explains this much of a task at most, as far as is known before there are results.
_LEAST_RESIDUAL = 0.1


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A source as the new task: what it ``measured`` [n] of some of its results, and ``scores`` [n, k] of all sources.

    Higher is better in both; NaN where a source has nothing to say.
    """

    measured: Numbers
    scores: Numbers


@dataclass(frozen=True, eq=False)
class ExpectedAgreement:
    """``sources`` [k]: Kendall's tau expected of each; ``of_mean``: of their weighted mean.

    ``seen``: how many past tasks showed so much agreement, where they are as alike as the sources and the task; 0 where
    the agreement is only promised by what is known of the tasks.
    """

    sources: Numbers
    of_mean: float
    seen: float

    @property
    def weights(self) -> Numbers:
        """By which the sources are averaged [k]; of sum 1."""
        return _weights(self.sources)

    def of(self, task_ids: Sequence[str], others: Sequence[str]) -> ExpectedAgreement:
        """The same for other learners of the same tasks, given by their ids; on average for one of another task."""
        known = dict(zip(task_ids, self.sources.tolist(), strict=True))
        average = float(self.sources @ self.weights)
        taus = np.array([known.get(task_id, average) for task_id in others])
        return ExpectedAgreement(taus, self.of_mean, self.seen)

    def prior(self) -> SourcePrior:
        """For the columns of the sources, followed by that of their mean where there are several."""
        taus, weights = self.sources, self.weights
        if len(taus) > 1:
            mean = _MEAN * self.of_mean**2 / (_MEAN * self.of_mean**2 + taus.max() ** 2)
            taus, weights = np.append(taus, self.of_mean), np.append((1.0 - mean) * weights, mean)
        # Pearson's correlation of two normal variables whose tau this is.
        correlations = np.sin(0.5 * np.pi * taus)
        alone = float(np.clip(1.0 - _TRUST * taus.max(), _LEAST_ALONE, _MOST_ALONE))
        residuals = np.maximum(1.0 - np.square(correlations), _LEAST_RESIDUAL)
        return SourcePrior(alone, (1.0 - alone) * weights, correlations, residuals)


def expect_agreement(held_out: Sequence[HeldOut], between: Numbers, similarity: Numbers) -> ExpectedAgreement:
    """From k sources held out, how alike they are ``between`` them [k, k], and their ``similarity`` [k] to the task.

    Likeness is 0 to 1, NaN where nothing is known.
    """
    count = len(held_out)
    measured = np.full((count, count), np.nan)
    for place, own in enumerate(held_out):
        if len(own.measured) > 1:
            measured[:, place] = kendall_taus(own.measured, own.scores)
            measured[place, place] = np.nan
    told = np.array([len(own.measured) / (len(own.measured) + _CHANCE) for own in held_out])
    sources = np.array([_expected(measured, told, between, place, like) for place, like in enumerate(similarity)])
    sources = np.clip(sources, _LEAST, _MOST)
    if count < 2:
        return ExpectedAgreement(sources, float(sources[0]) if count else _LEAST, 0.0)
    of_mean = np.array([_tau_of_mean(own, place, sources) for place, own in enumerate(held_out)])
    # As good as the best of them, until it has been seen to be better or worse among tasks alike to the same degree.
    alike = float(_closeness(between, similarity) @ _weights(sources))
    seen = alike * float(told.sum())
    mean = (_STRENGTH_OF_ALL * sources.max() + alike * float(told @ of_mean)) / (_STRENGTH_OF_ALL + seen)
    return ExpectedAgreement(sources, float(np.clip(mean, _LEAST, _MOST)), seen)


def _expected(measured: Numbers, told: Numbers, between: Numbers, place: int, similarity: float) -> float:
    """Of one source: what it showed on others, shrunk to what all showed, shrunk to what likeness promises.

    ``told`` [k]: how far each task's results tell anything, 0 to 1.
    """
    closeness = np.where(np.isfinite(measured), _kernel(between, similarity), 0.0) * told
    taus = np.nan_to_num(measured)
    # Pairs of the same tasks are not independent: as many count as there are tasks.
    share = 1.0 / max(len(measured) - 1, 1)
    promised = _promised(similarity)
    family = (_STRENGTH * promised + share * (closeness * taus).sum()) / (_STRENGTH + share * closeness.sum())
    own = closeness[place]
    return float((_STRENGTH_OF_ALL * family + own @ taus[place]) / (_STRENGTH_OF_ALL + own.sum()))


def _promised(similarity: float) -> float:
    return _UNKNOWN if np.isnan(similarity) else _UNLIKE + (_EQUAL - _UNLIKE) * similarity


def _kernel(between: Numbers, similarity: float) -> Numbers:
    """How much each pair tells of one that is alike to this degree; pairs of unknown likeness of another such."""
    if np.isnan(similarity):
        return np.isnan(between).astype(np.float64)
    return np.nan_to_num(np.exp(-0.5 * np.square((between - similarity) / _ALIKE)))


def _closeness(between: Numbers, similarity: Numbers) -> Numbers:
    """For each source the mean of what pairs tell of it and the task, 0 to 1."""
    others = ~np.eye(len(between), dtype=bool)
    return np.array([_kernel(between, like)[others].mean() for like in similarity])


def _tau_of_mean(own: HeldOut, place: int, taus: Numbers) -> float:
    others = np.arange(len(taus)) != place
    scores = np.nan_to_num(own.scores[:, others])
    return kendall_tau(own.measured, scores @ _weights(taus[others])) or 0.0


def _weights(taus: Numbers) -> Numbers:
    """By their squares, so that one source that agrees outweighs many that do not; of sum 1."""
    return np.asarray(np.square(taus) / np.square(taus).sum())
