"""Watches what a hostile caller does: answers of an ordinary caller, memory and processor time of the server."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

import headstart
from benchmarks.reliability.hostile.costly import CELLS
from headstart.errors import HeadstartError
from headstart.spaces import sample

ORDINARY = "ordinary"
_PAUSE_SECONDS = 0.02
_LOOK_SECONDS = 0.02
_TIMEOUT_SECONDS = 30.0
# Work of the server in this many seconds after a call has ended is put down to the call, less what it does anyway.
_AFTER_SECONDS = 2.0
MIB = 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that this share of them does not exceed. Raises IndexError for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Answers:
    """Milliseconds of each answered call, and how many failed."""

    milliseconds: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def p95(self) -> float:
        return percentile(self.milliseconds, 0.95) if self.milliseconds else _TIMEOUT_SECONDS * 1000


@contextmanager
def ordinary_caller(address: str, token: str) -> Iterator[Answers]:
    """Another tenant, who asks for a task, for predictions of four candidates, and records, by turns, all the while."""
    answers, stop = Answers(), threading.Event()

    def ask() -> None:
        generator = random.Random(0)
        with headstart.connect(address, token=token, timeout=_TIMEOUT_SECONDS) as client:
            while not stop.is_set():
                for call in (_get, _predict, _record):
                    start = time.monotonic()
                    try:
                        call(client, generator)
                    except HeadstartError:
                        answers.failed += 1
                    answers.milliseconds.append((time.monotonic() - start) * 1000)
                    stop.wait(_PAUSE_SECONDS)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join(_TIMEOUT_SECONDS)


def _get(client: headstart.Client, generator: random.Random) -> None:
    client.get_task(ORDINARY)


def _predict(client: headstart.Client, generator: random.Random) -> None:
    client.predict(ORDINARY, CELLS.search_space_id, [sample(CELLS, generator) for _ in range(4)])


def _record(client: headstart.Client, generator: random.Random) -> None:
    client.record(ORDINARY, CELLS.search_space_id, sample(CELLS, generator), headstart.completed(generator.random()))


@dataclass
class Cost:
    """``memory``: MiB at the highest above the beginning; ``kept``: at the end; ``overtime``: milliseconds of processor
    time after the call's end."""

    memory: float = 0.0
    kept: float = 0.0
    overtime: float = 0.0


@contextmanager
def watching(server: psutil.Process) -> Iterator[Cost]:
    """Watches a server process from before a call until two seconds after it."""
    cost, stop = Cost(), threading.Event()
    before, rate = server.memory_info().rss, _processor_rate(server)

    def look() -> None:
        while not stop.wait(_LOOK_SECONDS):
            cost.memory = max(cost.memory, (server.memory_info().rss - before) / MIB)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield cost
        ended = _processor_seconds(server)
        time.sleep(_AFTER_SECONDS)
        spent = _processor_seconds(server) - ended
        cost.overtime = max(0.0, spent - rate * _AFTER_SECONDS) * 1000
        cost.kept = (server.memory_info().rss - before) / MIB
    finally:
        stop.set()
        thread.join()


def _processor_rate(server: psutil.Process) -> float:
    """Seconds of processor time a second, as things are."""
    before = _processor_seconds(server)
    time.sleep(_AFTER_SECONDS)
    return (_processor_seconds(server) - before) / _AFTER_SECONDS


def _processor_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)
