"""A task's own results sharpen its predictions, misleading sources are ignored, and intervals are honest."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kendalltau

from headstart_server.prediction.features.batch import Floats
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.proxies import LearnedPatterns
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import GaussianProcess
from headstart_server.prediction.learners.members.processes import PROXIES
from headstart_server.prediction.learners.nearest_neighbours import NearestNeighbours
from headstart_server.prediction.learners.normal_scores import Scale, normal_scores
from headstart_server.prediction.learners.stacking import ranking_weights
from headstart_server.prediction.learners.weighted_heads import agreement
from headstart_server.prediction.task.predictor import (
    AdaptedPredictor,
    Estimates,
    LabelledArchitectures,
    Queries,
)
from headstart_server.prediction.task.replicates import Replicates
from headstart_server.runtime.errors import FailedPrecondition
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


def fitted(known: slice | NDArray[np.int64], scores: Floats | None, tree_heads: int = 0) -> AdaptedPredictor:
    own = None if scores is None else scores[known].astype(np.float64)
    return AdaptedPredictor(LabelledArchitectures(FEATURES[known], VALUES[known], True, own, tree_heads))


def predicted(
    predictor: AdaptedPredictor, asked: slice | NDArray[np.int64], scores: Floats | None = None, level: float = 0.9
) -> Estimates:
    own = None if scores is None else scores[asked].astype(np.float64)
    return predictor.predict(Queries(FEATURES[asked], own), level)


def tau(count: int, scores: Floats | None) -> float:
    told = predicted(fitted(slice(count), scores), slice(300, None), scores)
    return float(kendalltau(told.means, EXACT[300:]).statistic)


def test_more_results_of_the_task_rank_better() -> None:
    few, some, many = (tau(count, heads(1.0)) for count in (10, 50, 250))
    assert few < some < many
    assert many > 0.75


def test_results_of_the_task_decide_which_head_counts() -> None:
    predictor = fitted(slice(60), heads(0.5))
    assert predictor.agreement[0] > 0.3
    assert predictor.agreement[1] < 0.1


def test_head_that_ranks_the_other_way_has_no_say() -> None:
    misleading = -heads(0.1)[:, :1]
    assert agreement(misleading[:60].astype(np.float64), normal_scores(VALUES[:60], True)) == pytest.approx([0.0])
    assert tau(100, misleading) > tau(100, np.zeros((600, 1), np.float32)) - 0.02
    told = predicted(fitted(slice(100), misleading), slice(300, 310), misleading)
    assert [member.member for member in told.members] == ["gaussian_process", "k_nearest"]


def test_head_that_agrees_by_chance_alone_counts_little() -> None:
    noise = np.random.default_rng(5).normal(size=(40, 200))
    given = agreement(noise, normal_scores(VALUES[:40], True))
    assert (given == 0.0).mean() > 0.75
    assert given.max() < 0.3


@pytest.mark.parametrize("count", [12, 20, 40, 200])
@pytest.mark.parametrize("with_model", [False, True])
def test_intervals_cover_what_they_claim(count: int, with_model: bool) -> None:
    generator = np.random.default_rng(count)
    scores = heads(1.0) if with_model else None
    inside = []
    for _ in range(3 if count > 100 else 8):
        order = generator.permutation(len(ALL))
        known, asked = order[:count], order[count:]
        told = predicted(fitted(known, scores), asked, scores)
        inside.append(float(np.mean((VALUES[asked] >= told.lower) & (VALUES[asked] <= told.upper))))
    assert 0.84 < float(np.mean(inside)) < 0.96


def test_wider_level_gives_wider_interval_around_the_mean() -> None:
    predictor = fitted(slice(80), None)
    narrow, wide = (predicted(predictor, slice(300, None), level=level) for level in (0.5, 0.95))
    assert (wide.upper - wide.lower > narrow.upper - narrow.lower).all()
    assert ((wide.lower <= wide.means) & (wide.means <= wide.upper)).all()


def test_lower_is_better_where_the_task_says_so() -> None:
    up = predicted(fitted(slice(80), None), slice(300, None))
    other = AdaptedPredictor(LabelledArchitectures(FEATURES[:80], -VALUES[:80], False))
    down = other.predict(Queries(FEATURES[300:]), 0.9)
    np.testing.assert_allclose(down.means, -up.means)
    np.testing.assert_allclose(down.lower, -up.upper)
    assert up.improvement is not None
    assert down.improvement is not None
    np.testing.assert_allclose(down.improvement, up.improvement)
    best = EXACT[300:] >= np.quantile(EXACT[300:], 0.95)
    assert up.improvement[best].mean() > 3 * up.improvement[~best].mean()


def test_members_are_named_and_their_weights_sum_to_one() -> None:
    scores = heads(1.0)
    with_model = predicted(fitted(slice(80), scores, tree_heads=1), slice(9), scores)
    names = ["graph_network", "tree_ensemble", "gaussian_process", "k_nearest"]
    assert [member.member for member in with_model.members] == names
    np.testing.assert_allclose(sum(member.weights for member in with_model.members), np.ones(9))
    without = predicted(fitted(slice(80), None), slice(9))
    assert [member.member for member in without.members] == ["gaussian_process", "k_nearest"]
    np.testing.assert_allclose(sum(member.weights for member in without.members), np.ones(9))


def test_member_that_fails_drops_out_and_the_others_share_its_weight() -> None:
    scores = heads(0.2)
    whole = fitted(slice(80), scores, tree_heads=1)
    asked = scores[300:310].astype(np.float64)
    asked[3, 0] = np.nan
    told = whole.predict(Queries(FEATURES[300:310], asked), 0.9)
    weights = {member.member: member.weights for member in told.members}
    assert weights["graph_network"][2] > 0.1
    assert weights["graph_network"][3] == 0.0
    np.testing.assert_allclose(sum(weights.values()), np.ones(10))
    left, before = weights["tree_ensemble"], whole.weights
    assert left[3] / weights["k_nearest"][3] == pytest.approx(before["tree_ensemble"] / before["k_nearest"])
    assert np.isfinite(told.means).all()
    broken = scores.copy()
    broken[:, 0] = np.nan
    without = predicted(fitted(slice(80), broken, tree_heads=1), slice(300, 310), broken)
    assert "graph_network" not in [member.member for member in without.members]
    assert np.isfinite(without.means).all()


def test_no_member_left_is_refused() -> None:
    known = LabelledArchitectures(FEATURES[:40], VALUES[:40], True)
    with pytest.raises(FailedPrecondition, match="no learner can be fitted"):
        AdaptedPredictor(known, members=("graph_network", "proxies"))


def test_members_count_by_how_well_they_rank_together() -> None:
    generator = np.random.default_rng(0)
    targets = generator.normal(size=200)
    good, other, noise = (targets + generator.normal(0.0, size, 200) for size in (0.5, 0.5, 5.0))
    weights = ranking_weights(np.stack([good, other, noise]), targets)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[2] < 0.1
    assert min(weights[:2]) > 0.25
    few = ranking_weights(np.stack([good, noise])[:, :3], targets[:3])
    assert few.min() > 0.15


def test_proxies_sharpen_predictions_of_candidates_that_bring_them() -> None:
    generator = np.random.default_rng(0)
    telling = 1000.0 * np.exp(0.05 * EXACT + generator.normal(0.0, 0.1, len(ALL)))
    proxies = np.stack([telling, generator.normal(size=len(ALL))], axis=1)
    predictor = AdaptedPredictor(LabelledArchitectures(FEATURES[:30], VALUES[:30], True, proxies=proxies[:30]))
    told = predictor.predict(Queries(FEATURES[300:], proxies=proxies[300:]), 0.9)
    without = predictor.predict(Queries(FEATURES[300:]), 0.9)
    names = [member.member for member in told.members]
    assert names == ["gaussian_process", "k_nearest", "proxies", "gaussian_process_with_proxies"]
    assert [member.member for member in without.members] == ["gaussian_process", "k_nearest"]
    gain = kendalltau(told.means, EXACT[300:]).statistic - kendalltau(without.means, EXACT[300:]).statistic
    assert gain > 0.02


def test_candidates_with_some_of_the_proxies_or_none_are_predicted_by_what_they_bring() -> None:
    proxies = np.stack([EXACT, -EXACT], axis=1)
    predictor = AdaptedPredictor(LabelledArchitectures(FEATURES[:50], VALUES[:50], True, proxies=proxies[:50]))
    brought = proxies[300:304].copy()
    brought[1, 0] = brought[2, :] = np.nan
    told = predictor.predict(Queries(FEATURES[300:304], proxies=brought), 0.9)
    of_proxies = next(member for member in told.members if member.member == "proxies")
    assert (of_proxies.weights > 0).tolist() == [True, True, False, True]
    np.testing.assert_allclose(sum(member.weights for member in told.members), np.ones(4))
    alone = predictor.predict(Queries(FEATURES[302:303]), 0.9)
    assert told.means[2] == pytest.approx(alone.means[0])


def test_recorded_architecture_is_predicted_near_its_result() -> None:
    scores = heads(1.0)
    predictor = fitted(slice(200), scores)
    known = scores[:200].astype(np.float64)
    again = predictor.predict(Queries(FEATURES[:200], known, label_indices=np.arange(200)), 0.9)
    afresh = predicted(predictor, slice(200), scores)
    assert np.abs(again.means - VALUES[:200]).mean() < np.abs(afresh.means - EXACT[:200]).mean() + 1.0
    assert (again.upper - again.lower).mean() <= (afresh.upper - afresh.lower).mean() * 1.05


def test_repeated_results_tell_how_far_the_next_one_lies() -> None:
    generator = np.random.default_rng(3)
    results = EXACT[:200, None] + generator.normal(0.0, 1.0, (200, 3))
    replicates = Replicates(np.repeat(np.arange(200), 3), results.ravel())
    predictor = AdaptedPredictor(
        LabelledArchitectures(FEATURES[:200], results.mean(axis=1), True, replicates=replicates)
    )
    told = predictor.predict(Queries(FEATURES[:200], label_indices=np.arange(200)), 0.9)
    further = EXACT[:200] + generator.normal(0.0, 1.0, 200)
    assert 0.84 < float(np.mean((further >= told.lower) & (further <= told.upper))) < 0.96


def test_failed_runs_are_at_the_bottom() -> None:
    values = VALUES[:200].copy()
    failing = EXACT[:200] > np.median(EXACT[:200])
    values[failing] = np.nan
    told = predicted(AdaptedPredictor(LabelledArchitectures(FEATURES[:200], values, True)), slice(300, None))
    assert np.isfinite(told.means).all()
    strong = EXACT[300:] > np.median(EXACT[:200])
    assert told.means[strong].mean() < told.means[~strong].mean()


def test_strange_candidates_are_flagged() -> None:
    predictor = fitted(slice(200), None)
    assert predicted(predictor, slice(300, None)).out_of_distribution.mean() < 0.1
    assert predictor.predict(Queries(FEATURES[300:310] + 5.0), 0.9).out_of_distribution.all()


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
    means, _, _ = nearest.predict(FEATURES[:200].astype(np.float64))
    others, _, _ = nearest.predict(FEATURES[300:].astype(np.float64))
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


@pytest.mark.parametrize("proxies", [0, 2])
def test_predictor_that_is_replaced_is_gone_at_once(proxies: int) -> None:
    """Its matrices are megabytes, and the interpreter looks for circles of references rarely."""
    measured = np.random.default_rng(0).random((60, proxies))
    gc.disable()
    try:
        known = LabelledArchitectures(
            FEATURES[:50], VALUES[:50], True, heads(1.0)[:50].astype(np.float64), 1, measured[:50]
        )
        predictor = AdaptedPredictor(known)
        predictor.predict(Queries(FEATURES[50:60], heads(1.0)[50:60].astype(np.float64), measured[50:]), 0.9)
        gone = weakref.ref(predictor)
        del predictor
        assert gone() is None
    finally:
        gc.enable()


def test_answers_do_not_depend_on_which_proxies_were_asked_for_before() -> None:
    """The fifth combination of proxies counts as the first would, in whatever order they come."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 3))
    values = features @ np.array([1.0, -0.5, 0.2]) + generator.normal(0.0, 0.3, 40)
    proxies = values[:, None] + generator.normal(0.0, 0.2, (40, 3))
    known = LabelledArchitectures(features, values, True, proxies=proxies)
    combinations = [row for row in np.ndindex(2, 2, 2) if any(row)]
    asked_features = generator.normal(size=(1, 3))
    asked = {row: np.where(np.array([row], bool), 0.7, np.nan) for row in combinations}

    def answers(order: list[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
        predictor = AdaptedPredictor(known)
        return {row: predictor.predict(Queries(asked_features, None, asked[row]), 0.9).means[0] for row in order}

    forwards, backwards = answers(combinations), answers(combinations[::-1])
    for row in combinations:
        assert forwards[row] == backwards[row], row
    together = AdaptedPredictor(known).predict(
        Queries(np.repeat(asked_features, len(combinations), axis=0), None, np.concatenate(list(asked.values()))), 0.9
    )
    np.testing.assert_allclose(together.means, list(forwards.values()), rtol=1e-9)
    assert all(
        PROXIES in [member.member for member in predictor.members]
        for predictor in [
            AdaptedPredictor(known).predict(Queries(asked_features, None, asked[row]), 0.9) for row in asked
        ]
    )


def test_combinations_of_many_proxies_are_those_of_the_results() -> None:
    placed = np.zeros((10, 5))
    placed[:6, 4] = np.nan
    placed[6:, 0] = np.nan
    learned = LearnedPatterns(placed)
    every, most = (True,) * 5, (True, True, True, True, False)
    assert learned.nearest(every) == every
    assert learned.nearest(most) == most
    # Proxy 1 is there in all results.
    assert learned.nearest((False, True, True, False, False)) == (False, True, False, False, False)
    assert learned.nearest((True, False, False, False, False)) == (True, False, False, False, False)
    assert learned.nearest((False,) * 5) == (False,) * 5
