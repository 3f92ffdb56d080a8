"""A task's own results sharpen its predictions, misleading sources are ignored, and intervals are honest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from headstart_server.prediction.adaptation import AdaptedPredictor, agreement
from headstart_server.prediction.feature_layout import feature_layout
from headstart_server.prediction.gaussian_process import GaussianProcess
from headstart_server.prediction.graph_batch import Floats
from headstart_server.prediction.nearest import NearestNeighbours
from headstart_server.prediction.normal_scores import Scale, normal_scores
from headstart_server.prediction.structural_features import StructuralFeatures
from tests.unit.prediction.toys import SPACE, toy_accuracy, toy_canonicals, toy_values

ALL = toy_canonicals(600)
FEATURES = StructuralFeatures(feature_layout(SPACE)).vectors(ALL)
VALUES = toy_values(ALL, noise=1.0)
EXACT = np.array([toy_accuracy(each) for each in ALL])


def heads(noise: float) -> Floats:
    """Two heads: one that ranks like the task, one that knows nothing."""
    generator = np.random.default_rng(0)
    like = normal_scores(EXACT, True) + generator.normal(0.0, noise, len(ALL))
    return np.stack([like, generator.normal(0.0, 1.0, len(ALL))], axis=1).astype(np.float32)


def tau(count: int, scores: Floats | None) -> float:
    known = None if scores is None else scores[:count].astype(np.float64)
    asked = None if scores is None else scores[300:].astype(np.float64)
    predictor = AdaptedPredictor(FEATURES[:count], known, VALUES[:count], True)
    return float(kendalltau(predictor.predict(FEATURES[300:], asked, 0.9).means, EXACT[300:]).statistic)


def test_more_results_of_the_task_rank_better() -> None:
    few, some, many = (tau(count, heads(1.0)) for count in (10, 50, 250))
    assert few < some < many
    assert many > 0.75


def test_results_of_the_task_decide_which_head_counts() -> None:
    predictor = AdaptedPredictor(FEATURES[:60], heads(0.5)[:60].astype(np.float64), VALUES[:60], True)
    assert predictor.agreement[0] > 0.3
    assert predictor.agreement[1] < 0.1


def test_head_that_ranks_the_other_way_has_no_say() -> None:
    misleading = -heads(0.1)[:, :1]
    assert agreement(misleading[:60].astype(np.float64), normal_scores(VALUES[:60], True)) == pytest.approx([0.0])
    assert tau(100, misleading) > tau(100, np.zeros((600, 1), np.float32)) - 0.02


def test_head_that_agrees_by_chance_alone_counts_little() -> None:
    noise = np.random.default_rng(5).normal(size=(40, 200))
    given = agreement(noise, normal_scores(VALUES[:40], True))
    assert (given == 0.0).mean() > 0.75
    assert given.max() < 0.3


@pytest.mark.parametrize("count", [12, 40, 200])
@pytest.mark.parametrize("with_model", [False, True])
def test_intervals_cover_what_they_claim(count: int, with_model: bool) -> None:
    generator = np.random.default_rng(count)
    scores = heads(1.0).astype(np.float64)
    inside = []
    for _ in range(3 if count > 100 else 8):
        order = generator.permutation(len(ALL))
        known, asked = order[:count], order[count:]
        predictor = AdaptedPredictor(FEATURES[known], scores[known] if with_model else None, VALUES[known], True)
        told = predictor.predict(FEATURES[asked], scores[asked] if with_model else None, 0.9)
        inside.append(float(np.mean((VALUES[asked] >= told.lower) & (VALUES[asked] <= told.upper))))
    assert 0.84 < float(np.mean(inside)) < 0.97


def test_wider_level_gives_wider_interval_around_the_mean() -> None:
    predictor = AdaptedPredictor(FEATURES[:80], None, VALUES[:80], True)
    narrow, wide = (predictor.predict(FEATURES[300:], None, level) for level in (0.5, 0.95))
    assert (wide.upper - wide.lower > narrow.upper - narrow.lower).all()
    assert ((wide.lower <= wide.means) & (wide.means <= wide.upper)).all()


def test_lower_is_better_where_the_task_says_so() -> None:
    up = AdaptedPredictor(FEATURES[:80], None, VALUES[:80], True).predict(FEATURES[300:], None, 0.9)
    down = AdaptedPredictor(FEATURES[:80], None, -VALUES[:80], False).predict(FEATURES[300:], None, 0.9)
    np.testing.assert_allclose(down.means, -up.means)
    np.testing.assert_allclose(down.lower, -up.upper)
    assert up.improvement is not None
    assert down.improvement is not None
    np.testing.assert_allclose(down.improvement, up.improvement)
    best = EXACT[300:] >= np.quantile(EXACT[300:], 0.95)
    assert up.improvement[best].mean() > 3 * up.improvement[~best].mean()


def test_members_are_named_and_their_weights_sum_to_one() -> None:
    scores = heads(1.0).astype(np.float64)
    with_model = AdaptedPredictor(FEATURES[:80], scores[:80], VALUES[:80], True).predict(FEATURES[:9], scores[:9], 0.9)
    assert [member.member for member in with_model.members] == ["graph_network", "gaussian_process", "k_nearest"]
    assert sum(member.weight for member in with_model.members) == pytest.approx(1.0)
    without = AdaptedPredictor(FEATURES[:80], None, VALUES[:80], True).predict(FEATURES[:9], None, 0.9)
    assert [(member.member, member.weight) for member in without.members] == [("k_nearest", pytest.approx(1.0))]


def test_recorded_architecture_is_predicted_near_its_result() -> None:
    scores = heads(1.0).astype(np.float64)
    predictor = AdaptedPredictor(FEATURES[:200], scores[:200], VALUES[:200], True)
    known = np.arange(200)
    again = predictor.predict(FEATURES[:200], scores[:200], 0.9, known)
    afresh = predictor.predict(FEATURES[:200], scores[:200], 0.9, np.full(200, -1))
    assert np.abs(again.means - VALUES[:200]).mean() < np.abs(afresh.means - EXACT[:200]).mean() + 1.0
    assert (again.upper - again.lower).mean() <= (afresh.upper - afresh.lower).mean() * 1.05


def test_failed_runs_are_at_the_bottom() -> None:
    values = VALUES[:200].copy()
    failing = EXACT[:200] > np.median(EXACT[:200])
    values[failing] = np.nan
    told = AdaptedPredictor(FEATURES[:200], None, values, True).predict(FEATURES[300:], None, 0.9)
    assert np.isfinite(told.means).all()
    strong = EXACT[300:] > np.median(EXACT[:200])
    assert told.means[strong].mean() < told.means[~strong].mean()


def test_strange_candidates_are_flagged() -> None:
    predictor = AdaptedPredictor(FEATURES[:200], None, VALUES[:200], True)
    assert predictor.predict(FEATURES[300:], None, 0.9).out_of_distribution.mean() < 0.1
    assert predictor.predict(FEATURES[300:310] + 5.0, None, 0.9).out_of_distribution.all()


def test_leave_one_out_is_what_leaving_one_out_gives() -> None:
    features, targets = FEATURES[:40].astype(np.float64), normal_scores(VALUES[:40], True)
    prior = heads(1.0)[:40, :1].astype(np.float64)
    process = GaussianProcess(features, prior, targets)
    closed_form = process.leave_one_out().means
    centred = targets - targets.mean()
    covariance = process._covariance(process._features, prior, process._features, prior)
    covariance += np.eye(40) * (process.hyperparameters.noise + 1e-8 * (1.0 + process.hyperparameters.prior))
    for left_out in range(0, 40, 7):
        rest = np.arange(40) != left_out
        mean = covariance[left_out, rest] @ np.linalg.solve(covariance[np.ix_(rest, rest)], centred[rest])
        assert closed_form[left_out] == pytest.approx(mean + targets.mean(), abs=1e-6)


def test_nearest_neighbours_of_an_equal_architecture_say_what_it_reached() -> None:
    nearest = NearestNeighbours(FEATURES[:200].astype(np.float64), VALUES[:200])
    means, _ = nearest.predict(FEATURES[:200].astype(np.float64))
    others, _ = nearest.predict(FEATURES[300:].astype(np.float64))
    assert np.abs(means - VALUES[:200]).mean() < 0.7 * np.abs(others - VALUES[300:]).mean()


def test_normal_scores_rank_failures_last_and_ties_alike() -> None:
    scores = normal_scores(np.array([0.3, np.nan, 0.1, 0.3, np.inf]), maximize=False)
    assert scores[2] == scores.max()
    assert scores[0] == scores[3]
    assert scores[1] == scores[4] == scores.min()


def test_scale_goes_there_and_back_and_on_beyond_the_best() -> None:
    values = np.array([0.9, 0.1, 0.5, 0.2, 0.7])
    for maximize in (True, False):
        scale = Scale.of(values, maximize)
        np.testing.assert_allclose(scale.to_unit(normal_scores(values, maximize)), values)
        best = scale.to_unit(np.array([scale.scores[-1] + 0.5]))[0]
        assert best > 0.9 if maximize else best < 0.1
