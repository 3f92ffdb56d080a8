"""Micro-batching: requests that arrive during a pass through a model share the next pass.

No request waits for others: the first one to find no pass running starts one at once. A request whose deadline comes
before its turn is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.graph.model import Scores
from headstart_server.runtime.database.row_security import acting_for, tenant
from headstart_server.runtime.deadline import DeadlinePassed, deadline
from headstart_server.threads import SCORE

_log = logging.getLogger(__name__)

# Candidates in one pass; a single request may have more.
_MOST = 2048

Score = Callable[[str, Sequence[CanonicalCandidate]], Scores]


@dataclass(eq=False)
class _WaitingRequest:
    model: str
    candidates: Sequence[CanonicalCandidate]
    until: float | None
    # All requests for a model have the same tenant, because a model belongs to one namespace.
    tenant: str | None = field(default_factory=tenant.get)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Scores | None = None
    problem: BaseException | None = None


class MicroBatcher:
    """Joins calls from many threads into passes of ``score``, one pass at a time. Thread-safe."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._waiting: deque[_WaitingRequest] = deque()
        self._lock = threading.Lock()
        self._busy = False

    def score(self, model: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Scores of these candidates.

        Raises DeadlinePassed if the caller's deadline comes first, and any error of ``score``.
        """
        request = _WaitingRequest(model, candidates, deadline.get())
        with self._lock:
            self._waiting.append(request)
            leads = not self._busy
            self._busy = True
        if leads:
            try:
                self._lead(request)
            except BaseException as problem:
                # No leader is left: all waiting requests fail, and the next caller leads.
                self._fail_waiting(problem)
                raise
        request.done.wait()
        if request.problem is not None:
            raise request.problem
        assert request.answer is not None
        return request.answer

    def _lead(self, own: _WaitingRequest | None) -> None:
        """Answer waiting requests.

        The caller of ``own`` leads until its own request is answered, and then hands the rest to a thread.
        """
        while True:
            with self._lock:
                batch = self._next_batch()
                self._busy = bool(batch)
            if not batch:
                return
            if own is not None and own.done.is_set() and self._handed_over(batch):
                return
            self._answer(batch)

    def _handed_over(self, batch: list[_WaitingRequest]) -> bool:
        """Hand the batch to a thread; False if none can be started, and then the caller goes on."""
        try:
            SCORE.start(self._follow, batch)
        except RuntimeError as problem:
            _log.warning("no thread for the questions that wait, going on in the caller's: %s", problem)
            return False
        return True

    def _follow(self, batch: list[_WaitingRequest]) -> None:
        try:
            self._answer(batch)
            self._lead(None)
        except BaseException as problem:
            self._fail_waiting(problem)
            raise

    def _fail_waiting(self, problem: BaseException) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._busy = False
        for request in waiting:
            request.problem = problem
            request.done.set()

    def _next_batch(self) -> list[_WaitingRequest]:
        """Take the waiting requests for the model of the first one, in order; the caller has the lock."""
        now = time.monotonic()
        batch: list[_WaitingRequest] = []
        remaining: deque[_WaitingRequest] = deque()
        size = 0
        while self._waiting:
            request = self._waiting.popleft()
            if request.until is not None and now >= request.until:
                request.problem = DeadlinePassed()
                request.done.set()
            elif not batch or (request.model == batch[0].model and size + len(request.candidates) <= _MOST):
                batch.append(request)
                size += len(request.candidates)
            else:
                remaining.append(request)
        self._waiting = remaining
        return batch

    def _answer(self, batch: list[_WaitingRequest]) -> None:
        try:
            with acting_for(batch[0].tenant):
                scores = self._score(batch[0].model, [each for request in batch for each in request.candidates])
        except BaseException as problem:
            if len(batch) > 1:
                # One request may have caused the failure, so each is tried alone.
                for request in batch:
                    self._answer([request])
                return
            batch[0].problem = problem
            batch[0].done.set()
            return
        start = 0
        for request in batch:
            end = start + len(request.candidates)
            request.answer = Scores(scores.embeddings[start:end], scores.folds[start:end])
            request.done.set()
            start = end
