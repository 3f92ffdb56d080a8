"""The process that a search goes by: what it says by definition, and whom it believes."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.spaces import nas_bench_201
from headstart_server.prediction.feature_layout import feature_layout
from headstart_server.prediction.feature_scale import FeatureScale, scale_of_space
from headstart_server.prediction.gaussian_process import GaussianProcess, matern, median_distance, squared_distances
from headstart_server.prediction.search_process import SearchProcess, Shape
from headstart_server.prediction.source_processes import shows_pattern
from headstart_server.prediction.structural_features import StructuralFeatures

GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(300, 6))
TRUTH = FEATURES[:, 0] + 0.5 * np.sin(2 * FEATURES[:, 1])
FRIEND = TRUTH + 0.3 * GENERATOR.normal(size=300)
FOE = GENERATOR.normal(size=300)
NOBODY = np.zeros((300, 0))


def process(count: int, told: np.ndarray, shape: Shape | None = None) -> SearchProcess:
    return SearchProcess(FEATURES[:count], told[:count], TRUTH[:count], shape)


def tau(one: np.ndarray, other: np.ndarray) -> float:
    signs = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
    return float(signs.sum() / (len(one) * (len(one) - 1)))


def test_alone_it_is_a_gaussian_process() -> None:
    length = median_distance(FEATURES[:40])
    inside = matern(np.sqrt(squared_distances(FEATURES[:40], FEATURES[:40])) / length) + 0.1 * np.eye(40)
    across = matern(np.sqrt(squared_distances(FEATURES[40:90], FEATURES[:40])) / length)
    centred = TRUTH[:40] - TRUTH[:40].mean()
    means = TRUTH[:40].mean() + across @ np.linalg.solve(inside, centred)
    scale = (centred @ np.linalg.solve(inside, centred) + 1.0) / 41.0
    variances = scale * (1.1 - np.einsum("ij,ji->i", across, np.linalg.solve(inside, across.T)))
    mean, deviation, led, unsure = process(40, NOBODY, Shape(1.0, 0.1)).predict(FEATURES[40:90], NOBODY[40:90])
    assert mean == pytest.approx(means, abs=1e-6)
    assert deviation == pytest.approx(np.sqrt(variances), abs=1e-6)
    assert led == pytest.approx(mean)
    assert unsure == pytest.approx(deviation)


def test_with_others_it_is_the_mean_of_processes_with_a_linear_term_by_their_evidence() -> None:
    count, asked = 30, slice(100, 120)
    shape, told = Shape(1.0, 0.1), FRIEND[:, None]
    length = median_distance(FEATURES[:count])
    own = FEATURES[:count]
    centred, column = TRUTH[:count] - TRUTH[:count].mean(), FRIEND[:count] - FRIEND[:count].mean()
    evidences, means = [], []
    for slope, worth in ((0.0, 0.5), (0.3, 0.25), (3.0, 0.25)):
        inside = matern(np.sqrt(squared_distances(own, own)) / length) + (0.1 + 1e-8) * np.eye(count)
        inside += slope * np.outer(column, column)
        across = matern(np.sqrt(squared_distances(FEATURES[asked], own)) / length)
        across += slope * np.outer(FRIEND[asked] - FRIEND[:count].mean(), column)
        weights = np.linalg.solve(inside, centred)
        scale = (centred @ weights + 1.0) / (count + 1.0)
        evidences.append(-0.5 * (count * np.log(scale) + np.linalg.slogdet(inside)[1]) + np.log(worth))
        means.append(TRUTH[:count].mean() + across @ weights)
    shares = np.exp(np.array(evidences) - np.logaddexp.reduce(evidences))
    found = process(count, told, shape)
    assert found.share_of_others == pytest.approx(1.0 - shares[0])
    _, _, led, _ = found.predict(FEATURES[asked], told[asked])
    assert led == pytest.approx(shares @ np.array(means), abs=0.02)


def test_a_friend_is_believed_and_helps_where_others_are_not() -> None:
    told = np.stack([FRIEND, FOE, -TRUTH], axis=1)
    found = process(20, told)
    friend, foe, opposite = found.shares
    assert friend > 0.5
    assert foe < 0.1
    assert opposite < 0.1
    alone, _, led, _ = found.predict(FEATURES[100:], told[100:])
    assert tau(led, TRUTH[100:]) > tau(alone, TRUTH[100:]) + 0.05


def test_who_tells_nothing_is_soon_worth_less_than_nobody() -> None:
    shares = [
        SearchProcess(FEATURES[:30], np.random.default_rng(seed).normal(size=(30, 5)), TRUTH[:30]).share_of_others
        for seed in range(20)
    ]
    assert np.mean(shares) < 0.3
    misled = process(30, -TRUTH[:, None])
    assert misled.share_of_others == 0.0


def test_results_handed_out_at_random_show_no_pattern() -> None:
    shuffled = np.random.default_rng(0).permutation(TRUTH)
    nobody = np.zeros((300, 0))
    assert shows_pattern(GaussianProcess(FEATURES, nobody, TRUTH), TRUTH)
    assert not shows_pattern(GaussianProcess(FEATURES, nobody, shuffled), shuffled)
    # Of a few results it cannot be told.
    assert shows_pattern(GaussianProcess(FEATURES[:20], nobody[:20], shuffled[:20]), shuffled[:20])


def test_the_scale_is_that_of_the_space_and_rare_features_do_not_lie_farther_out_than_a_bound() -> None:
    space = nas_bench_201()
    features = StructuralFeatures(feature_layout(space))
    scale = scale_of_space(space, features)
    assert scale.centre == pytest.approx(scale_of_space(space, features).centre)
    rare = FeatureScale.of(np.array([[0.0, 1.0, 7.0]] * 99 + [[1.0, 2.0, 7.0]]))
    placed = rare.place(np.array([[1.0, 1.0, 9.0]]))
    assert placed.shape == (1, 2)
    assert placed[0, 0] == 3.0
