"""Work ends where nobody waits for it any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

import pytest

from headstart.spaces import CanonicalGraph
from headstart_server.knowledge.similarity.graph_distance import edit_distances
from headstart_server.runtime import deadline
from headstart_server.runtime.deadline import DeadlinePassed, NotQuick

T = TypeVar("T")


def within(until: float | None, work: Callable[[], T]) -> T:
    def run() -> T:
        deadline.deadline.set(until)
        return work()

    return copy_context().run(run)


def test_work_goes_on_until_the_deadline_and_without_one() -> None:
    within(None, deadline.check)
    within(time.monotonic() + 60, deadline.check)
    with pytest.raises(DeadlinePassed):
        within(time.monotonic() - 1, deadline.check)


def test_a_call_without_a_deadline_gets_one() -> None:
    def bounded() -> float | None:
        deadline.at_most(5.0)
        return deadline.remaining_seconds()

    assert 4.0 < (within(None, bounded) or 0) <= 5.0
    assert (within(time.monotonic() + 1, bounded) or 0) <= 1.0


def test_what_takes_longer_than_is_quick_says_so() -> None:
    with deadline.quick(0.02), pytest.raises(NotQuick):
        while True:
            deadline.check()
    deadline.check()
    with deadline.quick(0.0), deadline.quick(None):
        deadline.check()


def test_edit_distances_end_at_the_deadline() -> None:
    graphs = [CanonicalGraph(("a",) * 9, ((),) * 9, tuple((0, place, 1) for place in range(1, 9)))] * 50
    with pytest.raises(DeadlinePassed):
        within(time.monotonic() - 1, lambda: edit_distances(graphs[0], graphs, 10.0))
