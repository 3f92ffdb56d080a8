"""Targets, candidates and acquisition that the model-based strategies share.

The proposal has the highest expected improvement among mutations of the best trials and random candidates.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from headstart.search.history import History, Trial
from headstart.search.model_based.features import Columns, Encoder
from headstart.spaces import Candidate, mutate, sample

Numbers = NDArray[np.float64]
Promise = Callable[[Columns], Numbers]

# Parents of the mutations, and draws for each wanted candidate after which a small space is exhausted.
_PARENTS = 8
_DRAWS_PER_CANDIDATE = 3


def training_set(history: History, most: int) -> list[Trial]:
    """The conclusive trials for a model: all, or the best third and the latest of the others."""
    trials = [trial for trial in history.trials if trial.conclusive]
    if len(trials) <= most:
        return trials
    best = history.best(most // 3)
    chosen = {id(trial) for trial in best}
    return [trial for trial in trials if id(trial) not in chosen][len(best) - most :] + best


def normal_scores(trials: Sequence[Trial]) -> Numbers:
    """Scores replaced by the normal quantiles of their ranks: independent of unit and of outliers.

    Failures share the lowest rank. Salinas et al., "A quantile-based approach for hyperparameter transfer learning",
    ICML 2020, section 4.
    """
    scores = np.array([trial.score for trial in trials])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return np.asarray(ndtri((ranks - 0.5) / len(scores)))


def expected_improvement(mean: Numbers, deviation: Numbers, best: float) -> Numbers:
    """Jones et al., "Efficient global optimization of expensive black-box functions", 1998, equation 15."""
    deviation = np.maximum(deviation, 1e-9)
    standard = (mean - best) / deviation
    density = np.exp(-0.5 * standard**2) / math.sqrt(2.0 * math.pi)
    return np.asarray(deviation * (standard * ndtr(standard) + density))


def most_promising(
    history: History, encoder: Encoder, promise: Promise, pool: int, generator: random.Random
) -> Candidate:
    """The untried candidate of the highest acquisition among ``pool``: half mutations of the best trials, a quarter
    random candidates, then a quarter mutations of the best of these.
    """
    seen: dict[str, tuple[Candidate, Columns]] = {}

    def add(count: int, draw: Callable[[int], Candidate]) -> list[tuple[Candidate, Columns]]:
        fresh: list[tuple[Candidate, Columns]] = []
        for number in range(_DRAWS_PER_CANDIDATE * count):
            if len(fresh) == count:
                break
            candidate = draw(number)
            encoded = encoder.encode(candidate)
            if encoded.fingerprint not in seen and not history.has_fingerprint(encoded.fingerprint):
                seen[encoded.fingerprint] = (candidate, encoded.columns)
                fresh.append(seen[encoded.fingerprint])
        return fresh

    space = history.space
    parents = history.best(_PARENTS)
    fresh: list[tuple[Candidate, Columns]] = []
    if parents:
        # Better parents have more children.
        fresh += add(
            pool // 2,
            lambda number: mutate(
                space,
                parents[int(len(parents) * generator.random() ** 2)].candidate,
                generator,
                1 + (number % 3 == 2),
            ),
        )
    fresh += add(pool // 4, lambda number: sample(space, generator))
    if not fresh:
        return sample(space, generator)
    judged = promise(np.stack([columns for _, columns in fresh]))
    leaders = [fresh[index][0] for index in np.argsort(-judged, kind="stable")[:4]]
    best = int(np.argmax(judged))
    chosen, highest = fresh[best][0], judged[best]
    nearby = add(pool // 4, lambda number: mutate(space, leaders[number % len(leaders)], generator))
    if nearby:
        judged = promise(np.stack([columns for _, columns in nearby]))
        best = int(np.argmax(judged))
        if judged[best] > highest:
            chosen = nearby[best][0]
    return chosen
