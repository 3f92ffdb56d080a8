"""How much of a budget goes to what WarmStart proposes."""

from __future__ import annotations

import random

import pytest

from headstart.search import Advice, History
from headstart.search.advice import Adviser
from headstart.spaces import Candidate, mlp_classifier


def test_the_whole_budget_goes_to_warm_starts_unless_there_are_strategies_of_ones_own() -> None:
    assert Advice().settled(own_strategies=False).warm_start_share == 1.0
    assert Advice().settled(own_strategies=True).warm_start_share == 0.5
    assert Advice(warm_start_share=0.2).settled(own_strategies=False).warm_start_share == 0.2
    assert Advice(warm_start_share=0.0).settled(own_strategies=True).warm_start_share == 0.0


@pytest.mark.parametrize(("share", "asked"), [(1.0, 10), (0.5, 5), (0.0, 0)])
def test_warm_starts_are_asked_for_until_their_share_is_spent(share: float, asked: int) -> None:
    class Suggesting(Adviser):
        def suggest(self, history: History, generator: random.Random) -> Candidate | None:
            return Candidate({})

    adviser = Suggesting(None, "task", "space", Advice(warm_start_share=share))  # type: ignore[arg-type]
    history = History(mlp_classifier())
    suggested = [adviser.suggestion(history, spent, 10, random.Random(0)) for spent in range(10)]
    assert [each is not None for each in suggested] == [True] * asked + [False] * (10 - asked)
