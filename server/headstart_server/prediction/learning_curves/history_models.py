"""Learning curves predicted from other curves: two members, fitted to full curves truncated at one fidelity.

"curve_prior" models the observed part and the part ahead as jointly Gaussian, with the history's mean and a low-rank
covariance, and conditions on the observed part (probabilistic principal components: Tipping and Bishop, 1999).
"similar_curves" fits a forest to features of the observed part, and takes the weighted median of the continuations of
curves that share leaves (quantile regression forests: Meinshausen, JMLR 2006); its weights also give the probability
of divergence. Both predict the change from the last value. Each predicts the history itself by cross-validation or out
of bag, so errors on the history are errors on unseen curves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesRegressor

from headstart_server.prediction.learning_curves.curve import signed_exp, signed_log

Numbers = NDArray[np.float64]

CURVE_PRIOR = "curve_prior"
SIMILAR_CURVES = "similar_curves"

_RANK = 4
_FOLDS = 10
_TREES = 120
_LEAF = 2


class GaussianPrior:
    """Joint Gaussian of features [n, d] and changes [n, k], in units of the spread."""

    def __init__(self, features: Numbers, changes: Numbers) -> None:
        self._parts = (features, signed_log(changes))
        # Predictions are clipped to the changes of the history, because the inverse of the logarithm would explode.
        self._range = (changes.min(axis=0), changes.max(axis=0))
        self._fit = _ConditionalGaussian(*self._parts)

    def predict(self, features: Numbers) -> Numbers:
        """Changes [m, k] given features [m, d]."""
        return np.clip(signed_exp(self._fit(features)), *self._range)

    def unseen(self) -> Numbers:
        """Changes [n, k] of the history, each predicted by a fit without its fold."""
        features, changes = self._parts
        folds = np.arange(len(features)) % _FOLDS
        predicted = np.zeros_like(changes)
        for fold in range(min(_FOLDS, len(features))):
            held_out = folds == fold
            fit = _ConditionalGaussian(features[~held_out], changes[~held_out])
            predicted[held_out] = signed_exp(fit(features[held_out]))
        return np.clip(predicted, *self._range)


class _ConditionalGaussian:
    """Mean of the changes given the features, under a low-rank Gaussian."""

    def __init__(self, features: Numbers, changes: Numbers) -> None:
        joint = np.concatenate([features, changes], axis=1)
        self._mean = joint.mean(axis=0)
        self._size = np.maximum(joint.std(axis=0), 1e-9)
        scaled = (joint - self._mean) / self._size
        _, singular, vectors = np.linalg.svd(scaled, full_matrices=False)
        rank = min(_RANK, len(singular))
        loads = vectors[:rank] * singular[:rank, None] / np.sqrt(len(features))
        noise = max(float(np.square(singular[rank:]).sum()) / scaled.size, 1e-3)
        count = features.shape[1]
        seen, ahead = loads[:, :count], loads[:, count:]
        self._count = count
        self._map = seen.T @ np.linalg.solve(seen @ seen.T + noise * np.eye(rank), ahead)

    def __call__(self, features: Numbers) -> Numbers:
        scaled = (features - self._mean[: self._count]) / self._size[: self._count]
        return np.asarray(np.clip(scaled, -5, 5) @ self._map * self._size[self._count :] + self._mean[self._count :])


class SimilarCurves:
    """Forest on features [n, d] and final changes [n], in units of the spread."""

    def __init__(self, features: Numbers, change: Numbers) -> None:
        self._forest = ExtraTreesRegressor(
            _TREES, min_samples_leaf=_LEAF, bootstrap=True, max_samples=0.8, random_state=0, n_jobs=1
        ).fit(features, signed_log(change))
        self._leaves = self._forest.apply(features)
        self._inside = np.zeros(self._leaves.shape, np.bool_)
        for tree, rows in enumerate(self._forest.estimators_samples_):
            self._inside[rows, tree] = True

    def weights(self, features: Numbers) -> Numbers:
        """Similarity [m, n] to the curves of the history; rows sum to 1."""
        return self._shared(self._forest.apply(features), np.ones((len(features), _TREES), np.bool_))

    def unseen(self) -> Numbers:
        """The same weights [n, n] for the curves of the history, by the trees that were grown without them."""
        return self._shared(self._leaves, ~self._inside)

    def _shared(self, leaves: NDArray[np.int64], counted: NDArray[np.bool_]) -> Numbers:
        total = np.zeros((len(leaves), len(self._leaves)))
        for tree in range(_TREES):
            rows = np.flatnonzero(counted[:, tree])
            indices = np.flatnonzero(self._inside[:, tree])
            share = (leaves[rows, tree][:, None] == self._leaves[indices, tree]).astype(np.float64)
            total[np.ix_(rows, indices)] += share / np.maximum(share.sum(axis=1, keepdims=True), 1.0)
        sums = total.sum(axis=1, keepdims=True)
        return np.where(sums > 0, total / np.maximum(sums, 1e-12), 1.0 / total.shape[1])


def weighted_quantiles(weights: Numbers, values: Numbers, levels: tuple[float, ...]) -> Numbers:
    """Quantiles [len(levels), m] of values [n] under each row of weights [m, n]."""
    order = np.argsort(values)
    cumulated = np.cumsum(weights[:, order], axis=1)
    sorted_values = values[order]
    return np.array(
        [sorted_values[np.minimum((cumulated < level - 1e-9).sum(axis=1), len(values) - 1)] for level in levels]
    )
