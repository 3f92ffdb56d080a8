"""Errors of a real gRPC server arrive as exceptions that say what can be done."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

import headstart
from headstart import errors
from headstart.spaces import Violation
from headstart.v1 import knowledge_base_service_pb2 as knowledge_pb2
from headstart.v1 import knowledge_base_service_pb2_grpc as knowledge_grpc


def status_of(code: grpc.StatusCode, message: str, *details: Any) -> Any:
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    return rpc_status.to_status(status_pb2.Status(code=code.value[0], message=message, details=packed))


class Failing(knowledge_grpc.KnowledgeBaseServiceServicer):
    """Fails GetTask in the way that the task id asks for."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered, self.released = threading.Event(), threading.Event()

    def GetTask(
        self, request: knowledge_pb2.GetTaskRequest, context: grpc.ServicerContext
    ) -> knowledge_pb2.GetTaskResponse:
        self.calls += 1
        information = error_details_pb2.ErrorInfo(reason="TASK_NOT_FOUND", domain="headstart", metadata={"a": "b"})
        if request.task_id == "unknown":
            context.abort_with_status(status_of(grpc.StatusCode.NOT_FOUND, "task 'unknown' is not known", information))
        if request.task_id == "wrong":
            fields = [
                error_details_pb2.BadRequest.FieldViolation(field="task_id", description="must be a slug"),
                error_details_pb2.BadRequest.FieldViolation(field="other", description="missing"),
            ]
            context.abort_with_status(
                status_of(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "invalid request",
                    error_details_pb2.BadRequest(field_violations=fields),
                    error_details_pb2.ErrorInfo(reason="INVALID_INPUT", domain="headstart"),
                )
            )
        if request.task_id == "busy":
            delay = duration_pb2.Duration(seconds=2, nanos=500_000_000)
            context.abort_with_status(
                status_of(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "busy",
                    error_details_pb2.RetryInfo(retry_delay=delay),
                    information,
                )
            )
        if request.task_id == "busy-once" and self.calls == 1:
            delay = duration_pb2.Duration(seconds=1)
            context.abort_with_status(
                status_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", error_details_pb2.RetryInfo(retry_delay=delay))
            )
        if request.task_id == "slow":
            time.sleep(0.5)
        if request.task_id == "endless":
            self.entered.set()
            self.released.wait(20)
        if request.task_id == "thrown-away" and self.calls == 1:
            context.abort(grpc.StatusCode.CANCELLED, "the server ends")
        if request.task_id == "flaky" and self.calls < 7:
            context.abort(grpc.StatusCode.UNAVAILABLE, "just now")
        if request.task_id == "garbled":
            context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff\xff"),))
            context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        if request.task_id.isupper():
            context.abort(grpc.StatusCode[request.task_id], "plain")
        answer = knowledge_pb2.GetTaskResponse()
        answer.task.task_id = request.task_id
        answer.task.objective.metric = dict(context.invocation_metadata()).get("authorization", "none")
        answer.task.objective.direction = 1  # type: ignore[assignment]
        return answer


@pytest.fixture
def failing() -> Iterator[tuple[Failing, str]]:
    servicer = Failing()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    knowledge_grpc.add_KnowledgeBaseServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_not_found_carries_the_reason(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1]) as client, pytest.raises(headstart.NotFound) as caught:
        client.get_task("unknown")
    assert caught.value.reason == "TASK_NOT_FOUND"
    assert caught.value.message == "task 'unknown' is not known"
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert caught.value.violations == ()


def test_invalid_argument_names_the_fields(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1]) as client, pytest.raises(headstart.InvalidArgument) as caught:
        client.get_task("wrong")
    assert caught.value.violations == (Violation("task_id", "must be a slug"), Violation("other", "missing"))
    assert "task_id: must be a slug" in str(caught.value)


def test_retry_delay_is_in_seconds(failing: tuple[Failing, str]) -> None:
    """And there is no second attempt where it would come after the deadline."""
    servicer, address = failing
    with headstart.connect(address, timeout=2) as client, pytest.raises(headstart.ResourceExhausted) as caught:
        client.get_task("busy")
    assert caught.value.retry_seconds == 2.5
    assert servicer.calls == 1


def test_unavailable_is_retried(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client:
        assert client.get_task("flaky").task_id == "flaky"
    assert servicer.calls == 7


def test_call_that_a_server_threw_away_is_made_again(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client:
        assert client.get_task("thrown-away").task_id == "thrown-away"
    assert servicer.calls == 2


def test_call_that_the_caller_ends_by_closing_the_client_is_not_made_again(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    client = headstart.connect(address)
    with futures.ThreadPoolExecutor() as threads:
        call = threads.submit(client.with_patience(15).get_task, "endless")
        assert servicer.entered.wait(10)
        client.close()
        with pytest.raises(headstart.Unavailable) as caught:
            call.result(10)
        servicer.released.set()
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert servicer.calls == 1


def test_who_waits_to_call_again_is_told_when_the_client_is_closed() -> None:
    client = headstart.connect("127.0.0.1:1")
    with futures.ThreadPoolExecutor() as threads:
        call = threads.submit(client.get_task, "any", timeout=600)
        time.sleep(3)
        begin = time.monotonic()
        client.close()
        with pytest.raises(headstart.Unavailable):
            call.result(10)
        assert time.monotonic() - begin < 1


def test_unavailable_is_not_retried_past_the_deadline(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client:
        begin = time.monotonic()
        with pytest.raises(headstart.Unavailable, match="plain"):
            client.get_task("UNAVAILABLE", timeout=1.5)
        assert 0.5 < time.monotonic() - begin < 1.5
    assert 3 <= servicer.calls <= 8


def test_patience_ends_the_retries_and_not_an_answer_under_way(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1]) as client:
        impatient = client.with_patience(0.1)
        with pytest.raises(headstart.Unavailable):
            impatient.get_task("flaky")
        assert failing[0].calls == 1
        assert impatient.get_task("slow").task_id == "slow"


def test_busy_service_is_asked_again_after_the_delay_it_named(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client:
        begin = time.monotonic()
        assert client.get_task("busy-once").task_id == "busy-once"
    assert servicer.calls == 2
    assert 1.0 <= time.monotonic() - begin < 5.0


def test_limit_that_names_no_delay_is_not_retried(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client, pytest.raises(headstart.ResourceExhausted):
        client.get_task("RESOURCE_EXHAUSTED")
    assert servicer.calls == 1


def test_other_errors_are_not_retried(failing: tuple[Failing, str]) -> None:
    servicer, address = failing
    with headstart.connect(address) as client, pytest.raises(headstart.NotFound):
        client.get_task("unknown")
    assert servicer.calls == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ALREADY_EXISTS", headstart.AlreadyExists),
        ("FAILED_PRECONDITION", headstart.FailedPrecondition),
        ("UNIMPLEMENTED", headstart.Unimplemented),
        ("DEADLINE_EXCEEDED", headstart.DeadlineExceeded),
        ("UNAUTHENTICATED", headstart.Unauthenticated),
        ("INTERNAL", headstart.HeadstartError),
    ],
)
def test_every_status_has_its_exception(failing: tuple[Failing, str], code: str, kind: type[Exception]) -> None:
    with headstart.connect(failing[1]) as client, pytest.raises(headstart.HeadstartError) as caught:
        client.get_task(code)
    assert type(caught.value) is kind
    assert caught.value.reason == ""


def test_garbled_details_do_not_hide_the_error(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1]) as client, pytest.raises(headstart.NotFound, match="no such thing"):
        client.get_task("garbled")


def test_the_token_is_sent_with_every_call(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1], token="secret") as client:
        assert client.get_task("any").objective.metric == "Bearer secret"
    with headstart.connect(failing[1]) as client:
        assert client.get_task("any").objective.metric == "none"


def test_calls_of_a_method_that_is_not_there_are_unimplemented(failing: tuple[Failing, str]) -> None:
    with headstart.connect(failing[1]) as client, pytest.raises(headstart.Unimplemented):
        list(client.list_tasks())


def test_nobody_there() -> None:
    with headstart.connect("127.0.0.1:1", timeout=2) as client:
        with pytest.raises(headstart.Unavailable):
            client.get_task("any")
        with pytest.raises(headstart.DeadlineExceeded, match=r"127\.0\.0\.1:1 within"):
            client.wait_until_reachable(0.2)


def test_calls_are_spread_over_several_addresses(failing: tuple[Failing, str]) -> None:
    """One of the two is dead: no call fails."""
    with headstart.connect(f"ipv4:127.0.0.1:1,{failing[1]}") as client:
        for _ in range(6):
            assert client.get_task("any").task_id == "any"


def test_exceptions_survive_the_way_between_processes() -> None:
    error = errors.NotFound(grpc.StatusCode.NOT_FOUND, "REASON", "text", (Violation("a", "b"),), 1.5)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is errors.NotFound
    assert (back.code, back.reason, back.message, back.violations, back.retry_seconds) == (
        error.code,
        error.reason,
        error.message,
        error.violations,
        error.retry_seconds,
    )


def test_a_violation_is_told_once_however_many_the_message_names() -> None:
    violations = (Violation("a", "missing"), Violation("b", "wrong"))
    error = errors.InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, "", "a: missing; and 1 more", violations)
    assert str(error) == "INVALID_ARGUMENT: a: missing; and 1 more (b: wrong)"
