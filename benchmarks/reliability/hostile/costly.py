"""Single requests of at most 8 MiB that ask for as much work as the contract allows.

Each is one message, ready to be sent: building it costs more than sending it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import uuid4

import headstart
from headstart.codec.spaces import candidate_to_proto, space_to_proto
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Graph,
    Node,
    Parameter,
    SearchSpace,
    nas_bench_201,
    sample,
)
from headstart.v1 import experiment_pb2, knowledge_base_service_pb2, meta_learning_service_pb2, search_space_pb2

GRAPHS = SearchSpace("graphs", explicit_graphs=True)
# As many choices as a space may have.
_CHOICES = 512
WIDE = SearchSpace(
    "wide", tuple(Parameter(f"p{i}", Categorical(tuple(f"{i}-{j}" for j in range(_CHOICES)))) for i in range(32))
)
CELLS = nas_bench_201()
TASK, OTHERS = "hostile", tuple(f"other-{number}" for number in range(64))
LARGEST = 8 * 2**20
_MODEL, _KNOWLEDGE = "/headstart.v1.MetaLearningService/", "/headstart.v1.KnowledgeBaseService/"


@dataclass(frozen=True)
class Costly:
    """``message``: as it goes over the wire, of a caller whose namespace holds what ``prepare`` recorded."""

    what: str
    method: str
    message: bytes


def prepare(client: headstart.Client) -> None:
    """Spaces and tasks that the requests speak of, with 40 results each."""
    generator = random.Random(0)
    for space in (GRAPHS, WIDE, CELLS):
        client.create_search_space(space)
    for task_id in (TASK, *OTHERS):
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
        client.record_many(
            [
                headstart.Record(task_id, CELLS.search_space_id, sample(CELLS, generator), headstart.completed(value))
                for value in (generator.random() for _ in range(40))
            ]
        )


def costly_requests(names: Iterable[str]) -> list[Costly]:
    """Those of ``REQUESTS`` with these names. Raises KeyError."""
    return [Costly(name, REQUESTS[name][0], REQUESTS[name][1]()) for name in names]


def perfect_matchings() -> bytes:
    """450 graphs of 1,024 disjoint edges: every vertex looks like every other."""
    graph = Graph(tuple(Node("op") for _ in range(2048)), tuple((2 * i, 2 * i + 1) for i in range(1024)))
    return _predict(GRAPHS, [Candidate({}, graph)] * 450, shuffled=True)


def projective_planes() -> bytes:
    """4,096 incidence graphs of the projective plane of order 5: regular, without symmetry that refinement sees."""
    order = 5
    points = [(1, a, b) for a in range(order) for b in range(order)] + [(0, 1, a) for a in range(order)] + [(0, 0, 1)]
    edges = tuple(
        (i, len(points) + j)
        for i, point in enumerate(points)
        for j, line in enumerate(points)
        if sum(x * y for x, y in zip(point, line, strict=True)) % order == 0
    )
    graph = Graph(tuple(Node("op") for _ in range(2 * len(points))), edges)
    return _predict(GRAPHS, [Candidate({}, graph)] * 4096, shuffled=True)


def wide_candidates() -> bytes:
    generator = random.Random(1)
    values = [{f"p{i}": f"{i}-{generator.randrange(_CHOICES)}" for i in range(32)} for _ in range(4096)]
    return _predict(WIDE, [Candidate(each) for each in values], shuffled=False)


def _predict(space: SearchSpace, candidates: list[Candidate], shuffled: bool) -> bytes:
    """As many of the candidates as a message holds, each with its nodes in another order where ``shuffled``."""
    generator = random.Random(2)
    message = meta_learning_service_pb2.PredictPerformanceRequest(
        task_id=TASK, search_space_id=space.search_space_id
    ).SerializeToString()
    parts, size = [message], len(message)
    for candidate in candidates:
        query = meta_learning_service_pb2.PredictionQuery(
            candidate=candidate_to_proto(_relabelled(candidate, generator) if shuffled else candidate)
        )
        # Messages that are joined are one message with the parts of all.
        part = meta_learning_service_pb2.PredictPerformanceRequest(queries=[query]).SerializeToString()
        size += len(part)
        if size > LARGEST:
            break
        parts.append(part)
    return b"".join(parts)


def _relabelled(candidate: Candidate, generator: random.Random) -> Candidate:
    assert candidate.graph is not None
    order = list(range(len(candidate.graph.nodes)))
    generator.shuffle(order)
    edges = tuple((order[source], order[target]) for source, target in candidate.graph.edges)
    return Candidate({}, Graph(candidate.graph.nodes, edges))


def conditions() -> bytes:
    """A space whose parameters each hold for 4,096 values of a parent with as many choices."""
    return knowledge_base_service_pb2.CreateSearchSpaceRequest(
        search_space=space_to_proto(SearchSpace("conditions", _conditional(48)))
    ).SerializeToString()


def _conditional(count: int) -> tuple[Parameter, ...]:
    choices = tuple(f"choice-{j}" for j in range(4096))
    parent = Parameter("parent", Categorical(choices))
    children = (Parameter(f"c{i}", Float(0.0, 1.0), Condition("parent", choices[::-1])) for i in range(count))
    return (parent, *children)


def conditions_of_arms() -> bytes:
    space = space_to_proto(SearchSpace("conditions", _conditional(48)))
    arm = meta_learning_service_pb2.Arm(name="arm", hyperparameters=space.parameters)
    return _select([arm], 1)


def many_settings() -> bytes:
    domain = search_space_pb2.FloatDomain(lower=0.0, upper=1.0)
    settings = [search_space_pb2.Parameter(name=f"s{i}", float=domain) for i in range(100)]
    return _select([meta_learning_service_pb2.Arm(name=f"arm-{i}", hyperparameters=settings) for i in range(64)], 1024)


def _select(arms: list[meta_learning_service_pb2.Arm], slots: int) -> bytes:
    return meta_learning_service_pb2.SelectStrategyRequest(
        request_id=str(uuid4()), task_id=TASK, arms=arms, slots=slots
    ).SerializeToString()


def many_statuses() -> bytes:
    return knowledge_base_service_pb2.ListExperimentsRequest(
        filter=knowledge_base_service_pb2.ExperimentFilter(
            statuses=[experiment_pb2.EXPERIMENT_STATUS_COMPLETED] * 1_000_000
        )
    ).SerializeToString()


def many_targets() -> bytes:
    return meta_learning_service_pb2.TransferArchitectureRequest(
        search_space_id=CELLS.search_space_id,
        candidate=candidate_to_proto(sample(CELLS, random.Random(3))),
        source_task_id=TASK,
        target_task_ids=OTHERS,
    ).SerializeToString()


def many_suggestions() -> bytes:
    return meta_learning_service_pb2.WarmStartRequest(
        task_id=TASK, search_space_id=CELLS.search_space_id, count=4096
    ).SerializeToString()


def empty_queries() -> bytes:
    """Four million submessages of nothing: two bytes each over the wire."""
    return b"\x1a\x00" * (LARGEST // 2)


def unreadable() -> bytes:
    return b"\xff" * LARGEST


REQUESTS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "450 perfect matchings": (_MODEL + "PredictPerformance", perfect_matchings),
    "4,096 projective planes": (_MODEL + "PredictPerformance", projective_planes),
    "4,096 candidates of 32 wide parameters": (_MODEL + "PredictPerformance", wide_candidates),
    "a space of 48 conditions on 4,096 values": (_KNOWLEDGE + "CreateSearchSpace", conditions),
    "an arm of 48 conditions on 4,096 values": (_MODEL + "SelectStrategy", conditions_of_arms),
    "64 arms of 100 settings, 1,024 decisions": (_MODEL + "SelectStrategy", many_settings),
    "a million statuses": (_KNOWLEDGE + "ListExperiments", many_statuses),
    "a transfer to 64 tasks": (_MODEL + "TransferArchitecture", many_targets),
    "4,096 suggestions": (_MODEL + "WarmStart", many_suggestions),
    "four million empty queries": (_MODEL + "PredictPerformance", empty_queries),
    "8 MiB that are no message": (_MODEL + "PredictPerformance", unreadable),
}
