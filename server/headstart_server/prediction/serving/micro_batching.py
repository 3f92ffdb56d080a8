"""Small questions that arrive together are answered by one pass through a model.

Nothing waits for company: whoever finds the model idle asks at once, and what arrives meanwhile is asked together next.
A question whose caller has given up before its turn is dropped.
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

# Candidates in one pass; a single question may be larger.
_MOST = 2048

Score = Callable[[str, Sequence[CanonicalCandidate]], Scores]


@dataclass(eq=False)
class _Question:
    model: str
    candidates: Sequence[CanonicalCandidate]
    until: float | None
    # A model belongs to one namespace, and so do its callers.
    tenant: str | None = field(default_factory=tenant.get)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Scores | None = None
    problem: BaseException | None = None


class MicroBatcher:
    """Joins calls of ``score`` from many threads, one pass at a time. Thread-safe."""

    def __init__(self, score: Score) -> None:
        self._score = score
        self._waiting: deque[_Question] = deque()
        self._lock = threading.Lock()
        self._busy = False

    def score(self, model: str, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """The scores of ``score`` for these candidates. Raises DeadlinePassed when the caller's deadline comes first,
        and any error of ``score``.
        """
        question = _Question(model, candidates, deadline.get())
        with self._lock:
            self._waiting.append(question)
            leads = not self._busy
            self._busy = True
        if leads:
            try:
                self._lead(question)
            except BaseException as problem:
                # No leader is left: fail all waiting calls; the next caller leads.
                self._give_up(problem)
                raise
        question.done.wait()
        if question.problem is not None:
            raise question.problem
        assert question.answer is not None
        return question.answer

    def _lead(self, own: _Question | None) -> None:
        """Answer waiting questions; the caller of ``own`` stays until its own answer, and leaves the rest to a
        thread.
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

    def _handed_over(self, batch: list[_Question]) -> bool:
        """Hand the batch to a thread; False if none is available, and then the caller stays."""
        try:
            SCORE.start(self._follow, batch)
        except RuntimeError as problem:
            _log.warning("no thread for the questions that wait, going on in the caller's: %s", problem)
            return False
        return True

    def _follow(self, batch: list[_Question]) -> None:
        try:
            self._answer(batch)
            self._lead(None)
        except BaseException as problem:
            self._give_up(problem)
            raise

    def _give_up(self, problem: BaseException) -> None:
        with self._lock:
            left, self._waiting = self._waiting, deque()
            self._busy = False
        for question in left:
            question.problem = problem
            question.done.set()

    def _next_batch(self) -> list[_Question]:
        """The waiting questions for the model of the first one, in order; questions for other models stay."""
        now = time.monotonic()
        batch: list[_Question] = []
        remaining: deque[_Question] = deque()
        size = 0
        while self._waiting:
            question = self._waiting.popleft()
            if question.until is not None and now >= question.until:
                question.problem = DeadlinePassed()
                question.done.set()
            elif not batch or (question.model == batch[0].model and size + len(question.candidates) <= _MOST):
                batch.append(question)
                size += len(question.candidates)
            else:
                remaining.append(question)
        self._waiting = remaining
        return batch

    def _answer(self, batch: list[_Question]) -> None:
        try:
            with acting_for(batch[0].tenant):
                scores = self._score(batch[0].model, [each for question in batch for each in question.candidates])
        except BaseException as problem:
            if len(batch) > 1:
                # One question may have caused the failure; the others are retried alone.
                for question in batch:
                    self._answer([question])
                return
            batch[0].problem = problem
            batch[0].done.set()
            return
        start = 0
        for question in batch:
            end = start + len(question.candidates)
            question.answer = Scores(scores.embeddings[start:end], scores.folds[start:end])
            question.done.set()
            start = end
