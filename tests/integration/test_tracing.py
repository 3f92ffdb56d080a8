"""A traced call can be followed from its arrival through the predictor host to the database's statements."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psycopg2
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import headstart
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart.v1 import meta_learning_service_pb2_grpc as pb2_grpc
from headstart_server.runtime.local.databases import free_port
from tests.conftest import Service
from tests.waiting import wait_until

SPACE = nas_bench_201()
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes what an OpenTelemetry collector takes, and keeps it: (service, span)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    def Export(self, request, context):
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of_call(self, method: str, count: int = 1) -> list[tuple[str, Span]]:
        """All spans of the traces of this method's calls, once so many calls have ended."""

        def calls() -> list[Span]:
            return [span for _, span in self.spans if span.name.endswith(f"/{method}") and not outside(span)]

        def outside(span: Span) -> bool:
            return span.kind != Span.SPAN_KIND_SERVER

        wait_until(lambda: len(calls()) >= count, what=f"spans of {method}")
        traces = {span.trace_id for span in calls()}
        return [(service, span) for service, span in self.spans if span.trace_id in traces]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Where the services of this test send their spans, soon."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    yield collector
    server.stop(None)


@pytest.fixture
def traced(collector: Collector, settings, tmp_path: Path) -> Iterator[Service]:
    address = f"127.0.0.1:{free_port()}"
    traced_settings = settings.model_copy(update={"tracing": True, "metrics_address": address})
    service = Service(traced_settings, tmp_path / "serve.log").start()
    yield service
    service.kill()


def only(spans: list[tuple[str, Span]], name: str) -> Span:
    (found,) = [span for _, span in spans if span.name == name]
    return found


def attributes(span: Span) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def record_some(client: headstart.Client, count: int) -> None:
    generator = random.Random(0)
    client.create_search_space(SPACE)
    client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
    client.record_many(
        headstart.Record("cifar", SPACE.search_space_id, sample(SPACE, generator), headstart.completed(float(value)))
        for value in range(count)
    )


def test_recorded_result_is_followed_to_its_statements_and_log_and_metrics(
    collector: Collector, traced: Service
) -> None:
    with headstart.connect(traced.address) as client:
        record_some(client, 1)
        client.record("cifar", SPACE.search_space_id, sample(SPACE, random.Random(1)), headstart.completed(0.5))
    spans = collector.of_call("RecordExperiment")
    call = only(spans, "headstart.v1.MetaLearningService/RecordExperiment")
    batch, transaction = only(spans, "record batch"), only(spans, "transaction")
    inserts = [span for _, span in spans if span.name == "INSERT"]
    assert {service for service, _ in spans} == {"headstart-serve"}
    assert (batch.parent_span_id, transaction.parent_span_id) == (call.span_id, batch.span_id)
    assert inserts
    assert {span.parent_span_id for span in inserts} == {transaction.span_id}
    facts = attributes(call)
    assert (facts["headstart.namespace"], facts["headstart.task"]) == ("default", "cifar")
    assert facts["rpc.grpc.status_code"] == 0
    assert call.status.code == Status.STATUS_CODE_UNSET

    address = f"http://{traced.settings.metrics_address}/metrics"
    request = urllib.request.Request(address, headers={"Accept": "application/openmetrics-text"})
    with urllib.request.urlopen(request) as answer:
        page = answer.read().decode()
    assert call.trace_id.hex() in page


def test_what_no_call_asked_for_makes_no_trace(collector: Collector, traced: Service) -> None:
    with headstart.connect(traced.address) as client:
        client.create_search_space(SPACE)
    collector.of_call("CreateSearchSpace")
    roots = {span.name for _, span in collector.spans if not span.parent_span_id}
    assert roots == {"headstart.v1.KnowledgeBaseService/CreateSearchSpace"}


def test_failing_call_has_error_status_and_its_trace_in_the_log(
    collector: Collector, traced: Service, database_url: str
) -> None:
    with headstart.connect(traced.address) as client:
        record_some(client, 1)
    with psycopg2.connect(database_url.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE strategy_decisions RENAME TO gone")
    connection.close()
    with grpc.insecure_channel(traced.address) as channel:
        stub = pb2_grpc.MetaLearningServiceStub(channel)
        request = pb2.SelectStrategyRequest(
            request_id="6f1c1c5e-4b0e-4f34-9d0c-0a4f6f7d8e21", task_id="cifar", arms=[pb2.Arm(name="random")], slots=1
        )
        with pytest.raises(grpc.RpcError) as internal:
            stub.SelectStrategy(request, metadata=tuple(PARENT.items()))
        with pytest.raises(grpc.RpcError) as invalid:
            stub.WarmStart(pb2.WarmStartRequest(task_id="cifar", search_space_id="none such"))
    assert internal.value.code() is grpc.StatusCode.INTERNAL
    spans = collector.of_call("SelectStrategy")
    call = only(spans, "headstart.v1.MetaLearningService/SelectStrategy")
    assert call.trace_id.hex() == TRACE
    assert call.status.code == Status.STATUS_CODE_ERROR
    assert [event.name for event in call.events] == ["exception"]
    failed = [span for _, span in spans if span.name in {"SELECT", "INSERT"} and span.status.code]
    assert [span.status.code for span in failed] == [Status.STATUS_CODE_ERROR]

    lines = [json.loads(line) for line in traced.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["message"] == "call failed"]
    assert (line["trace_id"], line["span_id"]) == (TRACE, call.span_id.hex())
    assert (line["namespace"], line["task"]) == ("default", "cifar")
    assert line["request_id"] == attributes(call)["headstart.request_id"]

    # A bad question is no trouble of the server's.
    (asked,) = [span for _, span in collector.of_call("WarmStart") if span.kind == Span.SPAN_KIND_SERVER]
    assert attributes(asked)["rpc.grpc.status_code"] == invalid.value.code().value[0]
    assert asked.status.code == Status.STATUS_CODE_UNSET


def test_trace_goes_on_in_the_predictor_host(collector: Collector, traced: Service, tmp_path: Path) -> None:
    with headstart.connect(traced.address) as client:
        record_some(client, 100)
        traced.run_worker()
        generator = random.Random(2)
        drawn = [sample(SPACE, generator) for _ in range(8)]
        client.predict("cifar", SPACE.search_space_id, drawn)
    assert [span for _, span in collector.of_call("PredictPerformance") if span.name == "score"]
    assert "job train" in {span.name for service, span in collector.spans if service == "headstart-worker"}

    free = traced.settings.model_copy(update={"metrics_address": "127.0.0.1:0"})
    host = Service(free, tmp_path / "predictor.log", role="predictor").start()
    front = Service(free.model_copy(update={"predictor_target": host.address}), tmp_path / "front.log").start()
    collector.spans.clear()
    try:
        with headstart.connect(front.address) as client:
            assert not client.predict("cifar", SPACE.search_space_id, drawn).degraded
        asked = [span for _, span in collector.of_call("PredictPerformance") if span.name == "score by host"]
        spans = collector.of_call("Score", len(asked))
    finally:
        front.kill()
        host.kill()
    answered = [each for each in spans if each[1].name == "headstart.v1.PredictorService/Score"]
    assert asked
    assert {span.parent_span_id for _, span in answered} == {span.span_id for span in asked}
    assert {service for service, _ in answered} == {"headstart-predictor"}


def test_startup_error_names_the_missing_extra(settings) -> None:
    without = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from headstart_server.cli.app import main\n"
        "sys.argv = ['headstart-server', 'serve']\n"
        "main()\n"
    )
    environment = Service(settings.model_copy(update={"tracing": True}), Path("unused"))._environment()
    done = subprocess.run(
        [sys.executable, "-c", without], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'headstart[otel]'" in line
    assert "HEADSTART_TRACING" in line


def test_nothing_of_opentelemetry_is_imported_while_tracing_is_off() -> None:
    looks = (
        "import sys\n"
        "from headstart_server.api import calls\n"
        "from headstart_server.runtime import startup\n"
        "from headstart_server.runtime.database.engine import create_engine\n"
        "from headstart_server.runtime.observability import tracing\n"
        "from headstart_server.runtime.settings import load_settings\n"
        "settings = load_settings()\n"
        "startup.prepare_role(settings, 'serve')\n"
        "create_engine(settings)\n"
        "with tracing.span('x'): tracing.end_call(tracing.begin_call('/a/b', ()), None)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", looks], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
