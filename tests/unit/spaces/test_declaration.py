"""What a declaration says of the order of its choices, and of the values to try where nothing is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    Ordering,
    Parameter,
    SearchSpace,
    Value,
    candidate_violations,
    default_candidate,
    detected_orders,
    mlp_classifier,
)
from tests.unit.spaces.test_sampling import spaces


@pytest.mark.parametrize(
    ("domain", "ordered"),
    [
        (Categorical((64, 8, 512.0)), (8, 64, 512.0)),
        (Categorical((2**63 - 1, 0, 2**63 - 2)), (0, 2**63 - 2, 2**63 - 1)),
        (Categorical((1, 2)), None),
        (Categorical((1, 2, True)), None),
        (Categorical((1, 2, "3")), None),
        (Categorical((1, 2, 3), Ordering.UNORDERED), None),
        (Categorical((1, 2), Ordering.ORDERED), (1, 2)),
        (Categorical((3, 1, 2), Ordering.ORDERED), (3, 1, 2)),
        (Categorical(("small", "medium", "large"), Ordering.ORDERED), ("small", "medium", "large")),
    ],
)
def test_three_or_more_numbers_are_ordered_unless_it_is_said_otherwise(
    domain: Categorical, ordered: tuple[Value, ...] | None
) -> None:
    assert domain.ordered_choices == ordered


def test_an_order_that_was_detected_is_told_with_its_field_and_one_that_was_declared_is_not() -> None:
    space = SearchSpace(
        "s",
        (
            Parameter("kind", Categorical(("a", "b", "c"))),
            Parameter("width", Categorical((8, 16, 32))),
            Parameter("code", Categorical((101, 201, 301), Ordering.UNORDERED)),
            Parameter("depth", Categorical((1, 2, 3), Ordering.ORDERED)),
        ),
    )
    [told] = detected_orders(space)
    assert told.startswith("search_space.parameters[1].categorical.ordering: ")
    assert "'width'" in told and "UNORDERED" in told


def test_the_default_candidate_has_declared_values_and_else_the_middle() -> None:
    space = SearchSpace(
        "s",
        (
            Parameter("bias", Categorical((True, False)), default=False),
            Parameter("kind", Categorical(("a", "b"))),
            Parameter("width", Categorical((64, 8, 512, 1024))),
            Parameter("rate", Float(1e-4, 1.0, logarithmic=True)),
            Parameter("depth", Integer(1, 64, logarithmic=True)),
            Parameter("share", Float(0.0, 1.0)),
            Parameter("layers", Integer(2, 6), Condition("kind", ("a",))),
            Parameter("leaves", Integer(2, 6), Condition("kind", ("b",)), default=3),
        ),
    )
    found = default_candidate(space)
    assert found is not None
    expected = {"bias": False, "kind": "a", "width": 64, "rate": 1e-2, "depth": 8, "share": 0.5, "layers": 4}
    assert found.values == pytest.approx(expected)
    assert found.values["bias"] is False


def test_a_space_that_declares_no_default_has_no_default_candidate() -> None:
    assert default_candidate(mlp_classifier()) is None
    declared = (Parameter("a", Integer(0, 1), default=1),)
    assert default_candidate(SearchSpace("graphs", declared, explicit_graphs=True)) is None
    assert default_candidate(SearchSpace("plain", declared)) == Candidate({"a": 1})


@settings(max_examples=200, deadline=None)
@given(spaces())
def test_the_default_candidate_is_a_point_of_its_space(space: SearchSpace) -> None:
    found = default_candidate(space)
    assert (found is None) == all(parameter.default is None for parameter in space.parameters)
    assert found is None or list(candidate_violations(space, found)) == []


@pytest.mark.parametrize(
    "domain", [Integer(2**63 - 3, 2**63 - 1), Integer(0, 2**63 - 1), Float(-1.7e308, 1.7e308), Float(0.0, 5e-324)]
)
def test_the_middle_of_a_domain_at_the_limits_of_numbers_lies_in_it(domain: Integer | Float) -> None:
    space = SearchSpace("s", (Parameter("a", domain), Parameter("b", Integer(0, 1), default=0)))
    found = default_candidate(space)
    assert found is not None and list(candidate_violations(space, found)) == []
