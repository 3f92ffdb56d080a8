"""Everything that is drawn from a space is a point of it."""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    NotEnumerable,
    Ordering,
    Parameter,
    SearchSpace,
    candidate_violations,
    enumerate_space,
    mlp_classifier,
    mutate,
    nas_bench_201,
    nas_bench_graph,
    nas_bench_graph_proteins,
    recombine,
    sample,
    space_size,
    space_violations,
)
from headstart.spaces.sampling import draw as draw_value

READY_MADE = [nas_bench_201(), nas_bench_graph(), nas_bench_graph_proteins(), mlp_classifier()]

NESTED = SearchSpace(
    "nested",
    (
        Parameter("kind", Categorical(("tree", "net"))),
        Parameter("depth", Integer(1, 4), Condition("kind", ("net",))),
        Parameter("skip", Categorical((True, False)), Condition("depth", (3, 4))),
        Parameter("leaves", Integer(2, 5), Condition("kind", ("tree",))),
    ),
)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Spaces of up to six parameters of every domain, with conditions on earlier ones."""
    parameters: list[Parameter] = []
    for index in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(("categorical", "integer", "float")))
        domain: Categorical | Integer | Float
        if kind == "categorical":
            listed = st.sampled_from("abcdef") if draw(st.booleans()) else st.sampled_from((0, 1, 2.5, 8, -3, 100))
            choices = tuple(draw(st.lists(listed, min_size=1, max_size=5, unique=True)))
            domain = Categorical(choices, draw(st.sampled_from(Ordering)))
        else:
            logarithmic = draw(st.booleans())
            lower = draw(st.integers(1 if logarithmic else -50, 60))
            upper = lower + draw(st.integers(0, 1000))
            domain = (
                Integer(lower, upper, logarithmic) if kind == "integer" else Float(lower / 8, upper / 8, logarithmic)
            )
        earlier = [p for p in parameters if isinstance(p.domain, Categorical)]
        condition = None
        if earlier and draw(st.booleans()):
            on = draw(st.sampled_from(earlier))
            assert isinstance(on.domain, Categorical)
            chosen = draw(st.lists(st.sampled_from(on.domain.choices), min_size=1, unique=True))
            condition = Condition(on.name, tuple(chosen))
        default = draw_value(domain, random.Random(index)) if draw(st.booleans()) else None
        parameters.append(Parameter(f"p{index}", domain, condition, default=default))
    return SearchSpace("drawn", tuple(parameters))


def assert_valid(space: SearchSpace, candidate: Candidate) -> None:
    assert list(candidate_violations(space, candidate)) == []


@settings(max_examples=200, deadline=None)
@given(spaces(), st.integers(0, 2**32))
def test_drawn_mutated_and_recombined_candidates_are_valid(space: SearchSpace, seed: int) -> None:
    assert list(space_violations(space)) == []
    generator = random.Random(seed)
    first, second = sample(space, generator), sample(space, generator)
    mutant = mutate(space, first, generator, 1 + seed % 3)
    child = recombine(space, first, second, generator)
    for candidate in (first, second, mutant, child):
        assert_valid(space, candidate)


@pytest.mark.parametrize("space", [*READY_MADE, NESTED], ids=lambda space: space.search_space_id)
def test_ready_made_spaces_are_valid_and_so_is_what_is_drawn(space: SearchSpace) -> None:
    assert list(space_violations(space)) == []
    generator = random.Random(0)
    candidate = sample(space, generator)
    for _ in range(200):
        assert_valid(space, candidate)
        candidate = mutate(space, candidate, generator)


@pytest.mark.parametrize("space", [*READY_MADE, NESTED], ids=lambda space: space.search_space_id)
def test_a_mutation_changes_exactly_one_parameter_that_was_active(space: SearchSpace) -> None:
    generator = random.Random(1)
    for _ in range(300):
        parent = sample(space, generator)
        child = mutate(space, parent, generator)
        both = parent.values.keys() & child.values.keys()
        changed = [name for name in both if parent.values[name] != child.values[name]]
        assert len(changed) == 1


def test_sampling_is_uniform_over_categories_ordered_ones_too_and_ends_of_integers() -> None:
    space = SearchSpace(
        "s",
        (
            Parameter("c", Categorical(("a", "b", "c"))),
            Parameter("i", Integer(1, 4)),
            Parameter("n", Categorical((1, 10, 100, 1000, 10_000))),
        ),
    )
    generator = random.Random(2)
    drawn = [sample(space, generator).values for _ in range(6000)]
    for name, share in (("c", 1 / 3), ("i", 1 / 4), ("n", 1 / 5)):
        for count in Counter(values[name] for values in drawn).values():
            assert abs(count / 6000 - share) < 0.03


def test_mutations_of_ordered_choices_go_to_near_ones_and_of_names_to_any() -> None:
    numbers = (256, 1, 2, 4, 8, 16, 32, 64, 128, 512, 1024)
    sizes = tuple("abcdefghijk")
    space = SearchSpace(
        "s",
        (
            Parameter("detected", Categorical(numbers)),
            Parameter("declared", Categorical(sizes, Ordering.ORDERED)),
            Parameter("names", Categorical(numbers, Ordering.UNORDERED)),
            Parameter("words", Categorical(sizes)),
        ),
    )
    parent = Candidate({"detected": 32, "declared": "f", "names": 32, "words": "f"})
    generator = random.Random(8)
    distances: dict[str, list[int]] = {name: [] for name in parent.values}
    for _ in range(4000):
        child = mutate(space, parent, generator)
        [name] = [name for name in parent.values if child.values[name] != parent.values[name]]
        order = sorted(numbers) if name in ("detected", "names") else list(sizes)
        distances[name].append(abs(order.index(child.values[name]) - 5))  # type: ignore[arg-type]
    for name, found in distances.items():
        assert set(found) == {1, 2, 3, 4, 5}, name
        share_of_next = sum(distance == 1 for distance in found) / len(found)
        # A step of a fifth of the range is two of these places; of ten others two are next to it.
        assert (share_of_next > 0.3) == (name in ("detected", "declared")), name
        assert name in ("detected", "declared") or abs(share_of_next - 0.2) < 0.05


def test_logarithmic_domains_are_uniform_on_the_logarithm() -> None:
    space = SearchSpace("s", (Parameter("rate", Float(1e-4, 1e-1, logarithmic=True)),))
    generator = random.Random(3)
    rates = [sample(space, generator).values["rate"] for _ in range(3000)]
    for edge, share in ((1e-3, 1 / 3), (1e-2, 2 / 3)):
        assert abs(sum(rate < edge for rate in rates) / 3000 - share) < 0.03


def test_logarithmic_integers_reach_both_bounds() -> None:
    space = SearchSpace("s", (Parameter("width", Integer(1, 64, logarithmic=True)),))
    generator = random.Random(4)
    widths = {sample(space, generator).values["width"] for _ in range(3000)}
    assert {1, 2, 3, 64} <= widths
    assert max(widths) == 64  # type: ignore[type-var]


def test_enumeration_is_complete_and_without_repeats() -> None:
    for space, size in ((nas_bench_201(), 15_625), (nas_bench_graph(), 59_049), (nas_bench_graph_proteins(), 5_625)):
        candidates = {tuple(sorted(candidate.values.items())) for candidate in enumerate_space(space)}
        assert len(candidates) == size == space_size(space)


def test_enumeration_of_nested_conditions() -> None:
    candidates = list(enumerate_space(NESTED))
    for candidate in candidates:
        assert_valid(NESTED, candidate)
    # A tree has 4 numbers of leaves; a net depths 1 and 2, and depths 3 and 4 with and without skip.
    assert len(candidates) == len({tuple(sorted(c.values.items())) for c in candidates}) == 4 + 2 + 4


@settings(max_examples=100, deadline=None)
@given(spaces())
def test_the_size_is_an_upper_bound(space: SearchSpace) -> None:
    size = space_size(space)
    if size < 5000:
        assert 0 < sum(1 for _ in enumerate_space(space)) <= size


HUGE = Integer(0, 2**63 - 1)


@pytest.mark.parametrize(
    "domain",
    [
        HUGE,
        Integer(1, 2**63 - 1, logarithmic=True),
        Integer(2**63 - 3, 2**63 - 1),
        Integer(2**63 - 3, 2**63 - 1, logarithmic=True),
        Float(-1.7e308, 1.7e308),
        Float(5e-324, sys.float_info.max, logarithmic=True),
        Float(0.0, 5e-324),
    ],
    ids=str,
)
def test_mutations_stay_in_domains_at_the_limits_of_numbers(domain: Integer | Float) -> None:
    space = SearchSpace("s", (Parameter("a", domain),))
    generator = random.Random(5)
    candidate = sample(space, generator)
    for _ in range(300):
        assert_valid(space, candidate)
        mutant = mutate(space, candidate, generator)
        assert mutant != candidate
        candidate = mutant


def test_domains_as_wide_as_the_floats_are_drawn_and_mutated_evenly() -> None:
    space = SearchSpace("s", (Parameter("a", Float(-1.7e308, 1.7e308)),))
    generator = random.Random(6)
    drawn = [float(sample(space, generator).values["a"]) for _ in range(2000)]
    assert abs(sum(value < 0 for value in drawn) / 2000 - 0.5) < 0.05
    near = [float(mutate(space, Candidate({"a": 0.0}), generator).values["a"]) for _ in range(2000)]
    assert abs(sum(value < 0 for value in near) / 2000 - 0.5) < 0.05


@pytest.mark.timeout(20)
def test_huge_integer_domains_are_counted_and_enumerated_without_listing_them() -> None:
    space = SearchSpace("s", (Parameter("c", Categorical(("a", "b"))), Parameter("i", HUGE), Parameter("j", HUGE)))
    assert space_size(space) == 2 * 2**63 * 2**63
    first = [candidate.values for candidate in islice(enumerate_space(space), 3)]
    assert first == [{"c": "a", "i": 0, "j": j} for j in range(3)]


def test_the_size_is_infinite_beside_a_float() -> None:
    space = SearchSpace("s", (*(Parameter(f"i{i}", HUGE) for i in range(20)), Parameter("f", Float(0.0, 1.0))))
    assert space_size(space) == math.inf


def test_float_spaces_are_refused_by_enumeration() -> None:
    with pytest.raises(NotEnumerable, match="momentum"):
        list(enumerate_space(mlp_classifier()))


def test_the_same_generator_draws_the_same() -> None:
    space = mlp_classifier()
    assert sample(space, random.Random(7)) == sample(space, random.Random(7))
    assert all(math.isfinite(v) for v in sample(space, random.Random(7)).values.values() if isinstance(v, float))


def test_explicit_graphs_cannot_be_drawn() -> None:
    space = SearchSpace("evolved", explicit_graphs=True)
    with pytest.raises(ValueError, match="evolved"):
        sample(space, random.Random(0))
