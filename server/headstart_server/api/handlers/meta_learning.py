"""MetaLearningService at the edge: decode, ask a room, encode."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from google.protobuf.message import Message
from sqlalchemy import Connection

from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart.v1 import meta_learning_service_pb2_grpc as pb2_grpc
from headstart_server.api import decode, encode
from headstart_server.api.admission.identity import namespace_of_caller
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.calls import Context
from headstart_server.api.handlers.mutations import mutate_once
from headstart_server.api.handlers.record_queue import RecordQueue, count_recorded
from headstart_server.assembly import Domains
from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.runtime import deadline
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.observability import metrics
from headstart_server.strategy.rewards.attribution import Credit, read_credits
from headstart_server.warm_start.service import INTERVAL_LEVEL

T = TypeVar("T")

# Limits of requests that are answered in milliseconds: by counts and bytes, and by the time to read their candidates.
# More has threads of its own.
_MOST_QUICK_CANDIDATES = 1024
_MOST_QUICK_TARGETS = 4
_MOST_QUICK_BYTES = 256 * 1024
_MOST_QUICK_CHOICES = 4096
_QUICK_SECONDS, _QUICK_SECONDS_OF_ANSWER, _QUICK_SECONDS_OF_CHUNK = 0.1, 1.0, 2.0
# A call ends after this time even if its caller would wait longer.
_LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class _Chunk:
    """Decoded records of one request of a stream."""

    number: int
    namespace: str
    records: list[NewExperiment]


class MetaLearningServicer(pb2_grpc.MetaLearningServiceServicer):
    def __init__(
        self,
        domains: Domains,
        database: BlockingWork,
        models: BlockingWork,
        record_queue: RecordQueue,
        slow: BlockingWork,
    ) -> None:
        self._domains = domains
        self._record_queue = record_queue
        self._database = database
        self._models = models
        self._slow = slow

    async def WarmStart(self, request: pb2.WarmStartRequest, context: Context) -> pb2.WarmStartResponse:
        few = request.count + len(request.pool) <= _MOST_QUICK_CANDIDATES
        return await self._on_fitting_threads(
            context, self._models, few and _small(request), lambda quick: self._warm_start(request, quick)
        )

    async def _on_fitting_threads(
        self, context: Context, threads: BlockingWork, quick: bool, work: Callable[[float | None], T]
    ) -> T:
        """Work with a limit on reading its request: on ``threads`` while that is small, else on the slow ones, so
        that small questions do not wait for it.
        """

        def bounded(reading: float | None, whole: float | None) -> T:
            deadline.at_most(_LONGEST_SECONDS)
            with deadline.quick(whole):
                return work(reading)

        if quick:
            try:
                return await threads.run(context, lambda: bounded(_QUICK_SECONDS, _QUICK_SECONDS_OF_ANSWER))
            except deadline.NotQuick:
                pass
        return await self._slow.run(context, lambda: bounded(None, None))

    def _warm_start(self, request: pb2.WarmStartRequest, quick: float | None) -> pb2.WarmStartResponse:
        namespace = namespace_of_caller()
        count = decode.count(request.count, "count", None, decode.MAX_CANDIDATES)
        with deadline.quick(quick):
            pool = decode.pool(self._domains.knowledge, namespace, request)
        answer = self._domains.warm_start.propose(
            namespace,
            request.task_id,
            request.search_space_id,
            count=count,
            pool=pool,
            exploration_share=decode.exploration_share(request),
            seed=request.seed if request.HasField("seed") else None,
        )
        answer = replace(answer, degraded=answer.degraded or not self._domains.knowledge.vectors.reachable)
        metrics.WARM_START_GATES.labels("open").inc(answer.gate.open)
        metrics.WARM_START_GATES.labels("closed").inc(not answer.gate.open)
        for suggestion in answer.suggestions:
            metrics.SUGGESTIONS.labels(suggestion.origin.name).inc()
        _count_degraded("WarmStart", answer.degraded)
        return encode.warm_start(answer, request.search_space_id, INTERVAL_LEVEL)

    async def PredictPerformance(
        self, request: pb2.PredictPerformanceRequest, context: Context
    ) -> pb2.PredictPerformanceResponse:
        few = len(request.queries) <= _MOST_QUICK_CANDIDATES
        return await self._on_fitting_threads(
            context, self._models, few and _small(request), lambda quick: self._predict(request, quick)
        )

    def _predict(self, request: pb2.PredictPerformanceRequest, quick: float | None) -> pb2.PredictPerformanceResponse:
        namespace = namespace_of_caller()
        with deadline.quick(quick):
            queries, level = decode.queries(self._domains.knowledge, namespace, request)
        answer = self._domains.prediction.predict(namespace, request.task_id, request.search_space_id, queries, level)
        answer = replace(answer, degraded=answer.degraded or not self._domains.knowledge.vectors.reachable)
        for basis, number in Counter(map(answer.basis_of, answer.predictions)).items():
            metrics.PREDICTIONS.labels(basis).inc(number)
        _count_degraded("PredictPerformance", answer.degraded)
        return encode.predictions(answer, level)

    async def RecordExperiment(
        self, request: pb2.RecordExperimentRequest, context: Context
    ) -> pb2.RecordExperimentResponse:
        return await self._record_queue.record(context, namespace_of_caller(), request)

    async def RecordExperiments(
        self, requests: AsyncIterator[pb2.RecordExperimentsRequest], context: Context
    ) -> AsyncIterator[pb2.RecordExperimentsResponse]:
        """While one chunk is committed, the next is read and decoded."""
        arriving = aiter(requests)

        async def arrive() -> _Chunk | None:
            request = await anext(arriving, None)
            return None if request is None else await self._decode(context, request)

        ahead = _begin(arrive())
        try:
            while (chunk := await ahead) is not None:
                ahead = _begin(arrive())
                yield await self._database.run(context, _bound(self._record_chunk, chunk))
        finally:
            ahead.cancel()

    async def _decode(self, context: Context, request: pb2.RecordExperimentsRequest) -> _Chunk:
        try:
            return await self._database.run(context, lambda: self._decoded(request, _QUICK_SECONDS_OF_CHUNK))
        except deadline.NotQuick:
            return await self._slow.run(context, lambda: self._decoded(request, None))

    def _decoded(self, request: pb2.RecordExperimentsRequest, quick: float | None) -> _Chunk:
        namespace = namespace_of_caller()
        decode.count(len(request.records), "records", None, decode.MAX_CANDIDATES)
        with deadline.quick(quick):
            records = decode.records(self._domains.knowledge, namespace, request.records, lambda i: f"records[{i}].")
        return _Chunk(request.chunk, namespace, records)

    def _record_chunk(self, chunk: _Chunk) -> pb2.RecordExperimentsResponse:
        def keep(connection: Connection) -> tuple[list[bool], list[Credit]]:
            already_known = self._domains.knowledge.record_all(connection, chunk.namespace, chunk.records)
            return already_known, read_credits(connection, chunk.namespace, chunk.records)

        with metrics.RECORD_COMMIT_SECONDS.time():
            already_known, credits = run_transaction(self._domains.engine, keep)
        count_recorded(self._domains, chunk.namespace, chunk.records, already_known)
        known = sum(already_known)
        return pb2.RecordExperimentsResponse(
            chunk=chunk.number,
            recorded_count=len(already_known) - known,
            already_known_count=known,
            uncredited_count=sum(credit in {Credit.UNKNOWN_DECISION, Credit.OTHER_TASK} for credit in credits),
        )

    async def SelectStrategy(self, request: pb2.SelectStrategyRequest, context: Context) -> pb2.SelectStrategyResponse:
        # Each slot chooses an arm, and settings for it.
        choices = max(request.slots, 1) * sum(1 + len(arm.hyperparameters) for arm in request.arms)
        quick = choices <= _MOST_QUICK_CHOICES and _small(request)
        return await self._on_fitting_threads(context, self._database, quick, lambda _: self._select(request))

    def _select(self, request: pb2.SelectStrategyRequest) -> pb2.SelectStrategyResponse:
        namespace = namespace_of_caller()
        arms, slots, budget = decode.strategies(request)
        answer, first = mutate_once(
            self._domains.engine,
            namespace,
            request,
            pb2.SelectStrategyResponse,
            lambda connection: encode.decisions(
                self._domains.strategy.select(connection, namespace, request.task_id, arms, slots, budget)
            ),
        )
        for decision in answer.decisions if first else ():
            metrics.DECISIONS.labels(metrics.arm_label(decision.arm)).inc()
        return answer

    async def TransferArchitecture(
        self, request: pb2.TransferArchitectureRequest, context: Context
    ) -> pb2.TransferArchitectureResponse:
        few = len(request.target_task_ids) <= _MOST_QUICK_TARGETS
        return await self._on_fitting_threads(
            context, self._models, few and _small(request), lambda quick: self._transfer(request, quick)
        )

    def _transfer(
        self, request: pb2.TransferArchitectureRequest, quick: float | None
    ) -> pb2.TransferArchitectureResponse:
        namespace = namespace_of_caller()
        with deadline.quick(quick):
            query = decode.transfer(self._domains.knowledge, namespace, request)
        answer = self._domains.transfer.transfer(
            namespace,
            request.search_space_id,
            query.candidate,
            request.source_task_id,
            query.target_task_ids,
            query.objective,
            query.weights,
        )
        return encode.transferred(answer)


def _small(request: Message) -> bool:
    return request.ByteSize() <= _MOST_QUICK_BYTES


def _begin(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task whose error is ignored once nobody waits for it."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _bound(function: Callable[[Any], T], argument: Any) -> Callable[[], T]:
    return lambda: function(argument)


def _count_degraded(method: str, degraded: bool) -> None:
    if degraded:
        metrics.DEGRADED_ANSWERS.labels(method).inc()
