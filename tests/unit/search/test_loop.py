"""The loop keeps its budget, survives failing evaluations, and repeats nothing."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import headstart
from headstart.outcomes import recordable
from headstart.search import RandomSearch, Step, search_without_service
from headstart.search.history import History
from headstart.spaces import (
    Candidate,
    Categorical,
    Float,
    Integer,
    Parameter,
    SearchSpace,
    canonicalize,
    nas_bench_201,
    sample,
)
from headstart.values import CurvePoint, Direction, Experiment, ExperimentStatus, Objective, Outcome, Task, completed

TINY = SearchSpace("tiny", (Parameter("a", Integer(1, 4)), Parameter("b", Categorical(("x", "y")))))
LINE = SearchSpace("line", (Parameter("x", Float(-1.0, 1.0)),))


def number(candidate: Candidate, name: str = "x") -> float:
    value = candidate.values[name]
    assert isinstance(value, int | float)
    return float(value)


def test_budget_is_kept() -> None:
    steps: list[Step] = []
    result = search_without_service(LINE, number, 60, on_result=steps.append)
    assert result.evaluations == len(steps) == 60
    assert tuple(steps) == result.steps
    assert [step.evaluations_before for step in steps] == list(range(60))
    assert {step.proposed_by for step in steps} == {"regularized_evolution"}


def test_strategy_that_is_alone_proposes_what_it_would_if_it_were_always_chosen() -> None:
    """The loop draws nothing of its own, so that searches with and without selection can be compared seed by seed."""
    result = search_without_service(LINE, number, 20, strategies={"random": RandomSearch()}, seed=3)
    generator = random.Random("3/")
    assert [step.candidate for step in result.steps] == [sample(LINE, generator) for _ in range(20)]


def test_best_is_in_the_tasks_direction() -> None:
    up = search_without_service(LINE, number, 40)
    down = search_without_service(LINE, number, 40, direction=Direction.MINIMIZE)
    assert up.best_value == max(step.outcome.objective_value or 0.0 for step in up.steps)
    assert down.best_value == min(step.outcome.objective_value or 0.0 for step in down.steps)
    assert down.best_candidate == Candidate({"x": down.best_value})


def test_values_at_a_fidelity_are_final_where_the_task_has_no_full_training() -> None:
    """As the service sees it: such an outcome becomes the incumbent."""
    outcome = Outcome(ExperimentStatus.COMPLETED, 0.5, fidelity=3.0)
    assert search_without_service(LINE, lambda candidate: outcome, 3).best_value == 0.5


@pytest.mark.parametrize(("fidelity", "score"), [(None, 0.5), (9.0, -math.inf), (10.0, 0.5), (12.0, 0.5)])
def test_partial_trainings_have_no_score(fidelity: float | None, score: float) -> None:
    history = History(LINE, max_fidelity=10.0)
    outcome = Outcome(ExperimentStatus.COMPLETED, 0.5, fidelity=fidelity)
    assert history.trial(Candidate({"x": 0.0}), outcome).score == score


def test_no_candidate_is_tried_twice_and_a_small_space_is_tried_completely() -> None:
    result = search_without_service(TINY, lambda c: number(c, "a"), 100)
    assert result.exhausted
    assert len({tuple(step.candidate.values.items()) for step in result.steps}) == len(result.steps) == 8


def test_equivalent_candidates_are_not_tried_twice() -> None:
    space = nas_bench_201()
    result = search_without_service(space, lambda c: float(str(c.values).count("conv")), 400)
    assert len({canonicalize(space, step.candidate).fingerprint for step in result.steps}) == 400


def test_failing_evaluation_becomes_a_failed_outcome_with_a_logged_reason(caplog: pytest.LogCaptureFixture) -> None:
    def evaluate(candidate: Candidate) -> float:
        if number(candidate) > 0:
            raise RuntimeError("diverged badly")
        return number(candidate)

    with caplog.at_level(logging.ERROR, "headstart.search"):
        result = search_without_service(LINE, evaluate, 60)
    failed = [step for step in result.steps if step.outcome.status is ExperimentStatus.FAILED]
    assert 0 < len(failed) < 60
    assert all(step.outcome.objective_value is None for step in failed)
    assert "diverged badly" in caplog.text
    assert result.best_value is not None and result.best_value <= 0


def test_search_in_which_everything_fails_ends_without_a_best() -> None:
    result = search_without_service(LINE, lambda candidate: math.nan, 55)
    assert result.best is None and result.best_value is None and result.best_candidate is None
    assert {step.outcome.status for step in result.steps} == {ExperimentStatus.FAILED}


def test_interrupt_passes() -> None:
    def evaluate(candidate: Candidate) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_without_service(LINE, evaluate, 5)


def test_outcomes_are_kept_as_they_are_and_cost_is_measured_where_missing() -> None:
    told = Outcome(ExperimentStatus.COMPLETED, 0.5, {"loss": 1.0}, cost_seconds=12.0, seed=3)
    assert search_without_service(LINE, lambda candidate: told, 1).steps[0].outcome == told
    measured = search_without_service(LINE, number, 1).steps[0].outcome.cost_seconds
    assert measured is not None and 0.0 <= measured < 1.0


def test_the_same_seed_repeats_a_search_and_another_does_not() -> None:
    def candidates(seed: int) -> list[Candidate]:
        return [step.candidate for step in search_without_service(LINE, number, 70, seed=seed).steps]

    assert candidates(1) == candidates(1) != candidates(2)


def test_own_strategies_can_be_given() -> None:
    class Middle:
        def propose(self, history: History, generator: random.Random) -> Candidate:
            return Candidate({"x": 0.0}) if len(history) == 0 else sample(history.space, generator)

    result = search_without_service(LINE, number, 3, strategies={"middle": Middle()})
    assert result.steps[0].candidate == Candidate({"x": 0.0})
    assert {step.proposed_by for step in result.steps} == {"middle"}


ODD = {
    "huge": Outcome(ExperimentStatus.COMPLETED, 1e150),
    "nan": completed(math.nan),
    "none": Outcome(ExperimentStatus.COMPLETED),
    "metric": completed(0.5, metrics={"loss": math.nan, "size": 3}),
    "curve": completed(0.5, learning_curve=(CurvePoint(1, 0.1), CurvePoint(1, 0.2), CurvePoint(2, math.nan))),
    "cost": completed(0.5, cost_seconds=-1.0, fidelity=math.inf, seed=2**70),
}


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_outcome_is_kept_as_far_as_it_can_be_and_the_search_goes_on(
    odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "headstart.search"):
        result = search_without_service(LINE, lambda candidate: ODD[odd], 3)
    outcome = result.steps[0].outcome
    assert len(result.steps) == 3 and len(caplog.records) == 3
    assert recordable(outcome) == (outcome, ())
    if odd in ("huge", "nan", "none"):
        assert outcome.status is ExperimentStatus.FAILED
    else:
        assert (outcome.status, outcome.objective_value) == (ExperimentStatus.COMPLETED, 0.5)
    assert odd != "metric" or outcome.metrics == {"size": 3.0}
    assert odd != "curve" or outcome.learning_curve == (CurvePoint(1.0, 0.2),)


def failing(error: Exception, first: int = 0) -> Callable[[Candidate], float]:
    calls = iter(range(100))

    def evaluate(candidate: Candidate) -> float:
        if next(calls) >= first:
            raise error
        return 0.5

    return evaluate


@pytest.mark.parametrize(
    ("error", "first"), [(NameError("nam"), 2), (ModuleNotFoundError("torhc"), 2), (ValueError("at once"), 0)]
)
def test_an_error_of_the_program_ends_the_search_with_that_error(error: Exception, first: int) -> None:
    steps: list[Step] = []
    with pytest.raises(type(error), match=str(error)):
        search_without_service(LINE, failing(error, first), 9, on_result=steps.append)
    assert len(steps) == first
    assert search_without_service(LINE, failing(error, first), 9, catch=Exception).evaluations == 9


def test_what_is_not_caught_ends_the_search_too() -> None:
    with pytest.raises(RuntimeError):
        search_without_service(LINE, failing(RuntimeError("memory"), 2), 9, catch=(MemoryError, ValueError))
    assert search_without_service(LINE, failing(MemoryError(), 2), 9, catch=MemoryError).evaluations == 9


@pytest.mark.parametrize("returned", [None, "good", {"accuracy": 0.5}])
def test_an_evaluation_that_returns_no_number_is_told_in_a_sentence(returned: object) -> None:
    evaluate: Any = lambda candidate: returned  # noqa: E731
    with pytest.raises(TypeError, match="evaluate must return a number or an Outcome, it returned"):
        search_without_service(LINE, evaluate, 3, catch=Exception)


MIXED = SearchSpace(
    "mixed",
    (
        Parameter("width", Integer(1, 512)),
        Parameter("rate", Float(0.001, 0.1)),
        Parameter("drop", Categorical((0.1, 0.3))),
        Parameter("bias", Categorical((False, True))),
        Parameter("op", Categorical(("conv", "pool"))),
    ),
)


@pytest.mark.parametrize("width", [3.0, np.int64(3), np.float32(3.0), 3])
def test_a_strategy_may_propose_numbers_of_numpy_and_whole_floats(width: Any) -> None:
    class Odd:
        def propose(self, history: History, generator: random.Random) -> Candidate:
            values: dict[str, Any] = {
                "width": type(width)(width + len(history)),
                "rate": np.float32(0.1),
                "drop": np.float32(0.3),
                "bias": np.bool_(True),
                "op": np.str_("conv"),
            }
            assert Candidate(values) not in history
            return Candidate(values)

    result = search_without_service(MIXED, lambda candidate: number(candidate, "width"), 2, strategies={"odd": Odd()})
    values = result.steps[0].candidate.values
    assert values == {"width": 3, "rate": 0.1, "drop": 0.3, "bias": True, "op": "conv"}
    assert [type(value) for value in values.values()] == [int, float, float, bool, str]


class Remembering:
    """A service that keeps what is recorded on its only task."""

    def __init__(self) -> None:
        self.kept: list[Experiment] = []

    def get_task(self, task_id: str) -> Task:
        return Task(task_id, Objective("acc"))

    def with_patience(self, seconds: float) -> Remembering:
        return self

    def record(self, task_id: str, space_id: str, candidate: Candidate, outcome: Outcome, **named: str) -> None:
        name = f"{task_id}/{space_id}/{len(self.kept) + 1}"
        fingerprint = canonicalize(LINE, candidate).fingerprint
        self.kept.append(Experiment(name, task_id, space_id, candidate, fingerprint, outcome))

    def list_experiments(self, task_id: str, space_id: str, after_sequence: int) -> list[Experiment]:
        return self.kept[after_sequence:]


def test_a_second_search_says_that_the_budget_is_spent_and_can_ask_for_more(caplog: pytest.LogCaptureFixture) -> None:
    client: Any = Remembering()
    with caplog.at_level(logging.WARNING, "headstart.search"):
        headstart.search(client, "task", LINE, number, 5, advice=None)
        assert caplog.records == []
        again = headstart.search(client, "task", LINE, number, 5, advice=None)
        assert len(again.steps) == 0
        (said,) = caplog.messages
        assert "5 experiments were recorded before, which count against the budget of 5" in said
    more = headstart.search(client, "task", LINE, number, evaluations=3, advice=None)
    assert (len(more.steps), len(client.kept)) == (3, 8)
    assert len(headstart.search(client, "task", LINE, number, 9, evaluations=3, advice=None).steps) == 1
    assert len(headstart.search(client, "task", LINE, number, 99, evaluations=3, advice=None).steps) == 3
    with pytest.raises(ValueError, match="needs a budget"):
        headstart.search(client, "task", LINE, number, advice=None)
