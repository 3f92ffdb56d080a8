"""Valid and invalid declarations of many values are checked in time that grows with their size, not with its square."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headstart.codec import knowledge as codec_knowledge
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    GraphTemplate,
    NodeTemplate,
    Parameter,
    SearchSpace,
    ValueOf,
    candidate_violations,
    space_violations,
)
from headstart.spaces.declaration import holds
from headstart.spaces.sampling import mutate
from headstart.spaces.validation import MAX_VIOLATIONS, InvalidInput, require
from headstart.v1 import knowledge_base_service_pb2
from headstart.values import ExperimentStatus

CHOICES = tuple(f"choice-{number}" for number in range(4096))
OF_MANY = Parameter("many", Categorical(CHOICES))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.process_time()
    yield
    assert time.process_time() - begin < seconds


def conditional(values: tuple[str, ...]) -> SearchSpace:
    return SearchSpace("s", (OF_MANY, Parameter("other", Categorical((1, 2)), Condition("many", values))))


def templated() -> SearchSpace:
    nodes = tuple(NodeTemplate(f"n{place}", ValueOf("many")) for place in range(2000))
    edges = tuple(EdgeTemplate("n0", "n1", Condition("many", CHOICES[-16:])) for _ in range(2000))
    return SearchSpace("s", (OF_MANY,), GraphTemplate(nodes, edges))


@pytest.mark.parametrize(
    "declaration", [lambda: conditional(CHOICES[::-1] * 16), templated], ids=["condition", "template"]
)
def test_a_valid_space_of_many_values_is_checked_in_linear_time(declaration: Callable[[], SearchSpace]) -> None:
    space = declaration()
    with within(0.5):
        assert not list(space_violations(space))


def test_wrong_values_are_told_until_there_are_enough_of_them() -> None:
    """Each would show thousands of choices, and there may be a million."""
    space = conditional(("unknown",) * 100_000)
    with within(0.5), pytest.raises(InvalidInput) as refused:
        require(space_violations(space))
    assert len(refused.value.violations) == MAX_VIOLATIONS
    assert refused.value.violations[0].description.startswith("'unknown' is not one of the choices ['choice-0', ")


def test_candidates_of_many_choices_are_checked_in_linear_time() -> None:
    parameters = tuple(Parameter(f"p{place}", Categorical(CHOICES)) for place in range(32))
    space = SearchSpace("s", parameters)
    candidate = Candidate({parameter.name: CHOICES[-1] for parameter in parameters})
    with within(0.5):
        for _ in range(500):
            assert not list(candidate_violations(space, candidate))


def test_a_change_to_another_of_many_choices_is_one_draw() -> None:
    space = SearchSpace("s", tuple(Parameter(f"p{place}", Categorical(CHOICES)) for place in range(32)))
    candidate = Candidate({parameter.name: CHOICES[-1] for parameter in space.parameters})
    generator = random.Random(0)
    with within(0.5):
        changed = [mutate(space, candidate, generator) for _ in range(500)]
    assert all(each.values != candidate.values for each in changed)


def test_true_and_1_stay_apart_and_1_and_1_0_one_value() -> None:
    assert 1.0 in Categorical((1, "1"))
    assert True not in Categorical((1, "1"))
    assert 1 not in Categorical((True, "1"))
    assert holds(Condition("a", (1,)), {"a": 1.0})
    assert not holds(Condition("a", (1,)), {"a": True})
    assert not holds(Condition("a", ("1",)), {"a": 1})


def test_statuses_that_a_filter_repeats_are_one() -> None:
    """A million of them would become a million operands of a statement."""
    message = knowledge_base_service_pb2.ExperimentFilter(statuses=[2, 1] * 500_000)
    with within(2.0):
        asked = codec_knowledge.filter_from_proto(message, "filter")
    assert asked.statuses == (ExperimentStatus(2), ExperimentStatus(1))
    with pytest.raises(InvalidInput, match=r"filter.statuses\[2\]"):
        codec_knowledge.filter_from_proto(knowledge_base_service_pb2.ExperimentFilter(statuses=[2, 2, 77]), "filter")
