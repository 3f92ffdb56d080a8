"""A warm-started strategy follows suggestions first, and its own ways then."""

from __future__ import annotations

import random

from headstart.search import History, WarmStarted, search_without_service
from headstart.spaces import Candidate, Integer, Parameter, SearchSpace

SPACE = SearchSpace("line", (Parameter("x", Integer(0, 999)),))


class Upwards:
    def propose(self, history: History, generator: random.Random) -> Candidate:
        return Candidate({"x": 500 + len(history)})


def proposed(suggestions: list[int], first: int) -> list[object]:
    left = list(suggestions)

    def suggest(history: History, generator: random.Random) -> Candidate | None:
        return Candidate({"x": left.pop(0)}) if left else None

    result = search_without_service(
        SPACE, lambda candidate: 0.0, 6, strategies={"warm": WarmStarted(Upwards(), suggest, first)}
    )
    return [step.candidate.values["x"] for step in result.steps]


def test_the_first_proposals_are_suggested_ones() -> None:
    assert proposed([7, 3, 9, 1, 2, 4], first=3) == [7, 3, 9, 503, 504, 505]


def test_the_strategy_goes_on_by_itself_where_nothing_is_suggested() -> None:
    assert proposed([7], first=3) == [7, 501, 502, 503, 504, 505]
