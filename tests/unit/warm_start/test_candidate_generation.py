"""Candidates generated from the best ones, and random ones beside them."""

from __future__ import annotations

import random

from headstart.spaces import canonicalize, mlp_classifier, nas_bench_201, sample
from headstart_server.warm_start.candidate_generation import generate


def test_generated_candidates_are_near_their_parents_and_some_are_not() -> None:
    space = nas_bench_201()
    generator = random.Random(0)
    parents = [sample(space, generator) for _ in range(5)]
    elsewhere = [sample(space, generator)]
    generated = list(generate(space, parents, elsewhere, 1, 0, generator))
    assert any(each.candidate == elsewhere[0] for each in generated)

    def nearest(candidate: object) -> int:
        values = candidate.values  # type: ignore[attr-defined]
        return min(sum(values[name] != parent.values[name] for name in values) for parent in parents)

    children = [each for each in generated if each.origin.startswith("a change of") and "here" in each.origin]
    assert len(children) >= 60
    assert all(nearest(each.candidate) <= 2 for each in children)
    at_random = [each for each in generated if each.origin == "drawn at random"]
    assert len(at_random) == 50
    assert sum(nearest(each.candidate) > 2 for each in at_random) > 10


def test_more_are_generated_where_more_are_asked_for() -> None:
    space = mlp_classifier()
    generator = random.Random(0)
    parents = [sample(space, generator) for _ in range(5)]
    generated = list(generate(space, parents, [], 0, 1000, generator))
    assert len({canonicalize(space, each.candidate).fingerprint for each in generated}) >= 700


def test_of_what_other_tasks_would_try_all_are_candidates_and_the_first_are_changed() -> None:
    space = mlp_classifier()
    generator = random.Random(1)
    transferred = [sample(space, generator) for _ in range(6)]
    generated = list(generate(space, [], transferred, 2, 0, generator))
    assert [each.candidate for each in generated if each.recorded] == transferred
    assert sum(each.origin == "a change of what was good on other tasks" for each in generated) == 2
