"""Transferability from measurements and similarity, fine-tuning plans, and one candidate for several tasks."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.knowledge.similarity.tasks import Basis, SimilarityEvidence
from headstart_server.transfer.fine_tuning import fine_tuning_plan
from headstart_server.transfer.multi_task import Objective, choose, expected_on_target, share_beaten
from headstart_server.transfer.transferability import TaskSimilarity, transferability

ALIKE = TaskSimilarity(0.8, "descriptors")
NOTHING = TaskSimilarity(None, "")


def measured(tau: float, count: int) -> SimilarityEvidence:
    return SimilarityEvidence(Basis.MEASURED_AGREEMENT, tau, count, ("space",))


def test_many_measurements_outweigh_similarity_and_narrow_the_interval() -> None:
    few, many = (transferability(measured(-0.3, count), ALIKE, (), 0.9) for count in (5, 500))
    assert many.tau == pytest.approx(-0.3, abs=0.02)
    assert few.tau > many.tau
    assert few.upper - few.lower > 3 * (many.upper - many.lower)


def test_without_measurements_similarity_tells_on_a_wide_interval() -> None:
    expected = transferability(None, ALIKE, (), 0.9)
    assert expected.tau == pytest.approx(0.4)
    assert expected.upper - expected.lower > 0.8
    assert "descriptors" in expected.basis


def test_what_similarity_meant_between_other_tasks_is_learned() -> None:
    useless = transferability(None, ALIKE, [(0.9, 0.0), (0.7, 0.05), (0.8, -0.05)] * 4, 0.9)
    telling = transferability(None, ALIKE, [(0.9, 0.9), (0.7, 0.7), (0.8, 0.8)] * 4, 0.9)
    assert useless.tau < 0.1
    assert telling.tau > 0.7
    assert telling.upper - telling.lower < transferability(None, ALIKE, (), 0.9).upper - -0.2


def test_nothing_known_is_said_and_promises_nothing() -> None:
    expected = transferability(None, NOTHING, (), 0.9)
    assert expected.tau == 0.0
    assert expected.lower < -0.5 < 0.5 < expected.upper


def test_an_interval_covers_its_level_of_measured_agreements() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        truth = generator.uniform(0.0, 0.8)
        one = generator.normal(size=40)
        other = truth * one + np.sqrt(1 - truth**2) * generator.normal(size=40)
        tau = np.sign(one[:, None] - one) * np.sign(other[:, None] - other)
        expected = transferability(measured(float(tau.sum() / (40 * 39)), 40), ALIKE, (), 0.9)
        covered += expected.lower <= 2 / np.pi * np.arcsin(truth) <= expected.upper
    assert covered / 400 >= 0.88


def test_near_tasks_with_few_examples_keep_more_frozen_and_slow_than_far_ones_with_many() -> None:
    near, far = fine_tuning_plan(0.9, 200), fine_tuning_plan(0.05, 50_000)
    assert min(stage.layer_decay for stage in near.stages) < min(stage.layer_decay for stage in far.stages)
    assert len(near.stages) > len(far.stages)
    assert sum(stage.epochs for stage in near.stages) > sum(stage.epochs for stage in far.stages)


@pytest.mark.parametrize("tau", [-1.0, 0.0, 0.4, 1.0])
@pytest.mark.parametrize("instances", [None, 1.0, 150.0, 1e4, 1e9])
def test_every_plan_starts_with_the_last_layer_and_ends_with_all(tau: float, instances: float | None) -> None:
    plan = fine_tuning_plan(tau, instances)
    assert plan.stages[0].frozen_share == 1.0
    assert plan.stages[-1].frozen_share == 0.0
    shares = [stage.frozen_share for stage in plan.stages]
    assert shares == sorted(shares, reverse=True)
    assert all(stage.epochs >= 1 and 0.0 < stage.layer_decay <= 1.0 for stage in plan.stages)


def test_weighted_and_worst_case_choose_differently() -> None:
    ranks = np.array([[1.0, 0.2], [0.5, 0.5], [0.4, 0.9]])
    assert choose(ranks, [1.0, 1.0], Objective.WEIGHTED) == 2
    assert choose(ranks, [9.0, 1.0], Objective.WEIGHTED) == 0
    assert choose(ranks, [9.0, 1.0], Objective.WORST_CASE) == 1


def test_share_beaten_counts_ties_half() -> None:
    assert share_beaten(np.array([0.0, 2.0, 5.0]), np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [0.0, 0.375, 1.0]


def test_ranks_carry_over_as_far_as_the_tasks_agree() -> None:
    assert expected_on_target(np.array([1.0, 0.0]), 0.5).tolist() == [0.75, 0.25]
    assert expected_on_target(np.array([1.0, 0.0]), -0.5).tolist() == [0.5, 0.5]
