"""Models see what matters of a candidate, and what they propose is good sooner than what evolution does."""

from __future__ import annotations

import gc
import math
import random
import statistics
import weakref
from dataclasses import replace

import numpy as np
import pytest

from headstart.search import History, RegularizedEvolution, Strategy, search_without_service
from headstart.search.model_based import GaussianProcess, TreeEnsemble, gaussian_process
from headstart.search.model_based.acquisition import expected_improvement, normal_scores, training_set
from headstart.search.model_based.features import Encoder, encoder_of
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    Ordering,
    Parameter,
    SearchSpace,
    mlp_classifier,
    nas_bench_201,
    nas_bench_graph,
    sample,
)
from headstart.values import Direction, ExperimentStatus, Outcome, completed

MIXED = SearchSpace(
    "mixed",
    (
        Parameter("rate", Float(1e-4, 1.0, logarithmic=True)),
        Parameter("kind", Categorical(("a", "b", True))),
        Parameter("size", Categorical((64, 8, 512))),
        Parameter("layers", Integer(1, 5), Condition("kind", ("b",))),
    ),
)
ORDERS = SearchSpace(
    "orders",
    (
        Parameter("grade", Categorical(("low", "middle", "high"), Ordering.ORDERED)),
        Parameter("code", Categorical((1, 2, 3), Ordering.UNORDERED)),
    ),
)


def columns_of(candidate: Candidate) -> list[float]:
    return [round(float(value), 4) for value in Encoder(MIXED).encode(candidate).columns]


def test_parameters_are_scaled_ranked_or_told_apart() -> None:
    half = round(math.sqrt(0.5), 4)
    assert columns_of(Candidate({"rate": 1e-2, "kind": "a", "size": 64})) == [0.5, half, 0, 0, 0.5, 0, 0]
    assert columns_of(Candidate({"rate": 1.0, "kind": True, "size": 512})) == [1, 0, 0, half, 1, 0, 0]
    assert columns_of(Candidate({"rate": 1e-4, "kind": "b", "size": 8, "layers": 3})) == [0, 0, half, 0, 0, 0.5, 1]


def test_declared_orders_are_ranks_and_numbers_that_are_names_are_told_apart() -> None:
    columns = Encoder(ORDERS).encode(Candidate({"grade": "middle", "code": 3})).columns
    assert columns.tolist() == pytest.approx([0.5, 0, 0, math.sqrt(0.5)])


def test_groups_are_one_for_each_parameter_and_kind_of_counts() -> None:
    widths = [group.stop - group.start for group in Encoder(MIXED).groups]
    assert widths == [1, 3, 1, 2]
    encoder = Encoder(nas_bench_graph())
    assert [group.stop - group.start for group in encoder.groups] == [9, 9, 9, 9, 9, 11, 2, 121]
    assert encoder.width == sum([9, 9, 9, 9, 9, 11, 2, 121])


def test_equivalent_candidates_have_the_same_graph_columns_and_different_ones_have_not() -> None:
    space = nas_bench_201()
    encoder = Encoder(space)
    cell = {f"op{index}": "nor_conv_3x3" for index in range(6)}
    one = encoder.encode(Candidate({**cell, "op1": "none", "op2": "none", "op5": "avg_pool_3x3"}))
    same = encoder.encode(Candidate({**cell, "op1": "none", "op2": "none", "op5": "nor_conv_1x1"}))
    other = encoder.encode(Candidate(cell))
    graph = slice(encoder.groups[6].start, None)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert (one.columns[graph] == same.columns[graph]).all()
    assert (one.columns[graph] != other.columns[graph]).any()


def test_a_graph_gives_its_operations_depth_and_joined_pairs() -> None:
    space = nas_bench_graph()
    encoder = Encoder(space)
    chain = encoder.encode(Candidate({"link": "0,1,2,3", "op1": "gat", "op2": "gat", "op3": "gcn", "op4": "skip"}))
    counts, shape, pairs = (chain.columns[group] for group in encoder.groups[5:])
    assert sorted(counts[counts > 0].tolist()) == [1, 1, 1, 2]
    assert shape[0] == 4, "input, gat, gat, gcn, output: the skip is no operation"
    assert pairs.sum() == 4


def test_an_encoder_is_shared_and_goes_with_its_space() -> None:
    space = replace(MIXED)
    encoder = weakref.ref(encoder_of(space))
    assert encoder_of(space) is encoder()
    assert encoder_of(replace(MIXED)) is not encoder()
    del space
    gc.collect()
    assert encoder() is None


def test_scores_become_normal_quantiles_in_order_and_failures_are_the_worst() -> None:
    history = History(MIXED, Direction.MINIMIZE)
    generator = random.Random(0)
    outcomes = [completed(1e9), completed(1.0), Outcome(ExperimentStatus.FAILED), completed(0.1), completed(1.0)]
    scores = normal_scores([history.trial(sample(MIXED, generator), outcome) for outcome in outcomes])
    assert np.argsort(scores, kind="stable").tolist() == [2, 0, 1, 4, 3]
    assert scores[1] == scores[4]


def test_models_leave_partial_trainings_out_and_keep_the_best_of_a_long_history() -> None:
    history = History(MIXED, max_fidelity=10.0)
    generator = random.Random(0)
    outcomes = [completed(float(-index)) for index in range(90)]
    outcomes.append(Outcome(ExperimentStatus.COMPLETED, 5.0, fidelity=2.0))
    history.add(history.trial(sample(MIXED, generator), outcome) for outcome in outcomes)
    assert len(training_set(history, 200)) == 90
    kept = [trial.score for trial in training_set(history, 30)]
    assert sorted(kept, reverse=True) == [-float(i) for i in range(10)] + [-float(i) for i in range(70, 90)]


def test_expected_improvement_is_the_mean_of_what_exceeds_the_best() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.5, 400_000)
    expected = np.maximum(draws - 0.6, 0.0).mean()
    found = expected_improvement(np.array([0.3]), np.array([0.5]), 0.6)
    assert found[0] == pytest.approx(expected, rel=0.02)
    assert expected_improvement(np.array([1.0]), np.array([0.0]), 0.6)[0] == pytest.approx(0.4)


def _regression(count: int) -> tuple[np.ndarray, np.ndarray, list[slice]]:
    columns = np.random.default_rng(0).random((count, 3)).astype(np.float32)
    return columns, np.sin(6 * columns[:, 0]).astype(np.float64), [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_length_scales_find_the_parameter_that_matters() -> None:
    columns, scores, groups = _regression(60)
    theta = gaussian_process._fit(gaussian_process._distances(columns.astype(np.float64), groups), scores)
    assert theta[0] > theta[1] + 2 and theta[0] > theta[2] + 2


def test_a_process_predicts_between_what_it_knows_and_is_unsure_far_away() -> None:
    columns, scores, groups = _regression(80)
    theta = gaussian_process._fit(gaussian_process._distances(columns[:60].astype(np.float64), groups), scores[:60])
    model = gaussian_process._Model(columns[:60], scores[:60], groups, theta)
    mean, deviation = model.predict(columns[60:])
    assert np.abs(mean - scores[60:]).mean() < 0.1
    _, far = model.predict(np.full((1, 3), 3.0, np.float32))
    assert far[0] > 3 * deviation.max()


def test_length_scales_of_a_step_are_fitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    fit = gaussian_process._fit
    monkeypatch.setattr(gaussian_process, "_fit", lambda d, s: fitted.append(len(s)) or fit(d, s))
    search_without_service(MIXED, lambda c: float(len(str(c))), 60, strategies={"gp": GaussianProcess()})
    assert len(fitted) == len(set(fitted)) and 3 <= len(fitted) <= 10


MODELS: dict[str, Strategy] = {"gaussian_process": GaussianProcess(), "tree_ensemble": TreeEnsemble()}


def bowl(candidate: Candidate) -> float:
    """0 is the best, at depth 2, width 64, adam and a learning rate of 0.01."""
    values = candidate.values
    away = abs(int(values["depth"]) - 2) + abs(math.log2(int(values["width"]) / 64)) / 2
    away += abs(math.log10(float(values["learning_rate"])) + 2) + (values["optimizer"] == "sgd")
    return -away


@pytest.mark.parametrize("name", MODELS)
def test_models_come_nearer_than_evolution(name: str) -> None:
    space = mlp_classifier()

    def best(strategy: Strategy, seed: int) -> float:
        result = search_without_service(space, bowl, 50, strategies={"one": strategy}, seed=seed)
        assert result.best_value is not None
        return result.best_value

    evolution = statistics.median(best(RegularizedEvolution(10, 5), seed) for seed in range(5))
    assert statistics.median(best(MODELS[name], seed) for seed in range(5)) > evolution / 2


@pytest.mark.parametrize("name", MODELS)
def test_proposals_are_new_while_there_are_any_and_follow_from_history_and_seed(name: str) -> None:
    space = SearchSpace("tiny", (Parameter("a", Integer(1, 5)), Parameter("b", Categorical(("x", "y")))))

    def run() -> list[Candidate]:
        result = search_without_service(space, lambda c: float(len(str(c))), 30, strategies={"one": MODELS[name]})
        assert result.exhausted
        return [step.candidate for step in result.steps]

    assert len(run()) == 10
    assert run() == run()


@pytest.mark.parametrize("name", MODELS)
def test_a_history_of_failures_alone_is_gone_on_with_at_random(name: str) -> None:
    result = search_without_service(MIXED, lambda candidate: math.nan, 20, strategies={"one": MODELS[name]})
    assert result.evaluations == 20
