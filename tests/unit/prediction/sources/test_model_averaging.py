"""Bayesian model average: its closed form against integrals, and the weights of good and bad sources."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm

from headstart.spaces import nas_bench_201
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.scaling import FeatureScale, scale_of_space
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import matern, median_distance, squared_distances
from headstart_server.prediction.sources.model_averaging import (
    KernelParameters,
    ModelAverage,
    SourcePrior,
    _truncated_at_zero,
)

GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.normal(size=(300, 6))
TRUTH = FEATURES[:, 0] + 0.5 * np.sin(2 * FEATURES[:, 1])
FRIEND = TRUTH + 0.3 * GENERATOR.normal(size=300)
FOE = GENERATOR.normal(size=300)
NOBODY = np.zeros((300, 0))
DISTANCE = median_distance(FEATURES)
# Strength of the expected scale, and variance of slopes relative to the scale, as the module has them.
STRENGTH, SLOPE_VARIANCE = 4.0, 0.3


def prior_of(columns: int, alone: float = 0.5, slope: float = 0.6) -> SourcePrior:
    if not columns:
        return SourcePrior.without_sources()
    weights = np.full(columns, (1.0 - alone) / columns)
    return SourcePrior(alone, weights, np.full(columns, slope), np.full(columns, 1.0 - slope**2))


def average(count: int, columns: np.ndarray, hyperparameters: KernelParameters | None = None) -> ModelAverage:
    prior = prior_of(columns.shape[1])
    return ModelAverage(FEATURES[:count], columns[:count], TRUTH[:count], prior, DISTANCE, hyperparameters)


def tau(one: np.ndarray, other: np.ndarray) -> float:
    signs = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
    return float(signs.sum() / (len(one) * (len(one) - 1)))


def covariances(count: int, queried: slice) -> tuple[np.ndarray, np.ndarray]:
    inside = matern(np.sqrt(squared_distances(FEATURES[:count], FEATURES[:count])) / DISTANCE)
    across = matern(np.sqrt(squared_distances(FEATURES[queried], FEATURES[:count])) / DISTANCE)
    return inside + 0.1 * np.eye(count), across


def test_alone_it_is_a_gaussian_process() -> None:
    inside, across = covariances(40, slice(40, 90))
    centred = TRUTH[:40] - TRUTH[:40].mean()
    means = TRUTH[:40].mean() + across @ np.linalg.solve(inside, centred)
    scale = (centred @ np.linalg.solve(inside, centred) + STRENGTH) / (40 + STRENGTH)
    variances = scale * (1.1 - np.einsum("ij,ji->i", across, np.linalg.solve(inside, across.T)))
    fitted = average(40, NOBODY, KernelParameters(1.0, 0.1)).predict(FEATURES[40:90], NOBODY[40:90])
    assert fitted.means[0] == pytest.approx(means, abs=1e-6)
    assert fitted.deviations[0] == pytest.approx(np.sqrt(variances), abs=1e-6)
    assert len(fitted.means) == 1


def test_a_led_process_has_a_normal_prior_of_its_slope_and_its_evidence() -> None:
    """The slope of a good source is far from 0, so that truncation there changes next to nothing."""
    count, queried = 30, slice(100, 120)
    inside, across = covariances(count, queried)
    inside += 1e-8 * np.eye(count)
    slope, residual, alone = 0.6, 1.0 - 0.6**2, 0.5
    centred, column = TRUTH[:count] - TRUTH[:count].mean(), FRIEND[:count] - FRIEND[:count].mean()

    def student(covariance: np.ndarray, targets: np.ndarray, scale: float) -> float:
        square = targets @ np.linalg.solve(covariance, targets)
        evidence = -0.5 * (count + STRENGTH) * np.log(square + STRENGTH * scale)
        return float(evidence + 0.5 * STRENGTH * np.log(STRENGTH * scale) - 0.5 * np.linalg.slogdet(covariance)[1])

    led = inside + SLOPE_VARIANCE * np.outer(column, column)
    evidences = np.array([np.log(alone), np.log(1 - alone)])
    evidences += [student(inside, centred, 1.0), student(led, centred - slope * column, residual)]
    scale = ((centred - slope * column) @ np.linalg.solve(led, centred - slope * column) + STRENGTH * residual) / (
        count + STRENGTH
    )
    evidences[1] -= np.log(ndtr(slope / np.sqrt(SLOPE_VARIANCE * scale)))
    fitted = average(count, FRIEND[:, None], KernelParameters(1.0, 0.1))
    assert fitted.weights == pytest.approx(np.exp(evidences - np.logaddexp.reduce(evidences)), abs=1e-4)
    rest = FRIEND[queried] - FRIEND[:count].mean()
    solved = np.linalg.solve(led, centred - slope * column)
    means = TRUTH[:count].mean() + slope * rest + (across + SLOPE_VARIANCE * np.outer(rest, column)) @ solved
    assert fitted.predict(FEATURES[queried], FRIEND[queried, None]).means[1] == pytest.approx(means, abs=1e-3)


def test_a_slope_is_cut_off_at_zero() -> None:
    means, deviations = np.array([1.0, 0.0, -1.0]), np.array([0.5, 1.0, 0.7])
    truncated, share = _truncated_at_zero(means, deviations, means / deviations)
    for index in range(3):
        density = norm(means[index], deviations[index])
        mass = density.sf(0.0)
        mean = quad(lambda x, density=density: x * density.pdf(x), 0, 12)[0] / mass
        square = quad(lambda x, density=density: x * x * density.pdf(x), 0, 12)[0] / mass
        assert truncated[index] == pytest.approx(mean, abs=1e-6)
        assert share[index] == pytest.approx((square - mean**2) / deviations[index] ** 2, abs=1e-6)


def test_a_friend_is_believed_and_helps_where_others_are_not() -> None:
    columns = np.stack([FRIEND, FOE, -TRUTH], axis=1)
    fitted = average(20, columns)
    assert fitted.weights[1] > 0.5
    assert fitted.weights[2] < 0.1
    assert fitted.weights[3] < 0.01
    predicted = fitted.predict(FEATURES[100:], columns[100:])
    assert tau(fitted.weights @ predicted.means, TRUTH[100:]) > tau(predicted.means[0], TRUTH[100:]) + 0.05


def test_sources_that_tell_nothing_lose_their_share() -> None:
    shares = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(30, 5))
        shares.append(average(30, noise).share_of_sources)
    assert np.mean(shares) < 0.3
    assert average(30, -TRUTH[:, None]).share_of_sources < 0.01


def test_each_result_that_was_told_in_advance_moves_weight() -> None:
    """A friend against one that would have to be turned upside down, on candidates that both hold for different."""
    columns = np.stack([FRIEND, -FRIEND], axis=1)
    spread = np.argsort(TRUTH)[np.linspace(0, 299, 8).astype(int)]
    spread = spread[[0, 7, 3, 5, 1, 6, 2, 4]]
    weights = []
    for count in range(1, 5):
        chosen = spread[:count]
        fitted = ModelAverage(FEATURES[chosen], columns[chosen], TRUTH[chosen], prior_of(2), DISTANCE)
        weights.append(fitted.weights[1])
    # One result says nothing of an order.
    assert weights[0] == pytest.approx(0.25, abs=0.05)
    assert weights == sorted(weights)
    assert weights[-1] > 0.6


def test_without_results_it_is_the_prior() -> None:
    prior = SourcePrior(0.4, np.array([0.5, 0.1]), np.array([0.9, 0.2]), np.array([0.2, 0.9]))
    columns = np.array([[2.0, -1.0], [0.0, 0.0]])
    fitted = ModelAverage(np.zeros((0, 3)), np.zeros((0, 2)), np.zeros(0), prior, 1.0)
    assert fitted.weights == pytest.approx([0.4, 0.5, 0.1])
    predicted = fitted.predict(np.zeros((2, 3)), columns)
    assert predicted.means == pytest.approx(np.array([[0.0, 0.0], [1.8, 0.0], [-0.2, 0.0]]))
    # What a source holds for extreme is less sure, since its slope is not known.
    assert predicted.deviations[1, 0] > predicted.deviations[1, 1]


@pytest.mark.parametrize("targets", [[0.0], [0.0, 0.0, 0.0], [-1e3, 0.0, 1e3]])
def test_few_equal_or_extreme_results_give_numbers(targets: list[float]) -> None:
    count = len(targets)
    columns = np.stack([FRIEND, np.zeros(300)], axis=1)
    fitted = ModelAverage(FEATURES[:count], columns[:count], np.array(targets), prior_of(2), DISTANCE)
    predicted = fitted.predict(FEATURES[50:60], columns[50:60])
    assert fitted.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(predicted.means).all()
    assert (predicted.deviations > 0).all()


def test_the_scale_is_that_of_the_space_and_rare_features_do_not_lie_farther_out_than_a_bound() -> None:
    space = nas_bench_201()
    features = StructuralFeatures(feature_layout(space))
    scale, drawn = scale_of_space(space, features)
    assert scale.centre == pytest.approx(scale_of_space(space, features)[0].centre)
    assert np.abs(scale.scaled(drawn)).max() <= 3.0
    rare = FeatureScale.of(np.array([[0.0, 1.0, 7.0]] * 99 + [[1.0, 2.0, 7.0]]))
    placed = rare.scaled(np.array([[1.0, 1.0, 9.0]]))
    assert placed.shape == (1, 2)
    assert placed[0, 0] == 3.0
