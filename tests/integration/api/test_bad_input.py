"""Bad input gets one status with the path of the field, and nothing is lost or changed."""

from __future__ import annotations

import math
import uuid

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import headstart
from headstart.codec.spaces import candidate_to_proto, space_to_proto
from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace, nas_bench_201, sample
from headstart.v1 import experiment_pb2, search_space_pb2, task_pb2
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart_server.api.handlers.pagination import page_token

SPACE = nas_bench_201()
GOOD = Candidate({f"op{i}": "nor_conv_3x3" for i in range(6)})


def failure(call, request) -> tuple[grpc.StatusCode, list[str], str]:
    """Code, field paths and reason of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=10)
    status = rpc_status.from_call(caught.value)
    assert status is not None, caught.value
    fields, reason = [], ""
    for detail in status.details:
        bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
        if detail.Unpack(bad):
            fields += [violation.field for violation in bad.field_violations]
        if detail.Unpack(info):
            assert info.domain == "headstart"
            reason = info.reason
    return caught.value.code(), fields, reason


def record(task_id: str, **changes) -> meta_pb2.RecordExperimentRequest:
    request = meta_pb2.RecordExperimentRequest(
        request_id=str(uuid.uuid4()),
        task_id=task_id,
        search_space_id=SPACE.search_space_id,
        candidate=candidate_to_proto(GOOD),
        outcome=experiment_pb2.Outcome(status=experiment_pb2.EXPERIMENT_STATUS_COMPLETED, objective_value=0.5),
    )
    for name, value in changes.items():
        if isinstance(value, str):
            setattr(request, name, value)
        else:
            getattr(request, name).CopyFrom(value)
    return request


def completed(**values) -> experiment_pb2.Outcome:
    fields = {"objective_value": 0.5, **values}
    return experiment_pb2.Outcome(status=experiment_pb2.EXPERIMENT_STATUS_COMPLETED, **fields)


def value(**kind) -> search_space_pb2.ParameterValue:
    return search_space_pb2.ParameterValue(**kind)


def with_values(**changes) -> search_space_pb2.Candidate:
    candidate = candidate_to_proto(GOOD)
    for name, changed in changes.items():
        candidate.values[name].CopyFrom(changed)
    return candidate


def point(fidelity: float, number: float) -> experiment_pb2.CurvePoint:
    return experiment_pb2.CurvePoint(fidelity=fidelity, value=number)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"request_id": ""}, "request_id"),
        ({"decision_id": "nonsense"}, "decision_id"),
        ({"worker_id": "w" * 300}, "worker_id"),
        ({"worker_id": "a\0b"}, "worker_id"),
        ({"candidate": with_values(op0=value(string_value="conv_9x9"))}, "candidate.values[op0]"),
        ({"candidate": with_values(op0=value(integer_value=3))}, "candidate.values[op0]"),
        ({"candidate": with_values(op0=value())}, "candidate.values[op0]"),
        ({"candidate": with_values(depth=value(integer_value=3))}, "candidate.values[depth]"),
        ({"candidate": search_space_pb2.Candidate()}, "candidate.values[op0]"),
        ({"outcome": experiment_pb2.Outcome(objective_value=0.5)}, "outcome.status"),
        ({"outcome": completed(objective_value=math.nan)}, "outcome.objective_value"),
        ({"outcome": completed(objective_value=math.inf)}, "outcome.objective_value"),
        ({"outcome": completed(metrics={"loss": math.nan})}, "outcome.metrics[loss]"),
        ({"outcome": completed(proxies={"flops": math.inf})}, "outcome.proxies[flops]"),
        ({"outcome": completed(metrics={f"m{i}": 1.0 for i in range(257)})}, "outcome.metrics"),
        ({"outcome": completed(cost_seconds=-1.0)}, "outcome.cost_seconds"),
        ({"outcome": completed(fidelity=math.nan)}, "outcome.fidelity"),
        ({"outcome": completed(learning_curve=[point(2, 1), point(1, 1)])}, "outcome.learning_curve[1].fidelity"),
        ({"outcome": completed(learning_curve=[point(1, math.nan)])}, "outcome.learning_curve[0].value"),
        ({"outcome": completed(learning_curve=[point(i, 1) for i in range(10_001)])}, "outcome.learning_curve"),
    ],
)
def test_bad_record_is_refused_by_field_and_not_kept(client, stubs, task, changes, field):
    code, fields, reason = failure(stubs.meta.RecordExperiment, record(task.task_id, **changes))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert field in fields
    assert client.get_task(task.task_id).summaries == ()


def test_nan_is_taken_from_a_failed_run(client, task):
    outcome = headstart.Outcome(headstart.ExperimentStatus.FAILED, math.nan, seed=-3)
    recorded = client.record(task.task_id, SPACE.search_space_id, GOOD, outcome)
    assert recorded.incumbent is None
    kept = client.get_experiment(recorded.experiment_id).outcome
    assert math.isnan(kept.objective_value)
    assert kept.seed == -3


def test_bad_record_in_a_chunk_is_named_and_the_whole_chunk_refused(client, stubs, task):
    good, bad = record(task.task_id), record(task.task_id, request_id="x")
    chunk = meta_pb2.RecordExperimentsRequest(chunk=1, records=[good, bad])
    with pytest.raises(grpc.RpcError) as caught:
        list(stubs.meta.RecordExperiments(iter([chunk]), timeout=10))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "records[1].request_id" in caught.value.details()
    assert client.get_task(task.task_id).summaries == ()


@pytest.mark.parametrize("task_id", ["nowhere", "", "../etc", "a\0b", "x" * 1000, "' OR 1=1 --"])
def test_unknown_task_is_not_found_and_named(client, stubs, task_id):
    for call, request in [
        (stubs.meta.RecordExperiment, record(task_id)),
        (stubs.meta.WarmStart, meta_pb2.WarmStartRequest(task_id=task_id, search_space_id="nas-bench-201", count=1)),
        (
            stubs.meta.PredictPerformance,
            meta_pb2.PredictPerformanceRequest(
                task_id=task_id,
                search_space_id="nas-bench-201",
                queries=[meta_pb2.PredictionQuery(candidate=candidate_to_proto(GOOD))],
            ),
        ),
        (
            stubs.meta.SelectStrategy,
            meta_pb2.SelectStrategyRequest(
                request_id=str(uuid.uuid4()), task_id=task_id, arms=[meta_pb2.Arm(name="random")]
            ),
        ),
        (stubs.knowledge.GetTask, knowledge_pb2.GetTaskRequest(task_id=task_id)),
        (stubs.knowledge.SearchTasks, knowledge_pb2.SearchTasksRequest(task_id=task_id)),
        (
            stubs.knowledge.ExplainTask,
            knowledge_pb2.ExplainTaskRequest(task_id=task_id, search_space_id="nas-bench-201"),
        ),
        (
            stubs.knowledge.DeleteTask,
            knowledge_pb2.DeleteTaskRequest(request_id=str(uuid.uuid4()), task_id=task_id),
        ),
    ]:
        code, _, reason = failure(call, request)
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND"), type(request)


@pytest.mark.parametrize("task_id", ["nowhere", "../etc", "a\0b", "x" * 1000, "' OR 1=1 --"])
def test_list_of_an_unknown_task_is_not_found(client, stubs, task_id):
    """Of no task at all, it is the list of all tasks."""
    request = knowledge_pb2.ListExperimentsRequest(task_id=task_id, search_space_id="nas-bench-201")
    code, _, reason = failure(stubs.knowledge.ListExperiments, request)
    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND")


@pytest.mark.parametrize("space_id", ["nowhere", "", "a\0b"])
def test_unknown_space_is_not_found(stubs, task, space_id):
    for call, request in [
        (stubs.meta.RecordExperiment, record(task.task_id, search_space_id=space_id)),
        (stubs.meta.WarmStart, meta_pb2.WarmStartRequest(task_id=task.task_id, search_space_id=space_id, count=1)),
        (stubs.knowledge.GetSearchSpace, knowledge_pb2.GetSearchSpaceRequest(search_space_id=space_id)),
        (stubs.knowledge.GetPredictor, knowledge_pb2.GetPredictorRequest(search_space_id=space_id)),
        (stubs.knowledge.SearchArchitectures, knowledge_pb2.SearchArchitecturesRequest(search_space_id=space_id)),
    ]:
        code, _, reason = failure(call, request)
        assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "SEARCH_SPACE_NOT_FOUND"), type(request)


def open_space(unique_id, client) -> str:
    space = headstart.SearchSpace(unique_id("open"), explicit_graphs=True)
    return client.create_search_space(space).search_space_id


def a_graph(node_count: int, edges: list[tuple[int, int]]) -> search_space_pb2.Candidate:
    return search_space_pb2.Candidate(
        graph=search_space_pb2.Graph(
            nodes=[search_space_pb2.Node(op="conv") for _ in range(node_count)],
            edges=[search_space_pb2.Edge(source=source, target=target) for source, target in edges],
        )
    )


@pytest.mark.parametrize(
    ("candidate", "field"),
    [
        (a_graph(3, [(0, 1), (1, 2), (2, 0)]), "candidate.graph.edges"),
        (a_graph(1, [(0, 0)]), "candidate.graph.edges"),
        (a_graph(2, [(0, 7)]), "candidate.graph.edges[0].target"),
        (a_graph(2049, []), "candidate.graph.nodes"),
        (a_graph(200, [(0, 1)] * 8193), "candidate.graph.edges"),
        (search_space_pb2.Candidate(), "candidate.graph"),
    ],
)
def test_malformed_graph_is_refused_by_field(client, stubs, task, unique_id, candidate, field):
    request = record(task.task_id, search_space_id=open_space(unique_id, client), candidate=candidate)
    code, fields, _ = failure(stubs.meta.RecordExperiment, request)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: setattr(m, "search_space_id", "Has Spaces"), "search_space.search_space_id"),
        (lambda m: m.ClearField("parameters"), "search_space.graph_template.nodes[2].op_parameter"),
        (lambda m: setattr(m.graph_template.edges[0], "target", "lost"), "search_space.graph_template.edges[0].target"),
        (lambda m: m.parameters[0].ClearField("categorical"), "search_space.parameters[0]"),
        (lambda m: setattr(m.parameters[1], "name", "op0"), "search_space.parameters[1].name"),
    ],
)
def test_bad_declaration_is_refused_by_field(stubs, change, field):
    message = space_to_proto(SPACE)
    change(message)
    request = knowledge_pb2.CreateSearchSpaceRequest(request_id=str(uuid.uuid4()), search_space=message)
    code, fields, _ = failure(stubs.knowledge.CreateSearchSpace, request)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field in fields


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: setattr(m.objective, "direction", 0), "task.objective.direction"),
        (lambda m: setattr(m.objective, "metric", ""), "task.objective.metric"),
        (lambda m: setattr(m, "max_fidelity", -1.0), "task.max_fidelity"),
        (lambda m: m.meta_features.update({"rows": math.nan}), "task.meta_features[rows]"),
        (lambda m: setattr(m, "task_id", "-x"), "task.task_id"),
    ],
)
def test_bad_task_is_refused_by_field(stubs, change, field):
    objective = task_pb2.Objective(metric="accuracy", direction=task_pb2.DIRECTION_MAXIMIZE)
    message = task_pb2.Task(task_id="good", objective=objective)
    change(message)
    request = knowledge_pb2.CreateTaskRequest(request_id=str(uuid.uuid4()), task=message)
    code, fields, _ = failure(stubs.knowledge.CreateTask, request)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_limits_are_stated_in_the_error(stubs, task):
    for request, field in [
        (meta_pb2.WarmStartRequest(task_id=task.task_id, search_space_id=SPACE.search_space_id, count=5000), "count"),
        (meta_pb2.WarmStartRequest(task_id=task.task_id, search_space_id=SPACE.search_space_id), "count"),
        (
            meta_pb2.WarmStartRequest(
                task_id=task.task_id, search_space_id=SPACE.search_space_id, count=1, exploration_share=1.5
            ),
            "exploration_share",
        ),
    ]:
        code, fields, _ = failure(stubs.meta.WarmStart, request)
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    queries = [meta_pb2.PredictionQuery()] * 4097
    request = meta_pb2.PredictPerformanceRequest(
        task_id=task.task_id, search_space_id=SPACE.search_space_id, queries=queries
    )
    code, fields, _ = failure(stubs.meta.PredictPerformance, request)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["queries"])


@pytest.mark.parametrize(
    ("arms", "field"),
    [
        ([], "arms"),
        ([""], "arms[0].name"),
        (["a", "a"], "arms[1].name"),
        ([f"arm{i}" for i in range(65)], "arms"),
    ],
)
def test_bad_arms_are_refused_by_field(stubs, task, arms, field):
    request = meta_pb2.SelectStrategyRequest(
        request_id=str(uuid.uuid4()), task_id=task.task_id, arms=[meta_pb2.Arm(name=name) for name in arms]
    )
    code, fields, _ = failure(stubs.meta.SelectStrategy, request)
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_foreign_page_token_is_refused(stubs, task):
    for token in ("garbage!", "c2VhcmNoX3NwYWNlczp4", page_token("tasks", "nul\0"), page_token("tasks", "")):
        code, fields, _ = failure(stubs.knowledge.ListTasks, knowledge_pb2.ListTasksRequest(page_token=token))
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])
    for key in ("x", "-1", "\u0663", "9" * 19, "1\0", ""):
        token = page_token(f"experiments/{task.task_id}/{SPACE.search_space_id}", key)
        request = knowledge_pb2.ListExperimentsRequest(
            task_id=task.task_id, search_space_id=SPACE.search_space_id, page_token=token
        )
        code, fields, _ = failure(stubs.knowledge.ListExperiments, request)
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["page_token"])


def test_errors_about_long_text_of_any_script_fit_the_trailing_metadata(client, stubs, task, unique_id):
    names = ["\u6f22" * 60 + f"{number:02}" for number in range(20)]
    choices = ("\u5b57" * 250, "\u5b57" * 251)
    space = SearchSpace(unique_id("han"), parameters=tuple(Parameter(name, Categorical(choices)) for name in names))
    client.create_search_space(space)
    candidate = candidate_to_proto(Candidate(dict.fromkeys(names, "\u5b57" * 249)))
    request = record(task.task_id, search_space_id=space.search_space_id, candidate=candidate)
    code, fields, reason = failure(stubs.meta.RecordExperiment, request)
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert len(fields) == 10
    assert all(field.startswith("candidate.values[\u6f22") for field in fields)


@pytest.mark.parametrize("name", ["", "a/b", "a/b/c", "a/b/-1", "a/b/99999999999999999999", "a/b/1/2"])
def test_bad_experiment_id_is_refused(stubs, name):
    code, _, _ = failure(stubs.knowledge.GetExperiment, knowledge_pb2.GetExperimentRequest(experiment_id=name))
    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_same_request_id_for_another_task_is_refused(client, stubs, unique_id):
    request_id = str(uuid.uuid4())
    objective = task_pb2.Objective(metric="accuracy", direction=task_pb2.DIRECTION_MAXIMIZE)
    names = [unique_id("one"), unique_id("two")]
    requests = [
        knowledge_pb2.CreateTaskRequest(request_id=request_id, task=task_pb2.Task(task_id=name, objective=objective))
        for name in names
    ]
    first = stubs.knowledge.CreateTask(requests[0])
    assert stubs.knowledge.CreateTask(requests[0]) == first
    code, _, reason = failure(stubs.knowledge.CreateTask, requests[1])
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_no_evidence_is_said_and_no_number_invented(stubs, task):
    request = meta_pb2.PredictPerformanceRequest(
        task_id=task.task_id,
        search_space_id=SPACE.search_space_id,
        queries=[meta_pb2.PredictionQuery(candidate=candidate_to_proto(GOOD))],
    )
    code, _, reason = failure(stubs.meta.PredictPerformance, request)
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_EVIDENCE")


def test_sampled_candidates_are_never_refused(client, task):
    import random

    generator = random.Random(0)
    for index in range(20):
        client.record(task.task_id, SPACE.search_space_id, sample(SPACE, generator), headstart.completed(index / 20))
    assert client.get_task(task.task_id).summaries[0].experiment_count == 20
