"""Work that waited in vain: nobody is served by doing it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from headstart_server.api.blocking import BlockingWork
from headstart_server.runtime.database.row_security import tenant
from headstart_server.runtime.deadline import DeadlinePassed, remaining_seconds


def _caller(seconds: float | None) -> Any:
    return SimpleNamespace(time_remaining=lambda: seconds)


def test_work_whose_deadline_passed_while_it_waited_is_dropped() -> None:
    enough = threading.Event()
    done: list[str] = []

    async def calls() -> list[Any]:
        work = BlockingWork(ThreadPoolExecutor(1))
        first = asyncio.create_task(work.run(_caller(None), lambda: enough.wait(20)))
        waiting = [
            asyncio.create_task(work.run(_caller(seconds), lambda name=name: done.append(name)))
            for name, seconds in (("late", 0.01), ("in time", 60.0), ("without a deadline", None))
        ]
        # All have begun to wait before the time runs in which the deadline passes.
        await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        enough.set()
        await first
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        work.close()
        return answers

    late, *others = asyncio.run(calls())
    assert isinstance(late, DeadlinePassed)
    assert others == [None, None]
    assert done == ["in time", "without a deadline"]


@pytest.mark.parametrize("seconds", [None, 60.0])
def test_work_knows_how_long_its_caller_waits(seconds: float | None) -> None:
    async def call() -> float | None:
        work = BlockingWork(ThreadPoolExecutor(1))
        remaining = await work.run(_caller(seconds), remaining_seconds)
        work.close()
        return remaining

    remaining = asyncio.run(call())
    if seconds is None:
        assert remaining is None
    else:
        assert remaining is not None and 30 < remaining <= seconds


def test_namespaces_take_turns_and_each_keeps_its_order() -> None:
    enough = threading.Event()
    done: list[str] = []

    async def ask(work: BlockingWork, namespace: str, number: int) -> None:
        tenant.set(namespace)
        await work.run(_caller(None), lambda: done.append(f"{namespace}{number}"))

    async def calls() -> None:
        work = BlockingWork(ThreadPoolExecutor(1))
        first = asyncio.create_task(work.run(_caller(None), lambda: enough.wait(20)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(ask(work, "a", number)) for number in range(50)]
        waiting += [asyncio.create_task(ask(work, name, number)) for name in "bc" for number in range(2)]
        await asyncio.sleep(0.05)
        enough.set()
        await asyncio.gather(first, *waiting)
        work.close()

    asyncio.run(calls())
    assert done[:7] == ["a0", "b0", "c0", "a1", "b1", "c1", "a2"]
    assert done[6:] == [f"a{number}" for number in range(2, 50)]


def test_work_that_has_not_begun_when_it_is_closed_is_dropped() -> None:
    async def calls() -> bool:
        enough = threading.Event()
        work = BlockingWork(ThreadPoolExecutor(1))
        first = asyncio.create_task(work.run(_caller(None), lambda: enough.wait(20)))
        await asyncio.sleep(0.05)
        dropped = asyncio.create_task(work.run(_caller(None), lambda: None))
        await asyncio.sleep(0.05)
        enough.set()
        closing = asyncio.get_running_loop().run_in_executor(None, work.close)
        await asyncio.wait([first, dropped], timeout=5)
        await closing
        return dropped.done()

    assert asyncio.run(calls())
