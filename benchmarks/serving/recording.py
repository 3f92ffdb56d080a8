"""Results coming in one by one: the service against its own call that does nothing, and against an Optuna proxy.

Both servers keep what they get in PostgreSQL, in databases of one cluster with fsync on, and are asked by 32 callers on
this machine. The call that does nothing is the health check of the same server.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import headstart
from benchmarks.knowledge_base.import_rate import own_cluster, serving
from benchmarks.service import ServiceProblem, free_port
from benchmarks.serving import questions
from benchmarks.serving.load import Timed, at_rate, in_flight
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc

CALLERS = 32
TASKS = 8
SELECTIONS_PER_SECOND = 20.0


@dataclass(frozen=True)
class Round:
    """``nothing`` around ``record``: the mean of before and after is what it is compared with."""

    before: Timed
    record: Timed
    after: Timed

    @property
    def ratio(self) -> float:
        return self.record.rate / ((self.before.rate + self.after.rate) / 2)


@dataclass(frozen=True)
class Recording:
    """``alone``: one caller. ``select`` and ``nothing`` at the same calls a second. ``optuna``: trials a second."""

    rounds: list[Round]
    alone: Timed
    select: Timed
    nothing: Timed
    optuna: float


def measure(directory: Path, calls: int, rounds: int, selections: int, trials: int) -> Recording:
    with own_cluster(directory) as cluster:
        with serving(cluster.migrated("service"), directory) as address:
            with headstart.connect(address) as client:
                tasks = questions.prepare(client, TASKS)
            asked = asyncio.run(_ask(address, tasks, calls, rounds, selections))
        cluster.server.ensure_database("optuna")
        return Recording(*asked, optuna_rate(str(cluster.server.url("optuna")), directory, trials))


async def _ask(
    address: str, tasks: list[str], calls: int, rounds: int, selections: int
) -> tuple[list[Round], Timed, Timed, Timed]:
    generator = random.Random(0)
    async with grpc.aio.insecure_channel(address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        service = meta_grpc.MetaLearningServiceStub(channel)
        nothing = [health_pb2.HealthCheckRequest()] * calls
        # What is done for the first time, and once.
        await in_flight(service.RecordExperiment, questions.record_requests(tasks, CALLERS, generator), CALLERS)
        done = []
        for _ in range(rounds):
            requests = questions.record_requests(tasks, calls, generator)
            done.append(
                Round(
                    await in_flight(check, nothing, CALLERS),
                    await in_flight(service.RecordExperiment, requests, CALLERS),
                    await in_flight(check, nothing, CALLERS),
                )
            )
        alone = await in_flight(
            service.RecordExperiment, questions.record_requests(tasks, max(calls // 20, 20), generator), 1
        )
        chosen = questions.strategy_requests(tasks, selections, generator)
        select = await at_rate(service.SelectStrategy, chosen, SELECTIONS_PER_SECOND)
        idle = await at_rate(check, nothing[:selections], SELECTIONS_PER_SECOND)
    return done, alone, select, idle


_PROXY = """
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
url, port = sys.argv[1], int(sys.argv[2])
optuna.storages.run_grpc_proxy_server(optuna.storages.RDBStorage(url), host="127.0.0.1", port=port)
"""


def optuna_rate(database_url: str, directory: Path, trials: int) -> float:
    """Trials a second through Optuna's gRPC proxy: ask, two suggestions at random, tell; by as many callers."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    port = free_port()
    with (directory / "optuna.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-c", _PROXY, database_url, str(port)], stdout=log, stderr=log)
    try:
        storage = _connected(optuna, port, server, directory)
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))

        def run(_: int) -> None:
            trial = study.ask()
            study.tell(trial, trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1))

        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(run, range(CALLERS)))
            start = time.perf_counter()
            list(callers.map(run, range(trials)))
            return trials / (time.perf_counter() - start)
    finally:
        server.terminate()
        server.wait(30)


def _connected(optuna: Any, port: int, server: subprocess.Popen[bytes], directory: Path) -> Any:
    storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
    deadline = time.monotonic() + 60
    while True:
        try:
            storage.get_all_studies()
            return storage
        except grpc.RpcError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise ServiceProblem(f"Optuna's proxy did not start; see {directory / 'optuna.log'}") from None
            time.sleep(0.25)
