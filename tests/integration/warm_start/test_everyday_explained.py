"""Explanations agree with what the service does: suggestions, similarities and their evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

import headstart
from benchmarks.warm_start.everyday_problems import (
    ADULT,
    Described,
    mixed,
    numeric,
    reversed_quality,
    unlike,
)
from headstart.values import Suggestion
from tests.integration.warm_start.cases import FOLLOWED, Memory

# The first test of a file waits for a database and a service; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

PROBLEM = mixed()

_TRIED_FIRST = re.compile(r"tried first: the architecture that reached (\S+) on ([^\s,]+)", re.IGNORECASE)

# Each fills a memory with past tasks.
Fill = Callable[[Memory], None]


def alike(memory: Memory) -> None:
    memory.record(memory.past("alike", 60, 0))


def alike_and_reversed(memory: Memory) -> None:
    reverse = reversed_quality(PROBLEM.quality)
    memory.record(memory.past("alike", 60, 0), memory.past("reverse", 60, 0, unlike(0), reverse))


def reversed_only(memory: Memory) -> None:
    memory.record(memory.past("reverse", 60, 0, quality=reversed_quality(PROBLEM.quality)))


def nothing(memory: Memory) -> None:
    """No other task."""


PASTS: tuple[Fill, ...] = (alike, alike_and_reversed, reversed_only, nothing)
of_every_state = pytest.mark.parametrize(
    ("fill", "results"),
    [(fill, results) for fill in PASTS for results in (0, 1, 3, 8, 20)],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)


def explained_and_suggested(
    new_memory, fill: Fill, results: int
) -> tuple[headstart.values.Explanation, headstart.WarmStart]:
    """First for an explanation, which sets nothing aside, then for suggestions."""
    memory = new_memory(PROBLEM)
    fill(memory)
    memory.random_results(memory.new_task("new"), results, seed=1)
    explanation = memory.client.explain_task("new", memory.space_id)
    return explanation, memory.client.warm_start("new", memory.space_id, 5, seed=0)


def followed(suggestions: Sequence[Suggestion]) -> list[str]:
    return [each.fingerprint for each in suggestions if each.origin.name in FOLLOWED]


@of_every_state
def test_an_explanation_lists_what_is_suggested_of_the_past(new_memory, fill: Fill, results: int) -> None:
    explanation, answer = explained_and_suggested(new_memory, fill, results)
    origins = [each.origin.name for each in answer.suggestions]
    explained = [each.origin.name for each in explanation.suggestions]
    assert followed(explanation.suggestions) == followed(answer.suggestions), f"explained {explained}, done {origins}"


@of_every_state
def test_an_explanation_says_first_what_is_suggested_first(new_memory, fill: Fill, results: int) -> None:
    explanation, answer = explained_and_suggested(new_memory, fill, results)
    first = answer.suggestions[0]
    claim = _TRIED_FIRST.search(explanation.explanation)
    if first.sources:
        assert claim, explanation.explanation
        stated = (claim[1], claim[2])
        assert stated in {(f"{each.objective_value:.6g}", each.task_id) for each in first.sources}
    else:
        assert claim is None, f"suggested first: {first.origin.name}; stated: {claim and claim[0]}"


@of_every_state
def test_an_explanation_has_the_gate_and_the_weights_of_the_suggestions(new_memory, fill: Fill, results: int) -> None:
    explanation, answer = explained_and_suggested(new_memory, fill, results)
    assert explanation.gate == answer.gate
    assert {each.task_id: each.weight for each in explanation.similar_tasks} == pytest.approx(
        {each.task_id: each.weight for each in answer.similar_tasks}
    )
    assert answer.gate.reason


# Similar tasks


def test_unknown_is_not_half_alike(new_memory) -> None:
    """Tasks that share nothing with this one stand below the same data set, with little weight and an empty basis."""
    memory = new_memory(PROBLEM)
    for number in range(10):
        memory.client.create_task(headstart.Task(f"unknown-{number}", headstart.Objective("accuracy")))
    other_numbers = {name: 10.0 * value + 1.0 for name, value in ADULT.meta_features.items()}
    described = Described({"dataset": "adult", "domain": "census", "goal": "regression"}, other_numbers)
    memory.new_task("same-data", described)
    for number in range(5):
        memory.new_task(f"other-{number}", unlike(number))
    memory.new_task("new")
    similar = memory.client.search_tasks("new", count=20)
    ranked = [each.task_id for each in similar]
    weights = {each.task_id: round(each.weight, 3) for each in similar}
    unknown = [each for each in similar if each.task_id.startswith("unknown")]
    assert len(unknown) == 10
    assert all(each.basis == () for each in unknown)
    assert ranked.index("same-data") < min(ranked.index(each.task_id) for each in unknown), weights
    assert all(each.weight < 0.1 for each in unknown), weights


def test_tasks_with_results_in_other_spaces_are_unknown_too(new_memory) -> None:
    """Results that cannot be compared are none."""
    memory = new_memory(PROBLEM)
    memory.record(memory.past("same-data", 20, 0, Described({"dataset": "adult", "domain": "census"})))
    elsewhere = Memory(memory.client, numeric(), memory.token)
    elsewhere.client.create_search_space(elsewhere.problem.space)
    elsewhere.record(*(elsewhere.past(f"unknown-{i}", 10, 0, Described()) for i in range(3)))
    memory.random_results(memory.new_task("new"), 5, seed=0)
    similar = memory.client.search_tasks("new")
    weights = {each.task_id: round(each.weight, 3) for each in similar}
    assert similar[0].task_id == "same-data", weights
    assert all(each.weight < 0.1 for each in similar if each.task_id.startswith("unknown")), weights


def test_the_same_data_and_half_of_the_words_stand_first(new_memory) -> None:
    memory = new_memory(PROBLEM)
    target = {"dataset": "adult", "domain": "tabular", "goal": "classification", "source": "census"}
    for number in range(10):
        memory.client.create_task(headstart.Task(f"unknown-{number}", headstart.Objective("accuracy")))
        memory.new_task(f"other-{number}", unlike(number))
    memory.new_task("half", Described({**target, "goal": "regression", "source": "survey"}))
    memory.new_task("one-word", Described({"dataset": "news", "domain": "tabular", "goal": "ranking", "source": "web"}))
    memory.new_task("new", Described(target, ADULT.meta_features))
    similar = memory.client.search_tasks("new", count=25)
    assert similar[0].task_id == "half", [(each.task_id, round(each.weight, 3)) for each in similar]
