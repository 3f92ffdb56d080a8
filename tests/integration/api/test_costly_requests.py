"""No request, however much it asks for, holds up the questions of others or goes on after its caller has gone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import grpc
import numpy as np
import pytest

import headstart
from headstart.spaces import Categorical, Condition, Parameter, SearchSpace, sample
from headstart.v1 import experiment_pb2, knowledge_base_service_pb2, meta_learning_service_pb2, search_space_pb2

DEADLINE = 3.0


@pytest.fixture
def graphs(client: headstart.Client, unique_id: Callable[[str], str]) -> str:
    space = SearchSpace(unique_id("graphs"), explicit_graphs=True)
    client.create_search_space(space)
    return space.search_space_id


def matchings(task_id: str, space_id: str, count: int) -> meta_learning_service_pb2.PredictPerformanceRequest:
    """Graphs of a thousand pairs of nodes that nothing tells apart."""
    graph = search_space_pb2.Graph(
        nodes=[search_space_pb2.Node(op="conv")] * 2048,
        edges=[search_space_pb2.Edge(source=place, target=place + 1) for place in range(0, 2048, 2)],
    )
    query = meta_learning_service_pb2.PredictionQuery(candidate=search_space_pb2.Candidate(graph=graph))
    return meta_learning_service_pb2.PredictPerformanceRequest(
        task_id=task_id, search_space_id=space_id, queries=[query] * count
    )


def test_large_requests_end_at_their_deadline_and_hold_nobody_up(client, stubs, task, graphs) -> None:
    request = matchings(task.task_id, graphs, 100)
    ended: list[float] = []

    def ask() -> None:
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            stubs.meta.PredictPerformance(request, timeout=DEADLINE)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        ended.append(time.monotonic() - begin)

    # What is made for a first question is not to be counted.
    client.warm_start(task.task_id, "nas-bench-201", count=1)
    callers = [threading.Thread(target=ask) for _ in range(2)]
    for caller in callers:
        caller.start()
    waits = []
    while any(caller.is_alive() for caller in callers):
        begin = time.monotonic()
        client.get_task(task.task_id)
        waits.append(time.monotonic() - begin)
        time.sleep(0.02)
    assert len(ended) == 2 and len(waits) > 5
    # Where they ran on, the slow threads would be taken.
    begin = time.monotonic()
    client.explain_task(task.task_id, "nas-bench-201")
    assert time.monotonic() - begin < 5.0
    assert np.median(waits) < 1.0


def test_few_graphs_that_take_long_to_read_do_not_hold_up_others(stubs, task, graphs) -> None:
    """They are few and small enough for the models' threads, until they turn out to be slow."""
    with pytest.raises(grpc.RpcError) as refused:
        stubs.meta.PredictPerformance(matchings(task.task_id, graphs, 4), timeout=30)
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION, "nothing is recorded to predict from"


def test_repeated_statuses_are_those_that_differ(stubs, task) -> None:
    """As many as a message may have fields."""
    begin = time.monotonic()
    assert not stubs.knowledge.ListExperiments(_with_statuses(task, 900_000), timeout=30).experiments
    assert time.monotonic() - begin < 5.0
    with pytest.raises(grpc.RpcError, match="has more than 1000000 fields") as refused:
        stubs.knowledge.ListExperiments(_with_statuses(task, 1_000_002), timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def _with_statuses(task: headstart.Task, count: int) -> knowledge_base_service_pb2.ListExperimentsRequest:
    statuses = [experiment_pb2.EXPERIMENT_STATUS_COMPLETED, experiment_pb2.EXPERIMENT_STATUS_FAILED] * (count // 2)
    return knowledge_base_service_pb2.ListExperimentsRequest(
        task_id=task.task_id, filter=knowledge_base_service_pb2.ExperimentFilter(statuses=statuses)
    )


def test_the_size_of_a_declaration_is_bounded(client: headstart.Client, unique_id: Callable[[str], str]) -> None:
    many = tuple(Categorical(tuple(f"{place}-{number}" for number in range(4096))) for place in range(5))
    choices = SearchSpace(unique_id("choices"), tuple(Parameter(f"p{place}", each) for place, each in enumerate(many)))
    with pytest.raises(headstart.InvalidArgument, match="20480 choices: at most 16384"):
        client.create_search_space(choices)
    client.create_search_space(SearchSpace(choices.search_space_id, choices.parameters[:4]))
    repeated = Condition("p0", many[0].choices * 30)
    large = SearchSpace(unique_id("large"), (choices.parameters[0], Parameter("other", Categorical((1, 2)), repeated)))
    with pytest.raises(headstart.InvalidArgument, match="a declaration has at most 1048576"):
        client.create_search_space(large)


def test_choices_of_all_arms_are_bounded(client: headstart.Client, task: headstart.Task) -> None:
    ranges = tuple(Parameter(f"p{place}", Categorical(tuple(map(str, range(2000))))) for place in range(9))
    with pytest.raises(headstart.InvalidArgument, match="18000 choices"):
        client.select_strategy(task.task_id, [headstart.Arm("a", ranges)])


def test_many_queries_are_answered_as_few_are(client: headstart.Client, task: headstart.Task) -> None:
    """They are taken in chunks, which no answer shows."""
    space, generator = headstart.spaces.nas_bench_201(), random.Random(0)
    candidates = [sample(space, generator) for _ in range(700)]
    for number, candidate in enumerate(candidates[:12]):
        client.record(task.task_id, "nas-bench-201", candidate, headstart.completed(number / 12))
    together = client.predict(task.task_id, "nas-bench-201", candidates)
    for place in (0, 300, 511, 512, 699):
        (alone,) = client.predict(task.task_id, "nas-bench-201", [candidates[place]]).predictions
        assert together.predictions[place].estimate.mean == pytest.approx(alone.estimate.mean, abs=1e-6)
        assert together.predictions[place].estimate.interval.upper == pytest.approx(
            alone.estimate.interval.upper, abs=1e-6
        )
        assert {each.member for each in together.predictions[place].members} == {each.member for each in alone.members}
