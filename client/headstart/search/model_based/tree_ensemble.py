"""Bayesian optimization with an ensemble of randomized trees."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from sklearn import config_context
from sklearn.tree import ExtraTreeRegressor

from headstart.search.history import History
from headstart.search.model_based.acquisition import (
    Numbers,
    expected_improvement,
    most_promising,
    normal_scores,
    training_set,
)
from headstart.search.model_based.features import Columns, encoder_of
from headstart.spaces import Candidate, sample

_MOST_TRIALS = 1000


@dataclass(frozen=True)
class TreeEnsemble:
    """The candidate of the highest expected improvement under trees that split at random.

    Hutter et al., "Sequential model-based optimization for general algorithm configuration", LION 2011, with extremely
    randomized trees (Geurts et al., 2006), each on a bootstrap sample: the mean and the deviation are those of the
    ``trees``. Every ``interleave``-th proposal is random. ``initial`` trials are drawn at random first.
    """

    initial: int = 10
    pool: int = 96
    trees: int = 10
    interleave: int = 16

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if len(history) < self.initial or not history.best(1) or len(history) % self.interleave == 0:
            return sample(history.space, generator)
        encoder = encoder_of(history.space)
        trials = training_set(history, _MOST_TRIALS)
        columns, scores = encoder.trials(trials), normal_scores(trials)
        draw = np.random.RandomState(generator.getrandbits(32))  # what scikit-learn draws from
        trees = []
        with config_context(skip_parameter_validation=True):
            for _ in range(self.trees):
                weights = np.bincount(draw.randint(len(scores), size=len(scores)), minlength=len(scores)).astype(float)
                tree = ExtraTreeRegressor(max_features=0.7, random_state=draw)
                trees.append(tree.fit(columns, scores, weights, check_input=False).tree_)

        def promise(columns_: Columns) -> Numbers:
            predicted = np.stack([tree.predict(columns_)[:, 0] for tree in trees])
            return expected_improvement(predicted.mean(axis=0), predicted.std(axis=0) + 1e-3, float(scores.max()))

        return most_promising(history, encoder, promise, self.pool, generator)
