"""Prior over arms: training on past losses, the guard of the single best arm, and storage."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from headstart_server.strategy.prior.prior import Prior, fit_prior
from headstart_server.strategy.prior.stacking import guarded, stack

COLUMNS, ARMS = ["number:size", "number:noise"], ["small", "large", "middling"]


def past(tasks: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The first arm is good on small tasks, the second on large ones, the third never bad."""
    generator = np.random.default_rng(seed)
    features = generator.uniform(size=(tasks, 2))
    large = features[:, 0] > 0.5
    losses = np.stack([np.where(large, 10.0, 1.0), np.where(large, 1.0, 10.0), np.full(tasks, 5.0)], axis=1)
    return features, losses + generator.normal(0, 0.3, losses.shape)


def fitted(features: np.ndarray, losses: np.ndarray, **options: object) -> Prior:
    prior = fit_prior(COLUMNS, ARMS, features, losses, trees=16, **options)
    assert prior is not None
    return prior


def test_arm_that_suits_the_task_is_chosen_and_its_loss_predicted():
    prior = fitted(*past(100))
    small, large = prior.forecast(np.array([[0.1, 0.5], [0.9, 0.5]]))
    assert (ARMS[small.chosen], ARMS[large.chosen]) == ("small", "large")
    assert small.relative_loss == pytest.approx([-4.33, 4.67, -0.33], abs=1.5)
    assert small.gain > 2


def test_single_best_is_taken_where_features_tell_nothing():
    generator = np.random.default_rng(1)
    features = generator.uniform(size=(120, 2))
    losses = generator.normal([1.0, 1.3, 1.6], 0.5, size=(120, 3))
    forecasts = fitted(features, losses).forecast(generator.uniform(size=(200, 2)))
    assert np.mean([forecast.chosen == forecast.single_best == 0 for forecast in forecasts]) > 0.85


def test_best_of_the_arms_that_are_offered_is_chosen():
    prior = fitted(*past(100))
    (forecast,) = prior.forecast(np.array([[0.1, 0.5]]), available=[1, 2])
    assert forecast.chosen == 1
    assert len(forecast.relative_loss) == 2


def test_missing_losses_and_features_are_missing_not_zero():
    features, losses = past(150)
    generator = np.random.default_rng(2)
    losses[generator.uniform(size=losses.shape) < 0.3] = np.nan
    features[generator.uniform(size=len(features)) < 0.2, 1] = np.nan
    small, large = fitted(features, losses).forecast(np.array([[0.1, np.nan], [0.9, 0.5]]))
    assert (small.chosen, large.chosen) == (0, 1)


def test_arm_that_hardly_ever_ran_is_not_known():
    features, losses = past(50)
    losses[3:, 2] = np.nan
    assert fitted(features, losses).arms == ("small", "large")


@pytest.mark.parametrize("tasks", [0, 3, 7])
def test_short_past_teaches_nothing(tasks):
    assert fit_prior(COLUMNS, ARMS, *past(tasks)) is None


def test_equal_losses_teach_nothing():
    assert fit_prior(COLUMNS, ARMS, past(50)[0], np.ones((50, 3))) is None


def test_stored_prior_says_the_same_and_equal_seeds_give_equal_priors():
    features, losses = past(60)
    prior, again, other = (fitted(features, losses, seed=seed) for seed in (3, 3, 4))
    unseen = past(20, seed=9)[0]
    read = Prior.from_bytes(prior.to_bytes())
    assert (read.columns, read.arms, read.multiple) == (prior.columns, prior.arms, prior.multiple)
    predictions = [
        [forecast.relative_loss for forecast in each.forecast(unseen)] for each in (prior, again, read, other)
    ]
    assert np.array_equal(predictions[0], predictions[1])
    assert np.array_equal(predictions[0], predictions[2])
    assert not np.array_equal(predictions[0], predictions[3])


def test_rows_of_one_task_stay_together():
    """Features that only name the task must not look as if they predicted its losses."""
    generator = np.random.default_rng(5)
    names, of_task = generator.uniform(size=(40, 2)), generator.normal(size=(40, 3))
    tasks = np.repeat(np.arange(40), 8)
    together = fitted(names[tasks], of_task[tasks], tasks=tasks.tolist())
    apart = fitted(names[tasks], of_task[tasks])
    assert together.errors.mean() > 0.6
    assert apart.errors.mean() < 0.45


def test_one_task_is_predicted_within_five_milliseconds():
    prior = fitted(*past(300))
    unseen = past(50, seed=9)[0]
    begin = time.perf_counter()
    for row in unseen:
        prior.forecast(row[None])
    assert (time.perf_counter() - begin) / len(unseen) < 0.005


def test_gain_within_the_disagreement_of_members_is_not_taken():
    # Two members, one task, two arms; the second arm is better by 1 on average, as sure as they agree.
    agreeing = np.array([[[1.0, 0.1]], [[1.0, -0.1]]])
    quarrelling = np.array([[[1.0, 3.0]], [[1.0, -3.0]]])
    shares = np.array([0.5, 0.5])
    for each, chosen in ((agreeing, 1), (quarrelling, 0)):
        taken, gain = guarded(each, shares, single_best=0, multiple=1.0)
        assert (taken.tolist(), gain.tolist()) == ([chosen], [1.0])
    assert guarded(agreeing, shares, single_best=0, multiple=math.inf)[0].tolist() == [0]


def test_members_that_mislead_on_unseen_tasks_leave_only_the_single_best():
    generator = np.random.default_rng(0)
    losses = np.stack([generator.uniform(1, 2, 200), generator.uniform(1.2, 2.2, 200)], axis=1)
    misled = losses[:, ::-1] + generator.normal(0, 0.1, losses.shape)
    tasks, sure = np.arange(200), np.zeros(2)
    both = stack([misled, misled * 1.1], losses, tasks, sure)
    assert math.isinf(both.multiple) or stack([misled], losses, tasks, sure).scales[0] == 0


def test_rows_of_one_task_are_no_further_evidence():
    """The same rows four times over say as much to the guard as once."""
    generator = np.random.default_rng(4)
    losses = generator.normal([0.5, 0.52, 0.6], 0.1, size=(16, 3))
    predictions = [losses + generator.normal(0, 0.2, losses.shape) for _ in range(3)]
    tasks, sure = np.arange(16), np.zeros(3)
    repeated = [np.repeat(each, 4, axis=0) for each in predictions]
    for conservative in (False, True):
        once = stack(predictions, losses, tasks, sure, conservative)
        often = stack(repeated, np.repeat(losses, 4, axis=0), np.repeat(tasks, 4), sure, conservative)
        assert often.multiple == once.multiple
        assert often.shares == pytest.approx(once.shares, abs=1e-6)


def test_arm_that_ran_little_is_not_chosen_for_what_may_be_luck():
    """The second arm is ahead by 0.05 on each task: known to 0.01, or to 0.05, by which it would hardly have to be."""
    generator = np.random.default_rng(0)
    features = generator.uniform(size=(40, 2))
    losses = (
        generator.normal(0.5, 0.1, size=(40, 1)) + np.array([0.0, -0.05, 0.1]) + generator.normal(0, 0.005, (40, 3))
    )
    for error, chosen in ((0.01, 1), (0.05, 0)):
        prior = fitted(features, losses, conservative=True, arm_errors=np.array([0.01, error, 0.01]))
        for read in (prior, Prior.from_bytes(prior.to_bytes())):
            (forecast,) = read.forecast(np.array([[0.5, 0.5]]))
            assert (forecast.chosen, forecast.single_best) == (chosen, chosen)
            assert forecast.relative_loss[1] < forecast.relative_loss[0]


def test_conservative_guard_keeps_to_the_single_best_until_others_are_shown_to_be_cheaper():
    """Two arms as good as each other on features that tell nothing, and two that features tell apart."""
    generator = np.random.default_rng(3)
    features = generator.uniform(size=(40, 2))
    level = generator.normal(0.5, 0.1, size=(40, 2))
    apart = np.where(features[:, :1] > 0.5, [[0.9, 0.1, 0.5]], [[0.1, 0.9, 0.5]])
    chosen = []
    for losses in (np.column_stack([level, np.full(40, 0.6)]), apart + generator.normal(0, 0.02, apart.shape)):
        forecasts = fitted(features, losses, conservative=True).forecast(generator.uniform(size=(50, 2)))
        chosen.append({forecast.chosen == forecast.single_best for forecast in forecasts})
    assert chosen[0] == {True}
    assert False in chosen[1]
