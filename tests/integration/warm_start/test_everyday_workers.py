"""Concurrent workers on one new task get different suggestions, as good as in sequence."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

import pytest

import headstart
from benchmarks.warm_start.everyday_problems import mixed
from headstart.values import Suggestion
from tests.integration.warm_start.cases import Memory, followed_count

# The first test of a file waits for a database and a service; a busy machine takes its time.
pytestmark = pytest.mark.timeout(300)

PROBLEM = mixed()


@pytest.fixture(scope="module")
def memories(new_memory) -> Sequence[Memory]:
    """With one past of sixty results on the same data each."""
    made = []
    for draw in range(5):
        memory = new_memory(PROBLEM)
        memory.record(memory.past("past", 60, draw))
        made.append(memory)
    return made


def together(memory: Memory, task_id: str, workers: int) -> list[Suggestion]:
    """Each worker, with a connection of its own, asks for one at the same time."""
    memory.new_task(task_id)

    def ask(number: int) -> Suggestion:
        with headstart.connect(memory.client.address, token=memory.token) as own:
            [suggestion] = own.warm_start(task_id, memory.space_id, 1, seed=number).suggestions
            return suggestion

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(ask, range(workers)))


def test_sixteen_at_once_are_as_good_as_one_after_the_other(memories: Sequence[Memory]) -> None:
    """The best of them truly, mean of five draws, is within .005; no two of them are alike."""
    at_once, one_by_one = [], []
    for draw, memory in enumerate(memories):
        batch = memory.client.warm_start(memory.new_task("batch"), memory.space_id, 16, seed=draw).suggestions
        assert len({each.fingerprint for each in batch}) == 16
        at_once.append(max(PROBLEM.quality(each.candidate) for each in batch))
        name = memory.new_task("single")
        suggestions, _ = memory.one_by_one(name, 16, draw)
        assert len({each.fingerprint for each in suggestions}) == 16
        one_by_one.append(max(PROBLEM.quality(each.candidate) for each in suggestions))
        memory.client.delete_task(name)
    assert fmean(at_once) >= fmean(one_by_one) - 0.005, f"{fmean(at_once):.4f} and {fmean(one_by_one):.4f}"


def test_sixteen_at_once_follow_the_same_data(memories: Sequence[Memory]) -> None:
    """Of eight at least six, so of sixteen too."""
    counts = []
    for draw, memory in enumerate(memories):
        batch = memory.client.warm_start(memory.new_task("followed"), memory.space_id, 16, seed=draw).suggestions
        counts.append(followed_count(batch))
    assert min(counts) >= 6, counts


def test_eight_workers_get_eight_different_ones_and_six_of_the_same_data(memories: Sequence[Memory]) -> None:
    counts = []
    for memory in memories:
        suggestions = together(memory, "eight", 8)
        assert len({each.fingerprint for each in suggestions}) == 8
        counts.append(followed_count(suggestions))
    assert sum(count >= 6 for count in counts) >= 4, counts


def test_sixty_four_workers_get_as_many_different_ones(memories: Sequence[Memory]) -> None:
    suggestions = together(memories[0], "sixty-four", 64)
    assert len({each.fingerprint for each in suggestions}) == 64
