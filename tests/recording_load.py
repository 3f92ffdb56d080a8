"""Callers who record without a break, each result under one request id until it is acknowledged; what they met."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import Counter
from types import TracebackType
from typing import Self

import headstart
from benchmarks.reliability.faults import Promises, Sent, check
from headstart.errors import HeadstartError
from headstart.spaces import nas_bench_201, sample
from tests.waiting import wait_until

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
TASK = "first"


class RecordingLoad:
    """For the time of a with block, which makes space and task first; ``refusals`` counts (status, reason).

    ``promises`` are added to. ``patience`` in seconds: how long the client repeats a call by itself; 0 shows every
    refusal.
    """

    def __init__(
        self, address: str, callers: int, promises: Promises, *, timeout: float = 10.0, patience: float = 0.0
    ) -> None:
        self.promises = promises
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.retry_seconds: dict[tuple[str, str], float | None] = {}
        self.longest_seconds = 0.0
        self._client = headstart.connect(address, timeout=timeout)
        self._patient = self._client.with_patience(patience)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]

    def __enter__(self) -> Self:
        self._client.create_search_space(SPACE, timeout=30)
        self._client.create_task(headstart.Task(TASK, headstart.Objective("accuracy")), timeout=30)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def acknowledged(self) -> int:
        return len(self.promises.told)

    def goes_on(self, seconds: float = 30.0) -> None:
        """Until every caller is likely to have been answered again."""
        known = self.acknowledged()
        wait_until(lambda: self.acknowledged() > known + 2 * len(self._threads), seconds, what="acknowledgements")

    def end(self) -> None:
        """Every result that was begun is acknowledged first: the service has to be well."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "a result is not acknowledged after 60 s"
        self._client.close()

    def broken_promises(self, database_url: str) -> list[str]:
        """After the end: each acknowledged result must be there once, as sent, and nothing else."""
        assert self.promises.sent.keys() == self.promises.told.keys()
        return check(database_url, self.promises)

    def _call(self, number: int) -> None:
        generator = random.Random(number)
        while not self._over.is_set():
            candidate, value, request_id = sample(SPACE, generator), generator.random(), str(uuid.uuid4())
            self.promises.sent[request_id] = Sent(TASK, value)
            until = None
            while until is None or time.monotonic() < until:
                begin = time.monotonic()
                try:
                    outcome = headstart.completed(value)
                    answer = self._patient.record(TASK, SPACE_ID, candidate, outcome, request_id=request_id)
                    self.promises.told[request_id] = answer.experiment_id
                    break
                except HeadstartError as refusal:
                    told = (refusal.code.name, refusal.reason)
                    self.refusals[told] += 1
                    self.retry_seconds[told] = refusal.retry_seconds
                    if until is None and self._over.is_set():
                        until = time.monotonic() + 30
                    time.sleep(0.02)
                finally:
                    self.longest_seconds = max(self.longest_seconds, time.monotonic() - begin)
