"""A space whose parameters declare defaults: that configuration is tried first where nothing better is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from benchmarks.warm_start.everyday_problems import Problem, mixed
from headstart.spaces import canonicalize, default_candidate
from headstart.values import SuggestionOrigin
from tests.integration.warm_start.cases import Memory, best_names, followed_count, holds, origins

# The first test of a file waits for a database and a service; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

# What the made-up objective finds middling: 0.87 of at most 0.92.
DEFAULTS = {
    "depth": 2,
    "width": 64,
    "activation": "relu",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "dropout": 0.1,
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    plain = mixed()
    parameters = tuple(
        replace(each, default=DEFAULTS[each.name]) if each.name in DEFAULTS else each for each in plain.space.parameters
    )
    return replace(plain, space=replace(plain.space, parameters=parameters))


def default_name(problem: Problem) -> str:
    candidate = default_candidate(problem.space)
    assert candidate is not None
    return canonicalize(problem.space, candidate).fingerprint


def test_a_declared_default_is_a_candidate_of_declared_values(problem: Problem) -> None:
    candidate = default_candidate(problem.space)
    assert candidate is not None
    assert candidate.values == pytest.approx(DEFAULTS)
    assert math.isclose(problem.quality(candidate), 0.9 - 0.05 * 0.25 - 0.02)


@pytest.mark.parametrize("count", [1, 8])
def test_without_a_history_the_default_is_tried_first(new_memory, problem: Problem, count: int) -> None:
    memory: Memory = new_memory(problem)
    answer = memory.client.warm_start(memory.new_task("new"), memory.space_id, count, seed=0)
    assert answer.suggestions[0].origin is SuggestionOrigin.DEFAULT
    assert answer.suggestions[0].fingerprint == default_name(problem)
    assert origins(answer.suggestions).count("DEFAULT") == 1
    assert answer.suggestions[0].reason


def test_the_default_is_not_tried_twice(new_memory, problem: Problem) -> None:
    memory: Memory = new_memory(problem)
    suggestions, _ = memory.one_by_one(memory.new_task("new"), 12, seed=0)
    assert suggestions[0].fingerprint == default_name(problem)
    assert len({each.fingerprint for each in suggestions}) == 12


def test_a_default_that_was_measured_is_not_suggested(new_memory, problem: Problem) -> None:
    memory: Memory = new_memory(problem)
    memory.tell(memory.new_task("new"), default_candidate(problem.space), 0.87)
    answer = memory.client.warm_start("new", memory.space_id, 8, seed=0)
    assert default_name(problem) not in {each.fingerprint for each in answer.suggestions}


def test_the_same_data_comes_before_a_middling_default(new_memory, problem: Problem) -> None:
    """A past on the same data knows better; the default is at most one of the first eight."""
    drawn = []
    for draw in range(5):
        memory = new_memory(problem)
        past = memory.past("past", 60, draw)
        memory.record(past)
        trial = memory.try_first_eight([past], draw)
        right = trial.suggestions[0].fingerprint in best_names(problem, [past], 3)
        drawn.append(right and followed_count(trial.suggestions) >= 6)
        assert origins(trial.suggestions).count("DEFAULT") <= 1
    assert holds(drawn, 0.8), drawn


def test_a_proven_past_leaves_neither_default_nor_control_a_place_of_its_own(new_memory, problem: Problem) -> None:
    """Past tasks that predict one another: every suggestion is one that they speak for."""
    memory: Memory = new_memory(problem)
    pasts = [memory.past(name, 60, draw) for draw, name in enumerate(("one", "two", "three"))]
    for past in pasts:
        memory.record(past)
    trial = memory.try_first_eight(pasts, 0)
    assert {"DEFAULT", "EXPLORATION"}.isdisjoint(origins(trial.suggestions[:5]))
