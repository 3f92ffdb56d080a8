"""Mixed load for a long time: whether the server's memory grows, and whether it answers all the way.

Workers record results, ask for strategies and for predictions, each as soon as the last answer is there. What is
resident is looked at every few seconds; it may grow by 5 % at the most after the first sixth of the time (five minutes
of thirty). Afterwards every acknowledged result must be there, once.

    python -m benchmarks.serving.endurance [--minutes 30]

writes benchmarks/results/service_endurance.json.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from rich.console import Console

import headstart
from benchmarks.knowledge_base.import_rate import own_cluster, serving
from benchmarks.report import RESULTS, write_json
from benchmarks.service import ServiceProblem, short_directory
from benchmarks.serving import questions
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc

WORKERS = 16
TASKS = 8
TARGET = 1.05


@dataclass
class Endured:
    """``answers`` and ``failures`` by call; ``resident`` is (seconds, bytes); ids of acknowledged experiments."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    resident: list[tuple[float, int]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    def growth(self) -> float:
        """Of what is resident: the last sixth of the time against the second."""
        end = self.resident[-1][0]
        begin = [size for second, size in self.resident if end / 6 <= second < end / 3]
        last = [size for second, size in self.resident if second >= end * 5 / 6]
        return statistics.median(last) / statistics.median(begin)


async def load(address: str, tasks: list[str], seconds: float, memory: Callable[[], int] | None = None) -> Endured:
    """Calls of all kinds for so long."""
    endured = Endured()
    start = time.monotonic()

    async def worker(number: int, service: Any) -> None:
        generator = random.Random(number)
        while time.monotonic() - start < seconds:
            kind = generator.choices(("record", "select", "predict"), (8, 1, 1))[0]
            if kind == "record":
                call, (request,) = service.RecordExperiment, questions.record_requests(tasks, 1, generator)
                request.task_id = generator.choice(tasks)
            elif kind == "select":
                call, (request,) = service.SelectStrategy, questions.strategy_requests(tasks, 1, generator)
            else:
                call, (request,) = service.PredictPerformance, questions.prediction_requests(tasks, 1, generator)
            await _answered(endured, kind, call(request, timeout=60))

    async def watch() -> None:
        while memory is not None:
            endured.resident.append((time.monotonic() - start, memory()))
            await asyncio.sleep(min(seconds / 60, 5.0))

    async with grpc.aio.insecure_channel(address) as channel:
        service = meta_grpc.MetaLearningServiceStub(channel)
        # A task with a single result can tell nothing of a candidate.
        for request in questions.record_requests(tasks, 2 * len(tasks), random.Random("first")):
            await _answered(endured, "record", service.RecordExperiment(request, timeout=60))
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(worker(number, service) for number in range(WORKERS)))
        watching.cancel()
    return endured


async def _answered(endured: Endured, kind: str, call: Awaitable[Any]) -> None:
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        endured.failures[f"{kind}: {error.code().name}"] += 1
        return
    endured.answers[kind] += 1
    if kind == "record":
        endured.acknowledged.add(answer.experiment_id)


def kept(client: headstart.Client, tasks: list[str]) -> list[str]:
    """The ids of all experiments of tasks."""
    space = questions.SPACE.search_space_id
    return [found.experiment_id for task in tasks for found in client.list_experiments(task, space)]


def _server_memory() -> int:
    serving = [
        process for process in psutil.Process().children(recursive=True) if "headstart_server" in process.cmdline()
    ]
    return sum(process.memory_info().rss for process in serving)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.endurance", description="Mixed load, long.")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)g)")
    parser.add_argument("--results", type=Path, default=RESULTS / "service_endurance.json", help="where the figures go")
    options = parser.parse_args()
    console = Console()
    try:
        with (
            short_directory() as directory,
            own_cluster(directory) as cluster,
            serving(cluster.migrated("service"), directory) as address,
            headstart.connect(address) as client,
        ):
            tasks = questions.prepare(client, TASKS)
            endured = asyncio.run(load(address, tasks, options.minutes * 60, _server_memory))
            found = kept(client, tasks)
    except (ServiceProblem, headstart.HeadstartError) as problem:
        print(problem, file=sys.stderr)
        return 2
    doubled, lost = len(found) - len(set(found)), endured.acknowledged - set(found)
    console.print(f"answers {dict(endured.answers)}, failures {dict(endured.failures)}")
    console.print(
        f"resident memory x {endured.growth():.3f} (target at most {TARGET}); {len(lost)} lost, {doubled} doubled"
    )
    write_json(
        options.results,
        {
            "benchmark": "service_endurance",
            "command": f"python -m benchmarks.serving.endurance --minutes {options.minutes:g}",
            "answers": endured.answers,
            "failures": endured.failures,
            "resident": endured.resident,
            "growth": endured.growth(),
            "target": TARGET,
            "lost": len(lost),
            "doubled": doubled,
        },
    )
    return 1 if lost or doubled else 0


if __name__ == "__main__":
    sys.exit(main())
