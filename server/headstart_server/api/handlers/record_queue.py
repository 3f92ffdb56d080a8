"""Group commit: results that arrive while others are being written are written together next, by one transaction.

Whoever finds nothing going on is written at once. After a transaction, those who were answered and those who wait
already are likely to be company for the next: it gathers as many, for some milliseconds at most. Callers are answered
after the commit. What is wrong with one record is told to its caller alone. A record whose place another transaction
holds (an import, a deletion, another replica) does not keep the others: all that waits for its task is then written by
itself, in threads of its own, which held tasks take in turns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grpc.aio import ServicerContext
from sqlalchemy import Connection, text

from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart_server.api import decode, encode
from headstart_server.assembly import Domains
from headstart_server.knowledge.experiments.recording import Recorded
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.runtime.database.engine import LOCK_SECONDS, run_transaction
from headstart_server.runtime.database.row_security import acting_for
from headstart_server.runtime.deadline import DeadlinePassed
from headstart_server.runtime.errors import ResourceExhausted, ServiceError, Unavailable
from headstart_server.runtime.observability import metrics, tracing
from headstart_server.strategy.rewards.attribution import Credit, read_credits
from headstart_server.threads import LOCKED_RECORDS, RECORDS

if TYPE_CHECKING:
    from opentelemetry.trace import Span

# Records of one transaction.
_MOST = 256
# A transaction that takes longer waits for something: others do not wait with it.
_PATIENCE_SECONDS = 0.1
_RETRY_SECONDS = 0.2
# How long a held task keeps a thread from the next one, and how long it is waited for in all.
_TURN_SECONDS = 1
_HELD_SECONDS = float(LOCK_SECONDS)
_ONE_TURN = text(f"SET LOCAL lock_timeout = '{_TURN_SECONDS}s'")
# A transaction of so many records costs little more than one of a few.
_GATHER_SECONDS = 0.015

logger = logging.getLogger(__name__)

# A response, or what became of the record instead; None: its place is held by another transaction.
Outcome = pb2.RecordExperimentResponse | Exception | None


@dataclass(eq=False)
class _Waiting:
    namespace: str
    request: pb2.RecordExperimentRequest
    until: float | None
    answer: asyncio.Future[pb2.RecordExperimentResponse]
    # Once it has been decoded.
    record: NewExperiment | None = None
    # Of its call, where calls are traced.
    span: Span | None = field(default_factory=tracing.current)
    since: float = field(default_factory=time.monotonic)

    @property
    def task(self) -> tuple[str, str]:
        return self.namespace, self.request.task_id


@dataclass(eq=False)
class _Batch:
    """``task``: the one whose place the batch waits for, ``since`` when; None: it takes what is free."""

    items: Sequence[_Waiting]
    task: tuple[str, str] | None = None
    since: float = field(default_factory=time.monotonic)
    begun: float = field(default_factory=time.monotonic)


class RecordQueue:
    """Belongs to one event loop, from which alone its methods may be called."""

    def __init__(self, domains: Domains, capacity: int) -> None:
        self._domains = domains
        self._capacity = capacity
        self._waiting: list[_Waiting] = []
        self._running: set[_Batch] = set()
        # By the task that each waits for.
        self._cache: dict[tuple[str, str], _Batch] = {}
        # Until when, or until how many wait, the next transaction gathers.
        self._gathering: asyncio.TimerHandle | None = None
        self._expected = 0
        self._executor = RECORDS.executor()
        self._patient = LOCKED_RECORDS.executor()

    async def record(
        self, context: ServicerContext[Any, Any], namespace: str, request: pb2.RecordExperimentRequest
    ) -> pb2.RecordExperimentResponse:
        """The answer, after the commit. Raises ResourceExhausted where too many wait, DeadlinePassed, ServiceError,
        InvalidInput."""
        if len(self._waiting) >= self._capacity:
            raise ResourceExhausted(
                f"{self._capacity} results wait to be written already", "RECORD_QUEUE_FULL", _RETRY_SECONDS
            )
        remaining = context.time_remaining()
        until = None if remaining is None else time.monotonic() + remaining
        item = _Waiting(namespace, request, until, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        metrics.RECORD_QUEUE_DEPTH.set(len(self._waiting))
        if self._gathering is None or len(self._waiting) >= self._expected:
            self._begin()
        return await item.answer

    def close(self) -> None:
        self._executor.shutdown(wait=True)
        self._patient.shutdown(wait=True)

    def _begin(self) -> None:
        """Start writing what waits, where a thread is free for it."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        while self._waiting and len(self._running) < (RECORDS.count or 0):
            tardy = time.monotonic() - _PATIENCE_SECONDS
            if any(batch.begun > tardy for batch in self._running):
                return
            if not (items := self._next_items()):
                return
            self._start(_Batch(items))

    def _next_items(self) -> list[_Waiting]:
        """Waiting records of one namespace, in their order, without tasks that a batch waits for."""
        items: list[_Waiting] = []
        remaining: list[_Waiting] = []
        for item in self._waiting:
            if item.answer.done():
                # Its caller has gone.
                continue
            fits = item.task not in self._cache and (not items or item.namespace == items[0].namespace)
            (items if fits and len(items) < _MOST else remaining).append(item)
        self._waiting = remaining
        metrics.RECORD_QUEUE_DEPTH.set(len(remaining))
        return items

    def _start(self, batch: _Batch) -> None:
        loop = asyncio.get_running_loop()
        if batch.task is None:
            self._running.add(batch)
            for item in batch.items:
                metrics.RECORD_QUEUE_SECONDS.observe(batch.begun - item.since)
        else:
            self._cache[batch.task] = batch
        try:
            writing = loop.run_in_executor(self._executor if batch.task is None else self._patient, self._write, batch)
        except RuntimeError as error:
            # No thread is to be had: whoever waits is told, and nothing stays marked as under way.
            logger.error("%d records are not written: %s", len(batch.items), error)
            writing = loop.create_future()
            writing.set_exception(Unavailable("the server has no thread to spare", "NO_THREADS"))
        writing.add_done_callback(lambda done: self._settle(batch, done))
        if batch.task is None:
            loop.call_later(_PATIENCE_SECONDS, self._begin)

    def _settle(self, batch: _Batch, written: asyncio.Future[list[Outcome]]) -> None:
        self._running.discard(batch)
        if batch.task is not None:
            del self._cache[batch.task]
        problem = written.exception()
        outcomes: Sequence[BaseException | Outcome]
        outcomes = [problem] * len(batch.items) if problem is not None else written.result()
        if batch.task is not None and time.monotonic() - batch.since >= _HELD_SECONDS:
            too_long = Unavailable("another transaction holds the task for too long", "DATABASE_BUSY")
            outcomes = [too_long if outcome is None else outcome for outcome in outcomes]
        busy = []
        for item, outcome in zip(batch.items, outcomes, strict=True):
            if item.answer.done():
                continue
            if outcome is None:
                busy.append(item)
            elif isinstance(outcome, BaseException):
                item.answer.set_exception(outcome)
            else:
                item.answer.set_result(outcome)
        for task in dict.fromkeys(item.task for item in busy):
            since = batch.since if task == batch.task else time.monotonic()
            self._start(_Batch([item for item in busy if item.task == task], task, since))
        self._expected = len(self._waiting) + len(batch.items)
        if self._expected > 1 and self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._begin)

    # In a thread from here on.

    def _write(self, batch: _Batch) -> list[Outcome]:
        spans = [item.span for item in batch.items]
        with (
            acting_for(batch.items[0].namespace),
            tracing.work_span("record batch", spans, records=len(batch.items)),
        ):
            return self._outcomes(batch)

    def _outcomes(self, batch: _Batch) -> list[Outcome]:
        outcomes: dict[_Waiting, Outcome] = {}
        for item in batch.items:
            try:
                if item.until is not None and time.monotonic() >= item.until:
                    raise DeadlinePassed
                item.record = item.record or self._decoded(item)
            except Exception as problem:
                outcomes[item] = problem
        items = [item for item in batch.items if item not in outcomes]
        outcomes.update(self._written(items, wait=batch.task is not None))
        return [outcomes[item] for item in batch.items]

    def _decoded(self, item: _Waiting) -> NewExperiment:
        (record,) = decode.records(self._domains.knowledge, item.namespace, [item.request], lambda _: "")
        return record

    def _written(self, items: Sequence[_Waiting], wait: bool) -> dict[_Waiting, Outcome]:
        if not items:
            return {}
        namespace = items[0].namespace
        records = [item.record for item in items if item.record is not None]
        try:
            with metrics.RECORD_COMMIT_SECONDS.time():
                answers = run_transaction(
                    self._domains.engine, lambda connection: self._keep(connection, namespace, records, wait)
                )
        except (Unavailable, ResourceExhausted) as problem:
            # Whoever waited for its turn may have another.
            return dict.fromkeys(items, None if wait and problem.reason == "DATABASE_BUSY" else problem)
        except Exception as problem:
            if len(items) == 1:
                return {items[0]: problem}
            # One of them may be to blame: the others are not to suffer for it.
            logger.warning("%d records are written one by one: %s", len(items), problem)
            return {item: outcome for each in items for item, outcome in self._written([each], wait).items()}
        _count(self._domains, namespace, records, answers)
        return {
            item: encode.recorded(*answer) if isinstance(answer, tuple) else answer
            for item, answer in zip(items, answers, strict=True)
        }

    def _keep(
        self, connection: Connection, namespace: str, records: Sequence[NewExperiment], wait: bool
    ) -> list[tuple[Recorded, Credit] | ServiceError | None]:
        if wait:
            connection.execute(_ONE_TURN)
        answers = self._domains.knowledge.record_each(connection, namespace, records, wait)
        recorded = [new for new, answer in zip(records, answers, strict=True) if isinstance(answer, Recorded)]
        credits = iter(read_credits(connection, namespace, recorded))
        return [(answer, next(credits)) if isinstance(answer, Recorded) else answer for answer in answers]


def count_recorded(
    domains: Domains, namespace: str, records: Sequence[NewExperiment], already_known: Sequence[bool]
) -> None:
    """Count the records of a committed transaction in the metrics."""
    metrics.RECORD_BATCH_ROWS.observe(len(records))
    metrics.EXPERIMENTS_REPEATED.inc(sum(already_known))
    fresh = [record for record, known in zip(records, already_known, strict=True) if not known]
    for status, number in Counter(record.outcome.status for record in fresh).items():
        metrics.EXPERIMENTS_RECORDED.labels(status.name).inc(number)
    domains.prediction.online_evaluation.settle(namespace, fresh)
    domains.warm_start.exploration_baseline.settle(namespace, fresh)


def _count(
    domains: Domains,
    namespace: str,
    records: Sequence[NewExperiment],
    answers: Sequence[tuple[Recorded, Credit] | ServiceError | None],
) -> None:
    cached = [(new, answer[0]) for new, answer in zip(records, answers, strict=True) if isinstance(answer, tuple)]
    if cached:
        already_known = [recorded.already_known for _, recorded in cached]
        count_recorded(domains, namespace, [new for new, _ in cached], already_known)
