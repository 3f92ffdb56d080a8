"""What a set of predictions is worth: rank agreement, precision among the best, coverage; and plain baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from benchmarks.report import Spread, bootstrap
from headstart.spaces import Candidate, Categorical, SearchSpace, canonicalize
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures

Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Ranking:
    """``pairs``: share of pairs ranked right, (1 + tau) / 2. ``precision``: of the predicted best 1 %."""

    tau: float
    pairs: float
    precision: float


def rank(truth: Vector, predicted: Vector) -> Ranking:
    """How well predictions rank the truth. Predictions that are all equal rank nothing: tau 0."""
    tau = float(np.nan_to_num(kendalltau(truth, predicted).statistic))
    best = max(1, len(truth) // 100)
    chosen, right = np.argsort(-predicted, kind="stable")[:best], np.argsort(-truth, kind="stable")[:best]
    return Ranking(tau, (1 + tau) / 2, len(np.intersect1d(chosen, right)) / best)


def spread_of(rankings: Sequence[Ranking]) -> dict[str, Spread]:
    """Mean and bootstrap interval over seeds of each figure."""
    return {name: bootstrap([getattr(ranking, name) for ranking in rankings]) for name in ("tau", "pairs", "precision")}


def coverage(truth: Vector, lower: Vector, upper: Vector) -> float:
    """The share of true values inside their intervals."""
    return float(((lower <= truth) & (truth <= upper)).mean())


def one_hot(space: SearchSpace, candidates: Sequence[Candidate]) -> Vector:
    """A column for each choice of each categorical parameter: [candidates, choices]."""
    columns: dict[tuple[str, object], int] = {}
    for parameter in space.parameters:
        assert isinstance(parameter.domain, Categorical)
        for choice in parameter.domain.choices:
            columns[parameter.name, choice] = len(columns)
    features = np.zeros((len(candidates), len(columns)))
    for row, candidate in enumerate(candidates):
        features[row, [columns[name, value] for name, value in candidate.values.items()]] = 1.0
    return features


def graph_columns(space: SearchSpace, candidates: Sequence[Candidate]) -> Vector:
    """Counts, degrees and paths of the canonical graphs, as the service computes them: [candidates, columns]."""
    features = StructuralFeatures(feature_layout(space))
    return features.vectors([canonicalize(space, candidate) for candidate in candidates]).astype(np.float64)


def extra_trees(known: Vector, values: Vector, unknown: Vector, seed: int) -> Vector:
    """The baseline that is hard to beat on few labels: 300 extremely randomised trees."""
    from sklearn.ensemble import ExtraTreesRegressor

    predicted: Vector = ExtraTreesRegressor(300, random_state=seed, n_jobs=1).fit(known, values).predict(unknown)
    return predicted


def nearest(known: Vector, values: Vector, unknown: Vector) -> Vector:
    """Five nearest neighbours, weighed by distance."""
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor(n_neighbors=5, weights="distance")
    predicted: Vector = model.fit(known, values).predict(unknown)
    return predicted


def proxy_columns(proxies: Sequence[Mapping[str, float]]) -> Vector:
    """A column for each proxy, 0 where one is missing: [candidates, proxies]."""
    names = sorted({name for one in proxies for name in one})
    return np.array([[one.get(name, 0.0) for name in names] for one in proxies])
