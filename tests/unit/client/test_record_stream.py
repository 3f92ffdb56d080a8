"""Imports arrive completely and once, over streams that break."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

import headstart
from headstart.record_stream import in_chunks
from headstart.spaces import Candidate
from headstart.v1 import meta_learning_service_pb2 as meta_pb2
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc
from headstart.values import Record, completed
from tests.waiting import wait_until


class Recorder(meta_grpc.MetaLearningServiceServicer):
    """Keeps records by request id, and breaks its streams on the chunks it is told to."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.first_chunks: list[int] = []
        # Numbers of chunks, counted over all streams, at which a stream breaks: before or after keeping them.
        self.break_before: set[int] = set()
        self.break_after: set[int] = set()
        self.refuse_worker = "refused"
        self.seen = 0

    def RecordExperiments(
        self, requests: Iterator[meta_pb2.RecordExperimentsRequest], context: grpc.ServicerContext
    ) -> Iterator[meta_pb2.RecordExperimentsResponse]:
        for expected, request in enumerate(requests, start=1):
            if expected == 1:
                self.first_chunks.append(request.chunk)
            assert request.chunk == expected
            self.seen += 1
            if self.seen in self.break_before:
                context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
            if any(record.worker_id == self.refuse_worker for record in request.records):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "refused")
            known = sum(record.request_id in self.kept for record in request.records)
            self.kept.update({record.request_id: record.task_id for record in request.records})
            if self.seen in self.break_after:
                context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
            yield meta_pb2.RecordExperimentsResponse(
                chunk=request.chunk, recorded_count=len(request.records) - known, already_known_count=known
            )


@pytest.fixture
def recorder() -> Iterator[tuple[Recorder, headstart.Client]]:
    servicer = Recorder()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    meta_grpc.add_MetaLearningServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with headstart.connect(f"127.0.0.1:{port}") as client:
        yield servicer, client
    server.stop(None).wait()


def records(count: int, worker_id: str = "") -> Iterator[Record]:
    for index in range(count):
        yield Record("task", "space", Candidate({"a": index}), completed(float(index)), worker_id=worker_id)


def test_all_records_arrive(recorder: tuple[Recorder, headstart.Client]) -> None:
    servicer, client = recorder
    told: list[int] = []
    answer = client.record_many(records(1005), chunk_size=10, progress=told.append)
    assert (answer.recorded_count, answer.already_known_count) == (1005, 0)
    assert len(servicer.kept) == 1005
    assert told[-1] == 1005 and told == sorted(told) and len(told) == 101


def test_nothing_to_record_is_no_error(recorder: tuple[Recorder, headstart.Client]) -> None:
    assert recorder[1].record_many([]).recorded_count == 0


def test_broken_stream_goes_on_after_the_last_acknowledged_chunk(recorder: tuple[Recorder, headstart.Client]) -> None:
    servicer, client = recorder
    servicer.break_before, servicer.break_after = {1, 7}, {12, 20}
    answer = client.record_many(records(500), chunk_size=10)
    assert len(servicer.kept) == 500
    # Chunks kept but not acknowledged are sent again, and found to be known.
    assert (answer.recorded_count, answer.already_known_count) == (480, 20)
    assert set(servicer.first_chunks) == {1}
    assert servicer.seen <= 50 + 4 * 4 + 1


def test_refused_chunk_ends_the_import_and_says_how_far_it_came(recorder: tuple[Recorder, headstart.Client]) -> None:
    def some() -> Iterator[Record]:
        yield from records(50)
        yield from records(1, worker_id="refused")

    with pytest.raises(headstart.InvalidArgument) as caught:
        recorder[1].record_many(some(), chunk_size=10)
    assert caught.value.__notes__ == ["50 records had been acknowledged"]
    assert len(recorder[0].kept) == 50


def test_error_of_the_callers_iterator_is_the_callers(recorder: tuple[Recorder, headstart.Client]) -> None:
    def some() -> Iterator[Record]:
        yield from records(30)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        recorder[1].record_many(some(), chunk_size=10)


def test_service_that_stays_away_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.record_stream._MAX_FAILURES", 2)
    with headstart.connect("127.0.0.1:1") as client, pytest.raises(headstart.Unavailable):
        client.record_many(records(3))


def test_import_ends_when_the_client_is_closed_and_says_how_far_it_came(
    recorder: tuple[Recorder, headstart.Client],
) -> None:
    client = recorder[1]

    def some() -> Iterator[Record]:
        yield from records(20)
        while True:
            time.sleep(0.05)
            yield from records(1)

    with futures.ThreadPoolExecutor() as threads:
        importing = threads.submit(client.record_many, some(), chunk_size=10)
        wait_until(lambda: len(recorder[0].kept) >= 20, what="records")
        client.close()
        with pytest.raises(headstart.Unavailable) as caught:
            importing.result(10)
    assert "records had been acknowledged" in caught.value.__notes__[0]


def test_streams_are_renewed_when_they_are_old(recorder: tuple[Recorder, headstart.Client]) -> None:
    servicer, client = recorder

    def slow() -> Iterator[Record]:
        for record in records(12):
            time.sleep(0.1)
            yield record

    answer = client.record_many(slow(), chunk_size=1, stream_seconds=0.5)
    assert answer.recorded_count + answer.already_known_count == 12
    assert len(servicer.kept) == 12
    assert len(servicer.first_chunks) > 1


def test_chunks_are_closed_by_number_and_by_size() -> None:
    def message(size: int) -> Any:
        return meta_pb2.RecordExperimentRequest(worker_id="x" * size)

    assert [len(chunk) for chunk in in_chunks((message(10) for _ in range(25)), 10)] == [10, 10, 5]
    assert [len(chunk) for chunk in in_chunks((message(2**20) for _ in range(5)), 10)] == [1, 1, 1, 1, 1]
    assert [len(chunk) for chunk in in_chunks((message(2**19) for _ in range(5)), 10)] == [3, 2]
