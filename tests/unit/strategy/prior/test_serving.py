"""Serving of the prior: when its chosen arm is taken, and when results contradict it."""

from __future__ import annotations

import numpy as np
import pytest

from headstart_server.strategy.bandit.thompson_sampling import Belief
from headstart_server.strategy.prior.serving import PriorAdvice
from headstart_server.strategy.search_state import SearchState

NAMED, OTHER = ("named", False), ("other", False)
ADVICE = PriorAdvice({}, NAMED, True, "the best on average")
START, LATER = SearchState(0, 0), SearchState(20, 3)


def beliefs(pending: int = 0) -> list[Belief]:
    return [Belief(name, tuned, 0.5, 0.1, 10.0, pending) for name, tuned in (OTHER, NAMED)]


def applies(chance: float, state: SearchState = LATER, pending: int = 0) -> bool:
    return ADVICE.applies(state, beliefs(pending), np.array([1 - chance, chance]))


@pytest.mark.parametrize(("chance", "expected"), [(0.2, True), (0.05, False)])
def test_named_arm_is_kept_until_it_is_hardly_the_best_any_more(chance, expected):
    assert applies(chance) is expected


def test_first_decision_follows_the_past_whatever_draws_say():
    assert applies(0.05, START)


def test_decisions_that_are_pending_let_the_next_be_drawn():
    assert not applies(0.9, START, pending=1)
    assert not applies(0.9, pending=1)


def test_decision_says_that_it_is_sure_and_why():
    choice = ADVICE.chosen_arm({each.key: each for each in beliefs()})
    assert (choice.key, choice.probability, choice.decided_by) == (NAMED, 1.0, "prior")
    assert "best on average" in choice.reason
