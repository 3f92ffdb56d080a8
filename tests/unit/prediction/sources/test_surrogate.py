"""Predictions of a surrogate from source columns and the task's own results."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.prediction.features.scaling import FeatureScale
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.weighted_heads import WeightedHeads, agreement, agreements
from headstart_server.prediction.sources.columns import SourceColumns
from headstart_server.prediction.sources.model_averaging import ModelAverage, SourcePrior
from headstart_server.prediction.sources.surrogate import Surrogate, target_weight
from headstart_server.prediction.sources.surrogate_cache import FittedAverage, SpaceScale

GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(400, 12))
TRUTH = FEATURES[:, 0] + 0.5 * np.sin(2 * FEATURES[:, 1])
FRIEND = TRUTH + 0.3 * GENERATOR.normal(size=400)


def tau(one: np.ndarray, other: np.ndarray) -> float:
    signs = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
    return float(signs.sum() / (len(one) * (len(one) - 1)))


def surrogate(count: int, columns: np.ndarray) -> Surrogate:
    prior = SourcePrior(0.3, np.array([0.7]), np.array([0.6]), np.array([0.6]))
    average = ModelAverage(FEATURES[:count], columns[:count], TRUTH[:count], prior, 4.0)
    scale = SpaceScale(FeatureScale(np.zeros(12), np.ones(12), np.ones(12, bool)), 4.0)
    observations = cast(Observations, None)
    fitted = FittedAverage(observations, average, scale, columns[:count], TRUTH[:count], count)
    return Surrogate(fitted, cast(StructuralFeatures, Rows()), cast(SourceColumns, Columns(columns)), {})


class Rows:
    """Features of candidates that are given by their row."""

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return FEATURES[rows]


class Columns:
    """Source scores of candidates that are given by their row."""

    def __init__(self, columns: np.ndarray) -> None:
        self.columns = columns

    def scores(self, rows: np.ndarray) -> np.ndarray:
        return self.columns[rows]


def test_a_source_that_fails_on_a_candidate_has_no_say_of_it() -> None:
    columns = FRIEND[:, None].copy()
    columns[200] = np.nan
    scored = surrogate(20, columns).predict(np.arange(200, 260))  # type: ignore[arg-type]
    assert scored.mean[0] == pytest.approx(scored.predictions.means[0, 0])
    assert scored.source_scores[0] == 0.0
    assert tau(scored.mean[1:], TRUTH[201:260]) > tau(scored.predictions.means[0, 1:], TRUTH[201:260])


def test_a_tasks_own_results_keep_the_least_weight_that_they_have_earned() -> None:
    target = surrogate(40, FRIEND[:, None])
    scored = target.predict(np.arange(200, 210))  # type: ignore[arg-type]
    assert target.fitted.average.weights[0] < target_weight(40)
    assert scored.weights == pytest.approx([target_weight(40), 1.0 - target_weight(40)])
    without = target.predict(np.arange(200, 210), with_sources=False)  # type: ignore[arg-type]
    assert without.weights == pytest.approx([1.0, 0.0])
    assert without.mean == pytest.approx(scored.predictions.means[0])


def test_the_share_of_a_tasks_own_results_never_falls() -> None:
    shares = [target_weight(count) for count in range(500)]
    assert shares == sorted(shares)
    assert shares[7] == 0.0
    assert shares[10] == pytest.approx(0.5)


def test_what_is_tested_on_a_result_has_weights_that_have_not_seen_it() -> None:
    generator = np.random.default_rng(5)
    gaps = []
    for _ in range(60):
        targets, noise = generator.normal(size=16), generator.normal(size=(16, 12))
        heads = WeightedHeads(noise, targets)
        gaps.append((tau(heads.combine(noise), targets), tau(heads.left_out, targets)))
    chosen, honest = np.mean(gaps, axis=0)
    # A dozen heads that know nothing: some agree by chance, and seem to know something unless each result is left out.
    assert chosen > 0.2
    assert abs(honest) < 0.1


def test_agreement_without_each_result_is_that_of_the_others() -> None:
    generator = np.random.default_rng(6)
    targets, scores = generator.normal(size=12).round(1), generator.normal(size=(12, 3)).round(1)
    scores[:, 0] += targets
    _, without = agreements(scores, targets)
    for index in range(12):
        others = np.arange(12) != index
        assert without[index] == pytest.approx(agreement(scores[others], targets[others]))
