"""What the requests of strangers, and large ones of anybody, cost the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conftest import Service

MIB = 2**20
META = "/headstart.v1.MetaLearningService"
# Empty submessages, of which each takes two bytes on the wire and many in memory.
COSTLY = {"WarmStart": b"\x22\x00", "PredictPerformance": b"\x1a\x00", "RecordExperiments": b"\x12\x00"}


def send(service: Service, call: str, data: bytes, *headers: tuple[str, str]) -> tuple[grpc.StatusCode, str]:
    with grpc.insecure_channel(service.address, [("grpc.max_send_message_length", -1)]) as channel:
        try:
            channel.stream_unary(f"{META}/{call}")(iter([data]), metadata=headers, timeout=30)
        except grpc.RpcError as error:
            return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def resident(service: Service) -> int:
    assert service._process is not None
    status = Path(f"/proc/{service._process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def highest_memory(service: Service) -> Iterator[list[int]]:
    """What the server took at most in the with block, beyond what it had before."""
    before, over, grown = resident(service), threading.Event(), [0]

    def look() -> None:
        while not over.wait(0.02):
            grown[0] = max(grown[0], resident(service) - before)

    watch = threading.Thread(target=look)
    watch.start()
    yield grown
    over.set()
    watch.join()


def test_a_stranger_is_refused_before_the_request_is_read(guarded) -> None:
    with highest_memory(guarded) as grown, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda call: send(guarded, call, COSTLY[call] * (4 * MIB - 99)), [*COSTLY] * 4))
    assert {code for code, _ in answers} == {grpc.StatusCode.UNAUTHENTICATED}
    assert grown[0] < 64 * MIB


def test_a_request_of_many_fields_is_refused_and_costs_little(guarded, make_token) -> None:
    bearer = ("authorization", f"Bearer {make_token('team-a')[1]}")
    for call, field in COSTLY.items():
        with highest_memory(guarded) as grown:
            code, text = send(guarded, call, field * (4 * MIB - 99), bearer)
        assert (code, "1000000 fields" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True), text
        assert grown[0] < 64 * MIB, call


def test_bytes_that_are_no_message_are_refused_counted_and_not_logged(guarded, make_token) -> None:
    bearer = ("authorization", f"Bearer {make_token('team-a')[1]}")
    for data in (b"\xff" * 100, b"\x0a\xff", b"\x0a\x02\xff\xfe", b"\xff" * MIB):
        code, text = send(guarded, "WarmStart", data, bearer)
        assert code is grpc.StatusCode.INVALID_ARGUMENT and "WarmStartRequest" in text
    with grpc.insecure_channel(guarded.address) as channel:
        for method in ("/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
            with pytest.raises(grpc.RpcError) as raised:
                channel.stream_unary(method)(iter([b"\xff" * 100]), timeout=10)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Traceback" not in guarded.log.read_text()


def test_several_authorization_headers_are_refused(guarded, make_token) -> None:
    bearer = ("authorization", f"Bearer {make_token('team-a')[1]}")
    code, text = send(guarded, "WarmStart", b"", bearer, ("authorization", "Bearer nonsense"))
    assert code is grpc.StatusCode.UNAUTHENTICATED and "send one" in text


def test_health_answers_while_large_requests_are_worked_on(guarded, make_token) -> None:
    bearer = ("authorization", f"Bearer {make_token('team-a')[1]}")
    with ThreadPoolExecutor(8) as threads, grpc.insecure_channel(guarded.address) as channel:
        sent = [threads.submit(send, guarded, "WarmStart", COSTLY["WarmStart"] * 4_000_000, bearer) for _ in range(8)]
        stub = health_pb2_grpc.HealthStub(channel)
        while not all(each.done() for each in sent):
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1
    assert {each.result()[0] for each in sent} <= {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
