"""The memory of a search: in the service, shared with all workers, or in this process alone."""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from typing import Protocol

from headstart.client import Client
from headstart.errors import DeadlineExceeded, HeadstartError, ResourceExhausted, Unavailable
from headstart.search.history import History, Trial
from headstart.values import Record

# Results that may wait for the service before the search gives up.
MAX_WAITING = 1000

# Seconds that a call waits for a service out of reach; the search can go on meanwhile.
PATIENCE_SECONDS = 3.0

_PASSING = (DeadlineExceeded, ResourceExhausted, Unavailable)

_logger = logging.getLogger("headstart.search")


class Memory(Protocol):
    def refresh(self, history: History) -> int:
        """Update a history; returns the number of results that count against the budget."""
        ...

    def record(self, trial: Trial, decision_id: str) -> None:
        """Record an own result."""
        ...

    def finish(self) -> tuple[Record, ...]:
        """Wait for results not recorded yet; returns those that could not be."""
        ...


class LocalMemory:
    """Memory of a search without the service."""

    def __init__(self) -> None:
        self._count = 0
        self._new: list[Trial] = []

    def refresh(self, history: History) -> int:
        history.add(self._new)
        self._count += len(self._new)
        self._new = []
        return self._count

    def record(self, trial: Trial, decision_id: str) -> None:
        self._new.append(trial)

    def finish(self) -> tuple[Record, ...]:
        return ()


class ServiceMemory:
    """Reads the results of all workers as they come in, and records own ones.

    While the service is out of reach, up to MAX_WAITING results wait here; they are recorded in order when it is
    back. Their request ids stay the same, so none is recorded twice.
    """

    def __init__(self, client: Client, task_id: str, search_space_id: str, worker_id: str, after_sequence: int) -> None:
        self._client = client.with_patience(PATIENCE_SECONDS)
        self._task_id = task_id
        self._search_space_id = search_space_id
        self._worker_id = worker_id
        self._after_sequence = after_sequence
        self._last_sequence = 0
        self._count = 0
        self._waiting: deque[tuple[Record, Trial]] = deque()

    def refresh(self, history: History) -> int:
        try:
            self._record_waiting()
            for experiment in self._client.list_experiments(
                self._task_id, self._search_space_id, after_sequence=self._last_sequence
            ):
                self._last_sequence = experiment.sequence
                self._count += experiment.sequence > self._after_sequence
                history.add([history.trial(experiment.candidate, experiment.outcome, experiment.fingerprint)])
        except _PASSING as error:
            _logger.warning("the service is out of reach (%s): the search goes on, %d waiting", error, self.waiting)
        history.set_waiting([trial for _, trial in self._waiting])
        return self._count + self.waiting

    def record(self, trial: Trial, decision_id: str) -> None:
        """Raises Unavailable if more results would wait than allowed."""
        record = Record(
            self._task_id,
            self._search_space_id,
            trial.candidate,
            trial.outcome,
            decision_id,
            self._worker_id,
            str(uuid.uuid4()),
        )
        self._waiting.append((record, trial))
        try:
            self._record_waiting()
        except _PASSING:
            if self.waiting > MAX_WAITING:
                raise

    def finish(self, patience_seconds: float = 60.0) -> tuple[Record, ...]:
        deadline = time.monotonic() + patience_seconds
        while self._waiting and time.monotonic() < deadline:
            try:
                self._record_waiting()
            except _PASSING as error:
                time.sleep(error.retry_seconds or 1.0)
        return tuple(record for record, _ in self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def _record_waiting(self) -> None:
        while self._waiting:
            record, _ = self._waiting[0]
            try:
                self._client.record(
                    record.task_id,
                    record.search_space_id,
                    record.candidate,
                    record.outcome,
                    decision_id=record.decision_id,
                    worker_id=record.worker_id,
                    request_id=record.request_id,
                )
            except HeadstartError as error:
                if not isinstance(error, _PASSING):
                    # Refused for good: it would be refused again, and block the results behind it.
                    self._waiting.popleft()
                raise
            self._waiting.popleft()
