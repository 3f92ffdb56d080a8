"""Random effects of arms: planted effects are recovered, chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.strategy.rewards.random_effects import PooledRewards, pool_rewards

TASKS, PHASES = 20, 3
EFFECTS = np.array([0.1, 0.0, -0.1])


def pooled(
    pulls: list[int],
    noise: float = 0.25,
    of_task: np.ndarray | None = None,
    of_phase: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[PooledRewards, np.ndarray]:
    """Of searches that pull each arm so often in each phase; and the rewards that they were drawn around."""
    generator = np.random.default_rng(seed)
    tasks, phases = np.repeat(np.arange(TASKS), PHASES), np.tile(np.arange(PHASES), TASKS)
    truth = 0.4 + generator.normal(0, 0.1, (len(tasks), 1)) + EFFECTS
    if of_task is not None:
        truth = truth + of_task[tasks]
    if of_phase is not None:
        truth = truth + of_phase[phases]
    counts = np.tile(np.array(pulls, dtype=np.float64), (len(tasks), 1))
    sums, squares = np.zeros_like(counts), np.zeros_like(counts)
    for row, arm in np.ndindex(*counts.shape):
        rewards = truth[row, arm] + generator.normal(0, noise, pulls[arm])
        sums[row, arm], squares[row, arm] = rewards.sum(), (rewards**2).sum()
    return pool_rewards(counts, sums, squares, tasks, phases), truth


def relative(rewards: np.ndarray) -> np.ndarray:
    return rewards - rewards.mean(axis=1, keepdims=True)


def test_effects_of_arms_are_found_where_single_searches_show_noise():
    fitted, truth = pooled([20, 2, 2])
    assert relative(fitted.rewards).mean(axis=0) == pytest.approx(EFFECTS, abs=0.05)
    error = (relative(fitted.rewards) - relative(truth)).std()
    # Two pulls of a cell leave 0.25 / sqrt(2) of noise.
    assert error < 0.04
    assert fitted.residual_variance < 0.05**2


def test_error_of_an_arm_is_what_its_effect_is_wrong_by():
    """Of the two that are pulled seldom; the third has nothing to be compared with that is known better."""
    effects, predicted_errors = [], []
    for seed in range(30):
        fitted, _ = pooled([20, 2, 1], seed=seed)
        effects.append((fitted.rewards[:, 1:] - fitted.rewards[:, :1]).mean(axis=0))
        predicted_errors.append(fitted.errors)
    errors = np.mean(predicted_errors, axis=0)
    assert errors[0] < errors[1] < errors[2]
    assert np.std(effects, axis=0) == pytest.approx(np.hypot(errors[1:], errors[0]), rel=0.35)


def test_what_an_arm_is_on_one_task_is_kept_where_many_pulls_show_it():
    of_task = np.zeros((TASKS, 3))
    of_task[4, 2] = 0.5
    fitted, _ = pooled([30, 30, 30], of_task=of_task)
    rewards = relative(fitted.rewards).reshape(TASKS, PHASES, 3)
    assert (rewards[4].argmax(axis=1) == 2).all()
    assert (np.delete(rewards, 4, axis=0).argmax(axis=2) == 0).all()


def test_what_an_arm_is_in_one_phase_is_kept():
    fitted, truth = pooled([20, 20, 20], of_phase=np.array([[0.0, 0.2, 0.0], [0.0, 0.0, 0.0], [0.0, -0.2, 0.0]]))
    first = relative(fitted.rewards).reshape(TASKS, PHASES, 3)[:, 0]
    assert first.mean(axis=0) == pytest.approx(relative(truth).reshape(TASKS, PHASES, 3)[:, 0].mean(axis=0), abs=0.03)


def test_arm_that_was_not_pulled_in_a_row_is_expected_to_be_as_elsewhere():
    counts = np.array([[5.0, 5.0], [5.0, 0.0]])
    sums = np.array([[4.0, 1.0], [4.0, 0.0]])
    squares = np.array([[3.4, 0.4], [3.4, 0.0]])
    fitted = pool_rewards(counts, sums, squares, np.array([0, 1]), np.array([0, 0]))
    assert fitted.rewards[1] == pytest.approx([0.8, 0.2], abs=0.02)


def test_rewards_without_any_noise_are_given_back():
    fitted, truth = pooled([3, 3, 3], noise=0.0)
    assert fitted.rewards == pytest.approx(truth, abs=1e-3)
