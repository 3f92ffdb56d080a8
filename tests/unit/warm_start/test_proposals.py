"""What a portfolio covers, what is tried next, what is grown, and when the past has no say."""

from __future__ import annotations

import random
from itertools import combinations, islice

import numpy as np
import pytest

from headstart.spaces import canonicalize, mlp_classifier, nas_bench_201, sample
from headstart_server.knowledge.similarity import Basis, Evidence, SimilarTask
from headstart_server.prediction.surrogate import own_share
from headstart_server.warm_start.acquisition import apart, expected_improvement
from headstart_server.warm_start.gate import Validated, judge
from headstart_server.warm_start.growing import grow
from headstart_server.warm_start.portfolio import cover
from headstart_server.warm_start.sources import earned_weights, without_weight


def covered(scores: np.ndarray, weights: np.ndarray, chosen: list[int]) -> float:
    return float(np.maximum(scores[chosen].max(axis=0), 0.0) @ weights)


def test_a_portfolio_covers_every_task_before_the_average_one() -> None:
    # Two tasks that like different candidates, and a third candidate that both like a little.
    scores = np.array([[2.0, -1.0], [-1.0, 2.0], [1.1, 1.1]])
    order = list(cover(scores, np.ones(2), np.zeros(3, bool)))
    assert order[0] == 2
    assert set(order[1:]) == {0, 1}
    assert next(cover(scores, np.array([1.0, 0.1]), np.zeros(3, bool))) == 0
    # The second best of the same taste adds nothing; what the other task likes does.
    scores = np.array([[2.0, 0.0], [1.9, 0.0], [0.0, 0.5]])
    assert list(cover(scores, np.ones(2), np.zeros(3, bool))) == [0, 2, 1]


def test_greedy_reaches_its_share_of_the_best_cover() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        scores, weights = generator.normal(size=(9, 4)), generator.uniform(size=4)
        greedy = covered(scores, weights, list(islice(cover(scores, weights, np.zeros(9, bool)), 3)))
        best = max(covered(scores, weights, list(chosen)) for chosen in combinations(range(9), 3))
        assert greedy >= (1 - 1 / np.e) * best - 1e-9


def test_what_was_taken_is_covered_and_does_not_come_again() -> None:
    scores = np.array([[2.0, 0.0], [1.9, 0.0], [0.0, 0.5]])
    order = list(cover(scores, np.ones(2), np.array([True, False, False])))
    assert order == [2, 1]


def test_expected_improvement_by_simulation() -> None:
    generator = np.random.default_rng(0)
    means, deviations = np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.1, 2.0])
    drawn = means + deviations * generator.normal(size=(400_000, 3))
    simulated = np.maximum(drawn - 0.5, 0.0).mean(axis=0)
    assert expected_improvement(means, deviations, 0.5) == pytest.approx(simulated, abs=0.005)


def test_the_most_promising_first_then_apart_from_it_and_from_what_is_pending() -> None:
    features = np.array([[0.0], [0.01], [5.0], [10.0]])
    promise = np.array([1.0, 0.99, 0.5, 0.4])
    nothing = np.zeros(4, bool)
    assert next(apart(promise, features, nothing)) == 0
    assert list(apart(promise, features, nothing)) == [0, 2, 3, 1]
    # Another worker tries number 2: neither that nor anything near it.
    assert list(apart(promise, np.array([[0.0], [5.01], [5.0], [10.0]]), np.array([0, 0, 1, 0], bool)))[-1] == 1


def test_grown_candidates_are_near_their_parents_and_some_are_not() -> None:
    space = nas_bench_201()
    generator = random.Random(0)
    parents = [sample(space, generator) for _ in range(5)]
    elsewhere = [sample(space, generator)]
    grown = list(grow(space, parents, elsewhere, 0, generator))
    assert any(each.candidate == elsewhere[0] for each in grown)

    def nearest(candidate: object) -> int:
        values = candidate.values  # type: ignore[attr-defined]
        return min(sum(values[name] != parent.values[name] for name in values) for parent in parents)

    children = [each for each in grown if each.origin.startswith("a change of") and "here" in each.origin]
    assert len(children) >= 60
    assert all(nearest(each.candidate) <= 2 for each in children)
    at_random = [each for each in grown if each.origin == "drawn at random"]
    assert len(at_random) == 50
    assert sum(nearest(each.candidate) > 2 for each in at_random) > 10


def test_more_are_grown_where_more_are_asked_for() -> None:
    space = mlp_classifier()
    generator = random.Random(0)
    parents = [sample(space, generator) for _ in range(5)]
    grown = list(grow(space, parents, [], 1000, generator))
    assert len({canonicalize(space, each.candidate).fingerprint for each in grown}) >= 700


def similar(task_id: str, weight: float, *evidence: Evidence) -> SimilarTask:
    return SimilarTask(task_id, weight, evidence)


def test_transfer_earns_its_place_by_the_evidence_of_the_results() -> None:
    friends = [similar("friend", 0.6)]
    assert judge(friends).open
    assert judge(friends, Validated(20, share=0.6)).open
    closed = judge(friends, Validated(20, share=0.04))
    assert not closed.open
    assert closed.weights == {}
    assert "the 20 results here they are worth 4%" in closed.reason


def test_sources_without_a_pattern_have_no_weight_and_that_is_told() -> None:
    weighed = without_weight([similar("noise", 0.9), similar("useful", 0.1)], {"noise"})
    assert [(each.task_id, each.weight) for each in weighed] == [("useful", 0.1), ("noise", 0.0)]
    gate = judge([similar("noise", 0.0)], patternless=1)
    assert not gate.open
    assert "the results of 1 of them show no pattern" in gate.reason


def test_a_source_that_measurements_contradict_takes_no_part() -> None:
    foe = similar("foe", 0.2, Evidence(Basis.MEASURED_AGREEMENT, -0.3, 20, ()))
    gate = judge([similar("friend", 0.3), foe])
    assert set(gate.weights) == {"friend"}
    assert not judge([foe]).open


def test_weights_are_those_that_the_results_earn() -> None:
    weighed = earned_weights([similar("liked", 0.9), similar("useful", 0.1)], {"useful": 0.4})
    assert [(each.task_id, each.weight) for each in weighed] == [("useful", 0.4), ("liked", 0.0)]


def test_the_share_of_a_tasks_own_results_never_falls() -> None:
    shares = [own_share(count) for count in range(500)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[10] == pytest.approx(0.5)
