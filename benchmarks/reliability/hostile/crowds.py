"""Hostile callers that are many, stay for long, or have no token: what they do to a service with tokens."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from uuid import uuid4

import grpc
from sqlalchemy import Engine

from benchmarks.reliability.hostile.costly import CELLS, LARGEST, TASK
from headstart.codec.spaces import candidate_to_proto
from headstart.spaces import sample
from headstart.v1 import experiment_pb2, meta_learning_service_pb2
from headstart.v1.meta_learning_service_pb2_grpc import MetaLearningServiceStub
from headstart_server.access.tokens import number_of, revoke_token

STRANGERS, CALLERS, IDLE_STREAMS = 16, 20, 256
_CANDIDATES = 4096
_STREAM_SECONDS = 60.0
Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def send(address: str, method: str, message: bytes, metadata: Metadata, seconds: float) -> grpc.StatusCode:
    """The status of one message, given as it goes over the wire."""
    with grpc.insecure_channel(address, [("grpc.max_send_message_length", 2 * LARGEST)]) as channel:
        call = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        try:
            call(message, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def strangers(address: str, method: str, message: bytes, seconds: float) -> list[grpc.StatusCode]:
    """Sixteen callers without a token send a message each, again and again."""
    statuses: list[grpc.StatusCode] = []
    until = time.monotonic() + seconds

    def knock() -> None:
        while time.monotonic() < until:
            statuses.append(send(address, method, message, (), seconds))

    _all_at_once([knock] * STRANGERS)
    return statuses


def crowd(address: str, token: str, seconds: float) -> int:
    """Twenty callers of one tenant ask for predictions of 4,096 candidates each, all the while; how many were given."""
    generator = random.Random(4)
    message = meta_learning_service_pb2.PredictPerformanceRequest(
        task_id=TASK,
        search_space_id=CELLS.search_space_id,
        queries=[
            meta_learning_service_pb2.PredictionQuery(candidate=candidate_to_proto(sample(CELLS, generator)))
            for _ in range(_CANDIDATES)
        ],
    ).SerializeToString()
    until = time.monotonic() + seconds
    given: list[bool] = []

    def ask() -> None:
        while time.monotonic() < until:
            method = "/headstart.v1.MetaLearningService/PredictPerformance"
            status = send(address, method, message, bearer(token), max(1.0, until - time.monotonic()))
            given.append(status is grpc.StatusCode.OK)

    _all_at_once([ask] * CALLERS)
    return sum(given)


@contextmanager
def elsewhere() -> Iterator[Executor]:
    """A process for callers that are many: they come from other machines.

    So they share no interpreter with the ordinary caller, and take only the processor time that the server leaves.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os.nice, initargs=(19,)) as process:
        # Starting it and importing this module is no part of an attack.
        process.submit(bearer, "").result()
        yield process


def _all_at_once(works: Sequence[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds_until_revoked_stream_ends(address: str, token: str, engine: Engine, idle: bool) -> float:
    """How long a stream of records lives after its token was revoked; ``idle``: it sends nothing more."""
    revoked = threading.Event()

    def chunks() -> Iterator[meta_learning_service_pb2.RecordExperimentsRequest]:
        generator = random.Random(5)
        yield _chunk(1, generator)
        number = 2
        until = time.monotonic() + _STREAM_SECONDS
        while time.monotonic() < until:
            time.sleep(0.25)
            if not (idle and revoked.is_set()):
                yield _chunk(number, generator)
                number += 1

    with grpc.insecure_channel(address) as channel:
        answers = MetaLearningServiceStub(channel).RecordExperiments(
            chunks(), timeout=_STREAM_SECONDS, metadata=bearer(token)
        )
        next(answers)
        own = number_of(token)
        assert own is not None
        with engine.begin() as connection:
            revoke_token(connection, own, "benchmark")
        revoked.set()
        start = time.monotonic()
        try:
            for _ in answers:
                pass
        except grpc.RpcError:
            pass
        return time.monotonic() - start


def recorded_beyond_quota(address: str, token: str, quota: int) -> int:
    """How many results one stream records above what its namespace has left."""
    kept = 0

    def chunks() -> Iterator[meta_learning_service_pb2.RecordExperimentsRequest]:
        generator = random.Random(6)
        for number in range(1, 41):
            yield _chunk(number, generator, 50)
            # Counts are remembered by a server for some seconds.
            time.sleep(0.25)

    with grpc.insecure_channel(address) as channel:
        stub = MetaLearningServiceStub(channel)
        try:
            for answer in stub.RecordExperiments(chunks(), timeout=_STREAM_SECONDS, metadata=bearer(token)):
                kept += answer.recorded_count
        except grpc.RpcError:
            pass
    return max(0, kept - quota)


def _chunk(number: int, generator: random.Random, size: int = 2) -> meta_learning_service_pb2.RecordExperimentsRequest:
    return meta_learning_service_pb2.RecordExperimentsRequest(
        chunk=number,
        records=[
            meta_learning_service_pb2.RecordExperimentRequest(
                request_id=str(uuid4()),
                task_id=TASK,
                search_space_id=CELLS.search_space_id,
                candidate=candidate_to_proto(sample(CELLS, generator)),
                outcome=experiment_pb2.Outcome(
                    status=experiment_pb2.EXPERIMENT_STATUS_COMPLETED, objective_value=generator.random()
                ),
            )
            for _ in range(size)
        ],
    )


@contextmanager
def idle_streams(address: str, token: str) -> Iterator[None]:
    """256 streams of one tenant that have been opened and send nothing."""
    stop = threading.Event()

    def nothing() -> Iterator[meta_learning_service_pb2.RecordExperimentsRequest]:
        stop.wait(_STREAM_SECONDS)
        return
        yield

    with grpc.insecure_channel(address) as channel:
        stub = MetaLearningServiceStub(channel)
        streams = [stub.RecordExperiments(nothing(), metadata=bearer(token)) for _ in range(IDLE_STREAMS)]
        time.sleep(2.0)
        try:
            yield
        finally:
            stop.set()
            for stream in streams:
                stream.cancel()
