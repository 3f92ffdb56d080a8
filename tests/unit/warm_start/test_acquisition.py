"""Order of choice by expected improvement under every source, with local penalization."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.prediction.sources.model_averaging import ModelPredictions
from headstart_server.prediction.sources.surrogate import ScoredCandidates
from headstart_server.warm_start.acquisition import NEAR, NEAR_AT_FIRST, Acquisition, expected_improvement

FAR = np.arange(4.0)[:, None] * 10


def scored(
    means: list[list[float]], weights: list[float], features: np.ndarray = FAR, incumbent: float = 0.0
) -> ScoredCandidates:
    predicted = np.array(means)
    predictions = ModelPredictions(predicted, np.full(predicted.shape, 0.3))
    return ScoredCandidates(
        features, np.zeros((len(features), len(weights) - 1)), predictions, np.array(weights), incumbent
    )


def order(
    of: ScoredCandidates, pending: list[int] | None = None, preferred: list[int] | None = None, near: float = NEAR
) -> list[int]:
    count = len(of.features)
    trying = np.isin(np.arange(count), pending or [])
    wanted = None if preferred is None else np.isin(np.arange(count), preferred)
    return list(Acquisition(of, near).best_first(trying, wanted))


def test_expected_improvement_by_simulation() -> None:
    generator = np.random.default_rng(0)
    means, deviations = np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.1, 2.0])
    drawn = means + deviations * generator.normal(size=(400_000, 3))
    simulated = np.maximum(drawn - 0.5, 0.0).mean(axis=0)
    assert expected_improvement(means, deviations, 0.5) == pytest.approx(simulated, abs=0.005)


def test_a_second_choice_covers_what_another_source_finds_good() -> None:
    """Two sources that like different candidates: the second best of the first adds less than the best of the other."""
    means = [[0.0] * 4, [2.0, 1.9, 0.0, 0.0], [0.0, 0.0, 1.2, 0.0]]
    assert order(scored(means, [0.1, 0.5, 0.4]))[:2] == [0, 2]
    # One source that has nearly all of the weight is followed on.
    assert order(scored(means, [0.01, 0.98, 0.01]))[:2] == [0, 1]


def test_the_first_is_of_the_preferred_ones_and_the_rest_are_not_bound() -> None:
    means = [[0.0] * 4, [2.0, 1.9, 1.0, 0.5]]
    assert order(scored(means, [0.1, 0.9]), preferred=[2, 3])[:2] == [2, 0]
    assert order(scored(means, [0.1, 0.9]), preferred=[])[0] == 0


def test_what_others_are_trying_is_not_proposed_and_holds_back_what_is_near() -> None:
    features = np.array([[0.0], [0.01], [5.0], [10.0]])
    means = [[1.0, 0.99, 0.8, 0.7]]
    assert order(scored(means, [1.0], features))[0] == 0
    assert order(scored(means, [1.0], features))[-1] == 1
    assert 0 not in order(scored(means, [1.0], features), pending=[0])
    assert order(scored(means, [1.0], features), pending=[0])[-1] == 1


def test_first_batches_stay_near_where_the_past_is_good() -> None:
    features = np.array([[0.0], [1.0], [9.0], [10.0]])
    means = [[0.0] * 4, [2.0, 1.99, 0.2, 0.1]]
    near = scored(means, [0.1, 0.9], features)
    assert order(near, near=NEAR_AT_FIRST)[:2] == [0, 1]
