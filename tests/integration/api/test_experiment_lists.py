"""ListExperiments: every order whole and without repeats, every filter, and what is refused."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc
import psycopg2
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import headstart
from headstart.spaces import Categorical, Parameter, SearchSpace, canonicalize, nas_bench_201, sample
from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.values import (
    Experiment,
    ExperimentFilter,
    ExperimentOrder,
    ExperimentStatus,
    NumberRange,
    Outcome,
    Record,
)

FLAT = SearchSpace("flat", parameters=(Parameter("size", Categorical((1, 2, 3))),))
SPACE = replace(nas_bench_201(), search_space_id="graphs")
COUNT = 130
ORDERS = list(ExperimentOrder)


@pytest.fixture(scope="module")
def address(shared_service) -> str:
    return str(shared_service.address)


@pytest.fixture(scope="module")
def listed(address, shared_service) -> Iterator[headstart.Client]:
    """Two tasks over two spaces; few distinct values, some missing, NaN or infinite, and times that coincide."""
    generator = random.Random(0)
    with headstart.connect(address) as client:
        for space in (FLAT, SPACE):
            client.create_search_space(space)
        for task_id in ("listed", "other"):
            client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
            client.record_many([_record(task_id, space, generator) for _ in range(COUNT) for space in (SPACE, FLAT)])
        # What a coarse clock would give.
        with psycopg2.connect(str(shared_service.settings.database_url).replace("+psycopg2", "")) as connection:
            connection.cursor().execute("UPDATE experiments SET recorded_at = date_trunc('second', recorded_at)")
        connection.close()
        yield client


def _record(task_id: str, space: SearchSpace, generator: random.Random) -> Record:
    kind = generator.random()
    proxies = {"parameters": float(generator.randrange(5))} if generator.random() < 0.7 else {}
    if kind < 0.15:
        value = generator.choice([None, math.nan, math.inf, -math.inf, 0.3])
        outcome = Outcome(ExperimentStatus.FAILED, value, proxies=proxies)
    else:
        outcome = Outcome(ExperimentStatus.COMPLETED, generator.randrange(7) / 10, proxies=proxies)
    return Record(task_id, space.search_space_id, sample(space, generator), outcome)


def everything(client: headstart.Client, **asked: object) -> list[Experiment]:
    return list(client.list_experiments(page_size=1000, **asked))


def name(experiment: Experiment) -> str:
    return experiment.experiment_id


@pytest.mark.parametrize("page_size", [1, 7, 50, 1000])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("space", ["", "graphs"])
def test_pages_of_every_order_hold_everything_once(listed, order, descending, space, page_size):
    where = {"task_id": "listed", "search_space_id": space, "order_by": order, "descending": descending}
    if page_size == 1:
        where["filter"] = ExperimentFilter(statuses=(ExperimentStatus.FAILED,))
    found = list(listed.list_experiments(**where, page_size=page_size))
    own = everything(listed, task_id="listed", search_space_id=space, filter=where.get("filter"))
    expected = {name(e) for e in own}
    if order is ExperimentOrder.OBJECTIVE_VALUE:
        expected = {name(e) for e in own if _finite(e)}
    assert len(found) == len(expected)
    assert {name(e) for e in found} == expected
    keys = [_key(order, experiment) for experiment in found]
    assert keys == sorted(keys, reverse=descending)


def _finite(experiment: Experiment) -> bool:
    value = experiment.outcome.objective_value
    return value is not None and math.isfinite(value)


def _key(order: ExperimentOrder, experiment: Experiment) -> tuple[object, ...]:
    # Spaces in the order of their creation.
    recording = (experiment.search_space_id, experiment.sequence)
    if order is ExperimentOrder.OBJECTIVE_VALUE:
        return (experiment.outcome.objective_value, *recording)
    if order is ExperimentOrder.RECORD_TIME:
        return (experiment.record_time, *recording)
    return recording


@pytest.mark.parametrize("descending", [False, True])
def test_all_tasks_are_listed_by_time(listed, descending):
    found = [
        e
        for e in listed.list_experiments(search_space_id="flat", page_size=33, descending=descending)
        if e.task_id in ("listed", "other")
    ]
    assert len({name(e) for e in found}) == len(found) == 2 * COUNT
    times = [e.record_time for e in found]
    assert times == sorted(times, reverse=descending)


def _nodes(experiment: Experiment) -> int:
    graph = canonicalize(SPACE if experiment.candidate.values.keys() - {"size"} else FLAT, experiment.candidate).graph
    return 0 if graph is None else len(graph.ops)


FILTERS: list[tuple[ExperimentFilter, Callable[[Experiment], bool]]] = [
    (ExperimentFilter(statuses=(ExperimentStatus.FAILED,)), lambda e: e.outcome.status is ExperimentStatus.FAILED),
    (
        ExperimentFilter(statuses=(ExperimentStatus.FAILED, ExperimentStatus.COMPLETED)),
        lambda e: True,
    ),
    (
        ExperimentFilter(objective_value=NumberRange(0.2, 0.3)),
        lambda e: e.outcome.objective_value is not None and 0.2 <= e.outcome.objective_value <= 0.3,
    ),
    (
        ExperimentFilter(objective_value=NumberRange(lower=0.5)),
        lambda e: e.outcome.objective_value is not None and e.outcome.objective_value >= 0.5,
    ),
    (ExperimentFilter(node_count=NumberRange(upper=0)), lambda e: _nodes(e) == 0),
    (ExperimentFilter(node_count=NumberRange(5, 7)), lambda e: 5 <= _nodes(e) <= 7),
    (
        ExperimentFilter(proxies={"parameters": NumberRange(2, 3)}),
        lambda e: 2 <= e.outcome.proxies.get("parameters", -1) <= 3,
    ),
    (ExperimentFilter(proxies={"parameters": NumberRange()}), lambda e: "parameters" in e.outcome.proxies),
    (ExperimentFilter(proxies={"flops": NumberRange()}), lambda e: False),
    (
        ExperimentFilter(statuses=(ExperimentStatus.COMPLETED,), proxies={"parameters": NumberRange(upper=1)}),
        lambda e: e.outcome.status is ExperimentStatus.COMPLETED and e.outcome.proxies.get("parameters", 9) <= 1,
    ),
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_filter_lets_through_what_it_says_in_every_order(listed, number, order):
    asked, holds = FILTERS[number]
    unfiltered = everything(listed, task_id="listed", order_by=order)
    found = list(listed.list_experiments("listed", filter=asked, order_by=order, page_size=10))
    assert [name(e) for e in found] == [name(e) for e in unfiltered if holds(e)]


@pytest.mark.parametrize("order", ORDERS)
def test_time_range_takes_its_begin_and_leaves_its_end(listed, order):
    whole = everything(listed, task_id="listed", order_by=order)
    begin = min(e.record_time for e in whole)
    for asked, expected in (
        (ExperimentFilter(recorded_from=begin), whole),
        (ExperimentFilter(recorded_before=begin), []),
        (
            ExperimentFilter(recorded_from=begin, recorded_before=begin.replace(year=begin.year + 1)),
            whole,
        ),
    ):
        assert list(map(name, everything(listed, task_id="listed", order_by=order, filter=asked))) == list(
            map(name, expected)
        )


def test_another_namespace_of_ids_is_not_found(listed):
    with pytest.raises(headstart.NotFound):
        everything(listed, task_id="nowhere")
    with pytest.raises(headstart.NotFound):
        everything(listed, task_id="listed", search_space_id="nowhere")
    with pytest.raises(headstart.NotFound):
        everything(listed, search_space_id="nowhere")


def test_what_came_after_a_sequence_number(listed):
    whole = everything(listed, task_id="listed", search_space_id="flat")
    asked = {"task_id": "listed", "search_space_id": "flat", "after_sequence": 100}
    assert list(listed.list_experiments(**asked, page_size=7)) == whole[100:]
    failed = ExperimentFilter(statuses=(ExperimentStatus.FAILED,))
    assert everything(listed, **asked, filter=failed) == [
        e for e in whole[100:] if e.outcome.status is ExperimentStatus.FAILED
    ]


BASE = {"task_id": "listed", "search_space_id": "flat"}
RECORDING, VALUE, TIME = (order.value for order in ExperimentOrder)


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("order_by", {**BASE, "order_by": 9}),
        ("order_by", {"order_by": RECORDING}),
        ("order_by", {"order_by": VALUE, "search_space_id": "flat"}),
        ("after_sequence", {**BASE, "after_sequence": -1}),
        ("after_sequence", {**BASE, "after_sequence": 5, "order_by": VALUE}),
        ("after_sequence", {**BASE, "after_sequence": 5, "descending": True}),
        ("after_sequence", {"task_id": "listed", "after_sequence": 5}),
        ("after_sequence", {"after_sequence": 5}),
        ("filter.statuses[1]", {**BASE, "filter": {"statuses": [1, 0]}}),
        ("filter.statuses[0]", {**BASE, "filter": {"statuses": [77]}}),
        ("filter.min_objective_value", {**BASE, "filter": {"min_objective_value": 0.5, "max_objective_value": 0.4}}),
        ("filter.min_objective_value", {**BASE, "filter": {"min_objective_value": math.nan}}),
        ("filter.max_objective_value", {**BASE, "filter": {"max_objective_value": math.nan}}),
        ("filter.min_node_count", {**BASE, "filter": {"min_node_count": 9, "max_node_count": 3}}),
        ("filter.proxies[flops].lower", {**BASE, "filter": {"proxies": {"flops": {"lower": 2, "upper": 1}}}}),
        ("filter.proxies[flops].upper", {**BASE, "filter": {"proxies": {"flops": {"upper": math.nan}}}}),
        ("filter.proxies", {**BASE, "filter": {"proxies": {"": {}}}}),
        ("filter.proxies", {**BASE, "filter": {"proxies": {"\0": {}}}}),
        ("filter.proxies", {**BASE, "filter": {"proxies": {f"p{i}": {} for i in range(300)}}}),
        ("filter.recorded_from", {**BASE, "filter": {"recorded_from": {"seconds": 10**15}}}),
        ("filter.recorded_from", {**BASE, "filter": {"recorded_from": {"nanos": 2_000_000_000}}}),
        (
            "filter.recorded_from",
            {**BASE, "filter": {"recorded_from": {"seconds": 100}, "recorded_before": {"seconds": 99}}},
        ),
        ("page_token", {**BASE, "page_token": "no token"}),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(listed, stubs, field, asked):
    assert field in refused(stubs, pb2.ListExperimentsRequest(**asked))


def refused(stubs, request: pb2.ListExperimentsRequest) -> list[str]:
    with pytest.raises(grpc.RpcError) as raised:
        stubs.knowledge.ListExperiments(request)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    fields = []
    for detail in rpc_status.from_call(raised.value).details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            fields += [violation.field for violation in bad.field_violations]
    return fields


@pytest.mark.parametrize(
    "other",
    [
        {"task_id": "other"},
        {"search_space_id": "graphs"},
        {"search_space_id": ""},
        {"descending": True},
        {"order_by": TIME},
        {"order_by": VALUE},
        {"after_sequence": 3},
        {"filter": {"statuses": [1]}},
        {"filter": {"proxies": {"parameters": {"lower": 1.0}}}},
    ],
)
def test_page_token_of_another_query_is_refused(listed, stubs, other):
    token = stubs.knowledge.ListExperiments(pb2.ListExperimentsRequest(**BASE, page_size=5)).next_page_token
    again = pb2.ListExperimentsRequest(**BASE, page_size=9, page_token=token)
    assert stubs.knowledge.ListExperiments(again).experiments[0].experiment_id.endswith("/6")
    assert refused(stubs, pb2.ListExperimentsRequest(**{**BASE, **other}, page_token=token)) == ["page_token"]


def test_page_tokens_that_were_tampered_with_are_refused(listed, stubs):
    import base64

    for order in (RECORDING, VALUE, TIME):
        asked = {**BASE, "order_by": order}
        token = stubs.knowledge.ListExperiments(pb2.ListExperimentsRequest(**asked, page_size=5)).next_page_token
        head = base64.urlsafe_b64decode(token).decode().partition(":")[0]
        for key in (
            "",
            "[]",
            "{}",
            "[1]",
            "[null, 1, 1, 1]",
            "[1, 1, 1, 1]",
            "[NaN, 1, 1]",
            "[1e999, 1, 1]",
            "[1, -1]",
            f"[1, {2**63}]",
            "[true, 1]",
            '["2024", 1, 1, 1]',
            '["x", 1, 1, 1]',
            "[" * 10_000,
            "9" * 5000,
        ):
            forged = base64.urlsafe_b64encode(f"{head}:{key}".encode()).decode()
            assert refused(stubs, pb2.ListExperimentsRequest(**asked, page_token=forged)) == ["page_token"], key


def test_last_sequence_is_told_where_it_has_a_meaning(listed, stubs):
    def last(**asked: object) -> int:
        return int(stubs.knowledge.ListExperiments(pb2.ListExperimentsRequest(page_size=5, **asked)).last_sequence)

    assert last(**BASE) == 5
    assert last(**BASE, after_sequence=COUNT) == COUNT
    assert last(**BASE, descending=True) == last(**BASE, order_by=VALUE) == last(task_id="listed") == last() == 0
