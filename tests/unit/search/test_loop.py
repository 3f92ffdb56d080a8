"""The loop keeps its budget, survives failing evaluations, and repeats nothing."""

from __future__ import annotations

import logging
import math
import random

import pytest

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
from headstart.values import Direction, ExperimentStatus, Outcome

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
