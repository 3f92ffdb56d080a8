"""Regression by the k nearest recorded architectures, and detection of candidates far from all of them.

Distances are Euclidean between standardised structural features, and neighbours are weighted by inverse distance. The
error is estimated by leave-one-out. This learner needs no trained model.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from headstart_server.prediction.learners.gaussian_process import (
    LeaveOneOut,
    Numbers,
    median_distance,
    squared_distances,
    standardisation,
)

NEIGHBOURS = 8


class NearestNeighbours:
    """Nearest-neighbour regression fitted to features [n, d] and at least two targets [n]."""

    def __init__(self, features: Numbers, targets: Numbers) -> None:
        self._centre, self._spread, self._used = standardisation(features)
        self._features = self._standardised(features)
        self._targets = targets
        # Equal candidates have a finite weight and share it with the next neighbours.
        self._softening = 0.05 * median_distance(self._features)
        distances = self._distances_of(self._features)
        np.fill_diagonal(distances, np.inf)
        self._usual = float(np.quantile(distances.min(axis=1), 0.99))
        means, spreads = self._from_neighbours(distances)
        errors = targets - means
        self._error = float(np.sqrt(np.square(errors).mean() + 1e-12))
        self._mean_spread = float(spreads.mean())
        self._own = LeaveOneOut(means, self._deviations(spreads))

    def leave_one_out(self) -> LeaveOneOut:
        return self._own

    @property
    def noise_deviation(self) -> float:
        """Standard deviation between replicates, assumed to be a quarter of the typical error."""
        return 0.25 * self._error

    def out_of_distribution(self, features: Numbers) -> NDArray[np.bool_]:
        """Whether each of [m] is much farther from the data than the data are from one another."""
        return self._distant(self._distances_of(self._standardised(features)))

    def predict(self, features: Numbers) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
        """Means, standard deviations and out-of-distribution flags [m], from one computation of distances."""
        distances = self._distances_of(self._standardised(features))
        means, spreads = self._from_neighbours(distances)
        return means, self._deviations(spreads), self._distant(distances)

    def _distant(self, distances: Numbers) -> NDArray[np.bool_]:
        nearest: NDArray[np.float64] = distances.min(axis=1)
        return nearest > 1.5 * self._usual + 1e-6

    def _standardised(self, features: Numbers) -> Numbers:
        """Standardised features [m, d].

        Columns that are constant in the data are not scaled: a candidate that differs there is far from all data.
        """
        scaled = (features[:, self._used] - self._centre) / self._spread
        return np.concatenate([scaled, features[:, ~self._used]], axis=1)

    def _distances_of(self, standardised: Numbers) -> Numbers:
        squares = squared_distances(standardised, self._features)
        return np.sqrt(squares, out=squares)

    def _from_neighbours(self, distances: Numbers) -> tuple[Numbers, Numbers]:
        """Weighted means and spreads of the nearest targets for distances [m, n]; infinite means not a neighbour."""
        count = min(NEIGHBOURS, distances.shape[1] - bool(np.isinf(distances).any()))
        # From a thousand rows on, this takes a fifth of the time of numpy's argpartition.
        nearest = torch.from_numpy(distances).topk(count, largest=False, sorted=False).indices.numpy()
        weights = 1.0 / (np.take_along_axis(distances, nearest, axis=1) + self._softening)
        weights /= weights.sum(axis=1, keepdims=True)
        targets = self._targets[nearest]
        means = (weights * targets).sum(axis=1)
        return means, np.sqrt((weights * np.square(targets - means[:, None])).sum(axis=1))

    def _deviations(self, spreads: Numbers) -> Numbers:
        """The typical error, up to doubled or halved where the neighbours disagree more or less than usual."""
        if self._mean_spread <= 0.0:
            return np.full(len(spreads), self._error)
        return self._error * np.clip(spreads / self._mean_spread, 0.5, 2.0)
