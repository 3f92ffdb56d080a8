"""The requests of a load, made before it begins: searches of many workers over several tasks of NAS-Bench-201."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import headstart
from headstart.codec import answers as codec_answers
from headstart.codec import spaces as codec_spaces
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart.values import Record

SPACE = nas_bench_201()
ARMS = ("random", "local_search", "regularized_evolution", "gaussian_process")


def prepare(client: headstart.Client, tasks: int) -> list[str]:
    """The space and so many new tasks; their ids."""
    client.create_search_space(SPACE)
    prefix = uuid.uuid4().hex[:8]
    names = [f"load-{prefix}-{index}" for index in range(tasks)]
    for name in names:
        client.create_task(headstart.Task(name, headstart.Objective("accuracy")))
    return names


def records(tasks: list[str], count: int, generator: random.Random) -> Iterator[Record]:
    """Results of candidates drawn at random, the tasks in turns as workers of many searches report them."""
    for index in range(count):
        outcome = headstart.completed(generator.random(), cost_seconds=generator.random() * 100, seed=index)
        yield Record(
            tasks[index % len(tasks)],
            SPACE.search_space_id,
            sample(SPACE, generator),
            outcome,
            request_id=str(uuid.UUID(int=generator.getrandbits(128), version=4)),
            worker_id=f"worker-{index % 32}",
        )


def record_requests(tasks: list[str], count: int, generator: random.Random) -> list[pb2.RecordExperimentRequest]:
    return [codec_answers.record_to_proto(record) for record in records(tasks, count, generator)]


def strategy_requests(tasks: list[str], count: int, generator: random.Random) -> list[pb2.SelectStrategyRequest]:
    return [
        pb2.SelectStrategyRequest(
            request_id=str(uuid.UUID(int=generator.getrandbits(128), version=4)),
            task_id=tasks[index % len(tasks)],
            arms=[pb2.Arm(name=name) for name in ARMS],
            slots=1,
            spent_budget=float(index),
            total_budget=float(count),
        )
        for index in range(count)
    ]


def prediction_requests(tasks: list[str], count: int, generator: random.Random) -> list[pb2.PredictPerformanceRequest]:
    """Of one candidate each."""
    return [
        pb2.PredictPerformanceRequest(
            task_id=tasks[index % len(tasks)],
            search_space_id=SPACE.search_space_id,
            queries=[pb2.PredictionQuery(candidate=codec_spaces.candidate_to_proto(sample(SPACE, generator)))],
        )
        for index in range(count)
    ]
