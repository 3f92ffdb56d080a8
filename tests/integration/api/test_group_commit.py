"""Results that many callers send at once: written together, each answered for itself, after the commit."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from sqlalchemy import text

import headstart
from headstart.codec import answers as codec_answers
from headstart.errors import translate
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import meta_learning_service_pb2_grpc
from headstart.values import Record
from headstart_server.api.handlers import record_queue
from headstart_server.api.handlers.record_queue import RecordQueue
from headstart_server.assembly import open_domains
from headstart_server.knowledge.tasks import Task
from headstart_server.runtime.database.engine import create_engine, run_transaction
from headstart_server.runtime.deadline import DeadlinePassed
from headstart_server.runtime.errors import ResourceExhausted, Unavailable
from headstart_server.threads import RECORDS
from tests.conftest import Service
from tests.waiting import wait_until

SPACE = nas_bench_201()
GENERATOR = random.Random(0)


def request(task_id: str, **changes):
    record = Record(
        task_id,
        SPACE.search_space_id,
        sample(SPACE, GENERATOR),
        headstart.completed(GENERATOR.random()),
        request_id=str(uuid.uuid4()),
    )
    message = codec_answers.record_to_proto(record)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_what_arrives_at_once_is_written_by_few_transactions_and_numbered_without_gaps(
    shared_service, client, stubs, task
):
    sent = [request(task.task_id) for _ in range(200)]
    answers = [future.result() for future in [stubs.meta.RecordExperiment.future(each) for each in sent[:100]]]
    with ThreadPoolExecutor(16) as callers:
        answers += callers.map(stubs.meta.RecordExperiment, sent[100:])
    sequences = sorted(int(answer.experiment_id.rpartition("/")[2]) for answer in answers)
    assert sequences == list(range(1, 201))
    kept = {e.experiment_id for e in client.list_experiments(task.task_id, SPACE.search_space_id)}
    assert kept == {answer.experiment_id for answer in answers}
    engine = create_engine(shared_service.settings)
    with engine.connect() as connection:
        query = text(
            "SELECT count(DISTINCT e.xmin::text) FROM experiments e JOIN tasks t ON t.id = task_id WHERE name = :task"
        )
        transactions = connection.execute(query, {"task": task.task_id}).scalar_one()
    engine.dispose()
    assert transactions <= 100


def test_one_bad_record_fails_alone(stubs, task):
    good = [request(task.task_id) for _ in range(20)]
    reused = request(task.task_id, request_id=good[0].request_id)
    bad = [
        (request("nowhere"), grpc.StatusCode.NOT_FOUND),
        (request(task.task_id, search_space_id="nothing"), grpc.StatusCode.NOT_FOUND),
        (request(task.task_id, request_id="7"), grpc.StatusCode.INVALID_ARGUMENT),
        (request(task.task_id, decision_id="x"), grpc.StatusCode.INVALID_ARGUMENT),
    ]
    first = stubs.meta.RecordExperiment(good[0])
    calls = [stubs.meta.RecordExperiment.future(each) for each in (*good, reused, *(each for each, _ in bad))]
    answers = [call.result() for call in calls[: len(good)]]
    assert [answer.already_known for answer in answers] == [True] + 19 * [False]
    assert answers[0].experiment_id == first.experiment_id
    assert [call.code() for call in calls[len(good) :]] == [grpc.StatusCode.ALREADY_EXISTS, *(code for _, code in bad)]


def test_one_request_sent_by_many_at_once_is_one_experiment(client, stubs, task):
    one = request(task.task_id)
    answers = [call.result() for call in [stubs.meta.RecordExperiment.future(one) for _ in range(16)]]
    assert len({answer.experiment_id for answer in answers}) == 1
    assert sum(not answer.already_known for answer in answers) == 1
    assert len(list(client.list_experiments(task.task_id, SPACE.search_space_id))) == 1


@pytest.fixture
def narrow(settings, tmp_path):
    """A service in whose queue two records may wait."""
    service = Service(settings.model_copy(update={"record_queue_size": 2}), tmp_path / "serve.log").start()
    yield service
    service.kill()


def test_a_task_that_another_holds_keeps_no_other_and_a_full_queue_is_told(narrow, engine):
    with headstart.connect(narrow.address) as client, grpc.insecure_channel(narrow.address) as channel:
        record = meta_learning_service_pb2_grpc.MetaLearningServiceStub(channel).RecordExperiment
        client.create_search_space(SPACE)
        for name in ("held", "free"):
            client.create_task(headstart.Task(name, headstart.Objective("accuracy")))
            record(request(name))
        with engine.begin() as holding:
            holding.execute(text("SELECT * FROM task_summaries ORDER BY task_id LIMIT 1 FOR UPDATE"))
            waits = record.future(request("held"))
            wait_until(lambda: _waiting_for_a_lock(engine), what="a batch of the held task")
            # The other task does not wait, nor do questions.
            assert record(request("free"), timeout=10).experiment_id.startswith("free/")
            impatient = record.future(request("held"), timeout=3)
            queued = record.future(request("held"))
            time.sleep(0.3)
            with pytest.raises(grpc.RpcError) as refused:
                record(request("free"), timeout=10)
            problem = translate(refused.value)
            assert (problem.code, problem.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RECORD_QUEUE_FULL")
            assert problem.retry_seconds is not None and 0 < problem.retry_seconds < 5
            assert client.get_task("free").task_id == "free"
            assert impatient.exception(timeout=10).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert waits.result(timeout=30).experiment_id == "held/nas-bench-201/2"
        # What nobody waits for any more was dropped.
        assert queued.result(timeout=30).experiment_id == "held/nas-bench-201/3"
        assert len(list(client.list_experiments("held", SPACE.search_space_id))) == 3


def _waiting_for_a_lock(engine) -> bool:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        return bool(found.scalar_one())


class _Caller:
    """What the queue asks of a call."""

    def __init__(self, remaining: float | None = None) -> None:
        self._remaining = remaining

    def time_remaining(self) -> float | None:
        return self._remaining


def test_a_record_whose_deadline_has_passed_changes_nothing(settings):
    domains = open_domains(settings)
    run_transaction(domains.engine, lambda connection: _create_task(domains, connection))

    async def record():
        queue = RecordQueue(domains, 3)
        calls = [queue.record(_Caller(remaining), "default", request("task")) for remaining in (0.0, 60.0, None)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        queue.close()
        return answers

    late, in_time, without = asyncio.run(record())
    with domains.engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM experiments")).scalar_one()
    domains.close()
    assert isinstance(late, DeadlinePassed)
    assert {in_time.experiment_id, without.experiment_id} == {f"task/nas-bench-201/{n}" for n in (1, 2)}
    assert kept == 2


def _create_task(domains, connection):
    domains.knowledge.create_search_space(connection, "default", SPACE)
    domains.knowledge.create_task(connection, "default", Task("task", "", "accuracy", True, {}, {}, "", 0.0))


def test_a_record_that_breaks_the_transaction_does_not_break_the_others(settings):
    domains = open_domains(settings)
    sent = [request("task") for _ in range(8)]

    def break_at_the_third(connection, arrivals):
        if any(str(arrival.new.request_id) == sent[2].request_id for arrival in arrivals):
            connection.execute(text("SELECT 1 / 0"))

    run_transaction(domains.engine, lambda connection: _create_task(domains, connection))
    domains.knowledge.listeners.append(break_at_the_third)

    async def record():
        queue = RecordQueue(domains, 7)
        calls = [queue.record(_Caller(), "default", each) for each in sent]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        queue.close()
        return answers

    answers = asyncio.run(record())
    domains.close()
    problems = {index: answer for index, answer in enumerate(answers) if isinstance(answer, Exception)}
    # The first is written at once, seven wait, and there is no place for more.
    assert "division by zero" in str(problems.pop(2))
    assert all(isinstance(problem, ResourceExhausted) for problem in problems.values())
    numbers = sorted(int(a.experiment_id.rpartition("/")[2]) for a in answers if not isinstance(a, Exception))
    assert numbers == list(range(1, len(sent) - len(problems)))


def test_many_tasks_that_are_held_keep_no_other_from_being_recorded(settings):
    """As eight imports at once: their records wait, in turns, and those of other tasks do not."""
    domains = open_domains(settings)
    held = [f"held-{number}" for number in range(8)]

    def create(connection):
        domains.knowledge.create_search_space(connection, "default", SPACE)
        for name in [*held, "free"]:
            domains.knowledge.create_task(connection, "default", Task(name, "", "accuracy", True, {}, {}, "", 0.0))

    run_transaction(domains.engine, create)

    async def record():
        queue = RecordQueue(domains, 100)
        for name in [*held, "free"]:
            await queue.record(_Caller(), "default", request(name))
        loop = asyncio.get_running_loop()
        with domains.engine.begin() as holding:
            holding.execute(
                text("SELECT 1 FROM task_summaries JOIN tasks ON id = task_id WHERE name LIKE 'held%' FOR UPDATE")
            )
            waiting = [asyncio.create_task(queue.record(_Caller(), "default", request(name))) for name in held]
            await asyncio.sleep(0.5)
            begun = loop.time()
            for _ in range(5):
                await asyncio.wait_for(queue.record(_Caller(), "default", request("free")), timeout=5)
            took = loop.time() - begun
            assert not any(each.done() for each in waiting)
        # Each has had its turn more than once by now, and is written as soon as its task is free.
        answers = await asyncio.wait_for(asyncio.gather(*waiting), timeout=20)
        await loop.run_in_executor(None, queue.close)
        return took, answers

    took, answers = asyncio.run(record())
    domains.close()
    assert took < 2.0
    assert [answer.experiment_id for answer in answers] == [f"{name}/nas-bench-201/2" for name in held]


def test_task_that_stays_held_is_told_after_its_time(settings, monkeypatch):
    monkeypatch.setattr(record_queue, "_HELD_SECONDS", 1.5)
    domains = open_domains(settings)
    run_transaction(domains.engine, lambda connection: _create_task(domains, connection))

    async def record():
        queue = RecordQueue(domains, 10)
        await queue.record(_Caller(), "default", request("task"))
        with domains.engine.begin() as holding:
            holding.execute(text("SELECT 1 FROM task_summaries FOR UPDATE"))
            with pytest.raises(Unavailable, match="another transaction holds the task"):
                await asyncio.wait_for(queue.record(_Caller(), "default", request("task")), timeout=10)
        again = await asyncio.wait_for(queue.record(_Caller(), "default", request("task")), timeout=10)
        await asyncio.get_running_loop().run_in_executor(None, queue.close)
        return again

    assert asyncio.run(record()).experiment_id == "task/nas-bench-201/2"
    domains.close()


def test_records_that_find_no_thread_are_told_and_later_ones_are_written(settings, monkeypatch):
    """As under a limit on processes: nothing stays marked as under way."""
    domains = open_domains(settings)
    run_transaction(domains.engine, lambda connection: _create_task(domains, connection))

    def no_thread(_):
        raise RuntimeError("can't start new thread")

    async def record():
        queue = RecordQueue(domains, 10)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", no_thread)
            for _ in range((RECORDS.count or 0) + 1):
                with pytest.raises(Unavailable, match="no thread"):
                    await asyncio.wait_for(queue.record(_Caller(), "default", request("task")), timeout=5)
        answer = await asyncio.wait_for(queue.record(_Caller(), "default", request("task")), timeout=10)
        await asyncio.get_running_loop().run_in_executor(None, queue.close)
        return answer

    assert asyncio.run(record()).experiment_id.startswith("task/nas-bench-201/")
    domains.close()
