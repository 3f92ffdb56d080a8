"""Tokens, quotas and shares hold within a stream; one that stays idle is ended, and the client goes on in another."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

import headstart
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import meta_learning_service_pb2_grpc as meta_grpc
from headstart_server.access.quotas import Quota, set_quota
from headstart_server.access.tokens import revoke_token
from headstart_server.runtime.settings import Settings
from tests.conftest import Service

SPACE = nas_bench_201()


@pytest.fixture
def hasty(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """A service with tokens and few places that does not bear idle streams for long."""
    changes = {"authentication": "token", "max_concurrent_calls": 8, "stream_idle_seconds": 1.0}
    service = Service(settings.model_copy(update=changes), tmp_path / "serve.log").start()
    yield service
    service.kill()


def records(number: int, pause: float = 0.0) -> Iterator[headstart.Record]:
    drawn = random.Random(number)
    for index in range(number):
        time.sleep(pause if index else 0.0)
        yield headstart.Record("cifar", SPACE.search_space_id, sample(SPACE, drawn), headstart.completed(0.5))


def prepare(client: headstart.Client) -> None:
    client.create_search_space(SPACE)
    client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))


def experiments(client: headstart.Client) -> int:
    return sum(each.experiment_count for each in client.get_task("cifar").summaries)


def open_stream(channel: grpc.Channel, text: str) -> Any:
    """One that sends nothing."""
    silent: SimpleQueue[None] = SimpleQueue()
    return meta_grpc.MetaLearningServiceStub(channel).RecordExperiments(
        iter(silent.get, ...), metadata=(("authorization", f"Bearer {text}"),), timeout=60
    )


def test_a_revoked_token_ends_an_idle_stream_within_ten_seconds(guarded, make_token, engine) -> None:
    token, text = make_token("team-a")
    with grpc.insecure_channel(guarded.address) as channel:
        stream = open_stream(channel, text)
        time.sleep(1.0)
        with engine.begin() as connection:
            revoke_token(connection, token.number, "test")
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert time.monotonic() - begin < 10


def test_a_quota_holds_within_a_stream(guarded, make_token, engine) -> None:
    with engine.begin() as connection:
        set_quota(connection, "team-a", Quota(experiments=30), "test")
    with headstart.connect(guarded.address, token=make_token("team-a")[1]) as client:
        prepare(client)
        client.record("cifar", SPACE.search_space_id, sample(SPACE, random.Random(0)), headstart.completed(0.5))
        stream = client._meta.RecordExperiments(
            iter([chunk_of(client, number) for number in range(1, 5)]), metadata=client._metadata, timeout=30
        )
        acknowledged = []
        with pytest.raises(grpc.RpcError) as raised:
            acknowledged.extend(answer.recorded_count for answer in stream)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "9 of its 30 experiments" in raised.value.details()
        assert experiments(client) <= 30


def chunk_of(client: headstart.Client, number: int) -> Any:
    from headstart.client import _record_to_proto
    from headstart.v1 import meta_learning_service_pb2 as meta_pb2

    return meta_pb2.RecordExperimentsRequest(chunk=number, records=map(_record_to_proto, records(10)))


def test_idle_streams_are_ended_and_the_client_goes_on_exactly_once(hasty, make_token) -> None:
    with headstart.connect(hasty.address, token=make_token("team-a")[1]) as client:
        prepare(client)
        kept = client.record_many(records(4, pause=2.0), chunk_size=1)
        assert kept.recorded_count + kept.already_known_count == 4
        assert experiments(client) == 4


def test_idle_streams_hold_no_place_and_leave_others_theirs(make_token, settings, tmp_path) -> None:
    small = settings.model_copy(update={"authentication": "token", "max_concurrent_calls": 8})
    service = Service(small, tmp_path / "small.log").start()
    mine, theirs = make_token("team-a")[1], make_token("team-b")[1]
    with grpc.insecure_channel(service.address) as channel:
        streams = [open_stream(channel, mine) for _ in range(20)]
        time.sleep(1.0)
        refused = [stream for stream in streams if stream.done()]
        assert 10 < len(refused) < 20
        assert {stream.code() for stream in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        for text in (mine, theirs):
            with headstart.connect(service.address, token=text) as client:
                prepare(client)
        with headstart.connect(service.address, token=theirs) as other:
            assert other.record_many(records(5)).recorded_count == 5
    service.kill()
