"""Some seconds of what hundreds of workers do all day: nothing fails, nothing is lost, health answers meanwhile."""

from __future__ import annotations

import asyncio
import random
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import create_engine, text

import headstart
from benchmarks.serving import endurance, questions

SECONDS = 6.0


@pytest.fixture
def tasks(shared_service) -> list[str]:
    with headstart.connect(shared_service.address) as client:
        return questions.prepare(client, 4)


def test_mixed_load_is_answered_and_every_acknowledged_result_is_there_once(shared_service, tasks):
    endured = asyncio.run(endurance.load(shared_service.address, tasks, SECONDS))
    assert endured.failures == {}
    assert set(endured.answers) == {"record", "select", "predict"}
    with headstart.connect(shared_service.address) as client:
        found = endurance.kept(client, tasks)
    assert len(found) == len(set(found)) == endured.answers["record"]
    assert set(found) == endured.acknowledged


def test_health_answers_while_there_is_no_place_for_another_call(shared_service, tasks):
    """More calls than the server takes: some are told to come again, all others answered, health at once.

    Calls wait for a lock in the database, so that there is no place however fast the server is; they are choices of
    strategies, since the queue of results is full before the places of calls are.
    """
    engine = create_engine(shared_service.settings.database_url)

    async def flood() -> tuple[list[object], list[float]]:
        sent = questions.strategy_requests(tasks, 600, random.Random("flood"))
        async with grpc.aio.insecure_channel(shared_service.address) as channel:
            select = endurance.meta_grpc.MetaLearningServiceStub(channel).SelectStrategy
            check, waits = health_pb2_grpc.HealthStub(channel).Check, []
            with engine.begin() as connection:
                connection.execute(text("LOCK TABLE strategy_decisions"))
                calls = [asyncio.ensure_future(_outcome(select(each, timeout=60))) for each in sent]
                until = time.perf_counter() + 1
                while time.perf_counter() < until or not any(call.done() for call in calls):
                    begin = time.perf_counter()
                    answer = await check(health_pb2.HealthCheckRequest(), timeout=10)
                    assert answer.status == health_pb2.HealthCheckResponse.SERVING
                    waits.append(time.perf_counter() - begin)
                    await asyncio.sleep(0.02)
            return await asyncio.gather(*calls), waits

    outcomes, waits = asyncio.run(flood())
    engine.dispose()
    refused = [each for each in outcomes if each == "RESOURCE_EXHAUSTED"]
    answered = [each for each in outcomes if each == "OK"]
    assert len(refused) + len(answered) == 600
    assert refused and len(answered) >= 150
    assert waits and max(waits) < 5


async def _outcome(call) -> str:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"
