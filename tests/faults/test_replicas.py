"""Replicas that stop, are killed and start again, and a database that takes no changes: what callers see of it."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psycopg2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy.engine import make_url

import headstart
from headstart import errors
from headstart.spaces import nas_bench_201, sample
from headstart_server.runtime.settings import Settings
from tests.conftest import Service
from tests.waiting import wait_until

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
TASK = headstart.Task("first", headstart.Objective("accuracy"))


def database(service: Service) -> psycopg2.extensions.connection:
    """A connection beside the service's."""
    url = make_url(service.settings.database_url).set(drivername="postgresql")
    return psycopg2.connect(url.render_as_string(hide_password=False))


class Load:
    """Callers who record and ask without a break, as they would: by the client, which repeats what may pass."""

    def __init__(self, target: str) -> None:
        self.failures: list[errors.HeadstartError] = []
        self.acknowledged: set[str] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(target, number)) for number in range(3)]
        for thread in self._threads:
            thread.start()

    def _call(self, target: str, number: int) -> None:
        generator = random.Random(number)
        with headstart.connect(target, timeout=60) as client:
            while not self._over.is_set():
                try:
                    outcome = headstart.completed(generator.random())
                    answer = client.record("first", SPACE_ID, sample(SPACE, generator), outcome)
                    client.get_task("first")
                except errors.HeadstartError as failure:
                    self.failures.append(failure)
                else:
                    self.acknowledged.add(answer.experiment_id)

    def goes_on(self) -> None:
        """Until every caller has been answered again."""
        known = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > known + 10, 60, what="answers")

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.timeout(240)
def test_callers_see_nothing_of_replicas_that_are_restarted_one_by_one_or_killed(
    settings: Settings, tmp_path: Path
) -> None:
    replicas = [Service(settings, tmp_path / f"serve-{number}.log") for number in range(2)]
    with ThreadPoolExecutor() as starters:
        list(starters.map(Service.start, replicas))
    with headstart.connect(replicas[0].address) as client:
        client.create_search_space(SPACE)
        client.create_task(TASK)
    load = Load("ipv4:" + ",".join(replica.address for replica in replicas))
    try:
        load.goes_on()
        for replica in replicas:
            assert replica.stop() == 0
            load.goes_on()
            replica.start()
            load.goes_on()
        replicas[0].kill()
        load.goes_on()
    finally:
        load.end()
    assert load.failures == []
    with headstart.connect(replicas[1].address) as client:
        kept = [experiment.experiment_id for experiment in client.list_experiments("first", SPACE_ID)]
    assert len(kept) == len(set(kept))
    assert set(kept) == load.acknowledged
    replicas[1].kill()


@pytest.mark.timeout(240)
def test_calls_that_a_server_had_not_begun_when_it_was_told_to_end_are_made_again(service: Service) -> None:
    """gRPC throws them away as CANCELLED."""
    with headstart.connect(service.address, timeout=120) as client, ThreadPoolExecutor(16) as threads:
        client.create_search_space(SPACE)
        client.create_task(TASK)
        service.send(signal.SIGSTOP)
        calls = [threads.submit(client.get_task, "first") for _ in range(16)]
        # They are on their way.
        time.sleep(1)
        service.send(signal.SIGTERM)
        service.send(signal.SIGCONT)
        assert service.ended() == 0
        service.start()
        assert [call.result(120).task_id for call in calls] == ["first"] * 16


def test_server_that_is_told_to_end_finishes_what_is_under_way_and_takes_nothing_new(service: Service) -> None:
    with headstart.connect(service.address, timeout=30) as client:
        client.create_search_space(SPACE)
        client.create_task(TASK)
        client.record("first", SPACE_ID, sample(SPACE, random.Random(0)), headstart.completed(0.5))
        candidate = sample(SPACE, random.Random(1))
        with database(service) as held, held.cursor() as cursor, ThreadPoolExecutor() as threads:
            cursor.execute("SELECT 1 FROM task_summaries FOR UPDATE")
            call = threads.submit(client.record, "first", SPACE_ID, candidate, headstart.completed(0.7))
            wait_until(lambda: waits_for_a_lock(cursor), 20, what="the call")
            stopping = threads.submit(service.stop)
            wait_until(lambda: serving(service.address) is not True, 20, what="NOT_SERVING")
            assert not call.done()
            held.rollback()
            assert call.result(20).experiment_id.endswith("/2")
            assert stopping.result(20) == 0


def test_call_that_outlasts_the_grace_is_told_so_and_the_server_ends(service: Service) -> None:
    with headstart.connect(service.address, timeout=30) as client:
        client.create_search_space(SPACE)
        client.create_task(TASK)
        client.record("first", SPACE_ID, sample(SPACE, random.Random(0)), headstart.completed(0.5))
        hasty = client.with_patience(0.0)
        with database(service) as held, held.cursor() as cursor, ThreadPoolExecutor() as threads:
            cursor.execute("SELECT 1 FROM task_summaries FOR UPDATE")
            candidate = sample(SPACE, random.Random(1))
            call = threads.submit(hasty.record, "first", SPACE_ID, candidate, headstart.completed(0.7))
            wait_until(lambda: waits_for_a_lock(cursor), 20, what="the call")
            begin = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - begin < service.settings.shutdown_grace_seconds + 5
            with pytest.raises(errors.Unavailable):
                call.result(20)
            held.rollback()


def waits_for_a_lock(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(cursor.fetchone()[0])  # type: ignore[index]


def serving(address: str) -> bool | None:
    """What the health service says; None where nobody answers."""
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.RpcError:
            return None
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_database_that_takes_no_changes_is_said_so_reads_go_on_and_changes_do_again(service: Service) -> None:
    with headstart.connect(service.address, timeout=20) as client:
        client.create_search_space(SPACE)
        client.create_task(TASK)
        hasty = client.with_patience(0.0)

        def record() -> None:
            hasty.record("first", SPACE_ID, sample(SPACE, random.Random(0)), headstart.completed(0.5))

        read_only(service, True)
        for change in (
            record,
            lambda: hasty.create_task(headstart.Task("second", headstart.Objective("accuracy"))),
            lambda: hasty.select_strategy("first", ["random", "evolution"]),
        ):
            refused(change)
        # It only forgets what it has suggested.
        proposals = hasty.warm_start("first", SPACE_ID, 4)
        assert len(proposals.suggestions) == 4
        assert proposals.degraded
        assert client.get_task("first").task_id == "first"
        assert list(client.list_experiments("first", SPACE_ID)) == []
        read_only(service, False)
        begin = time.monotonic()
        client.record("first", SPACE_ID, sample(SPACE, random.Random(0)), headstart.completed(0.5))
        assert time.monotonic() - begin < 15


def refused(change: Callable[[], object]) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        change()
    assert caught.value.reason == "DATABASE_READ_ONLY"
    assert caught.value.retry_seconds == 5.0


def read_only(service: Service, on: bool) -> None:
    """As a standby is, or a server that ran out of transaction ids. Sessions keep what they began with."""
    connection = database(service)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        name = make_url(service.settings.database_url).database
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if on else 'off'}")
        if on:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    connection.close()
