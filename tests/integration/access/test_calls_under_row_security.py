"""Calls through a real server run as the role of tenants, in the namespace of their token; checking tokens does not."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS
from sqlalchemy import Connection, event, text

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample
from headstart.v1 import knowledge_base_service_pb2_grpc, meta_learning_service_pb2_grpc
from headstart_server.access.roles import Role
from headstart_server.api.admission.authentication import Admission
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.calls import CallInterceptor
from headstart_server.api.handlers import meta_learning, record_queue
from headstart_server.api.handlers.knowledge_base import KnowledgeBaseServicer
from headstart_server.api.handlers.meta_learning import MetaLearningServicer
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge import tasks
from headstart_server.runtime.settings import DEFAULT_TENANT_ROLE, Settings, load_settings
from headstart_server.threads import DATABASE, EDITS, MODELS

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id


class Server:
    """A server in a thread of this process; ``ran_as`` collects (role, namespace) of transactions, by thread."""

    def __init__(self, settings: Settings) -> None:
        self.domains: Domains = open_domains(settings)
        self.ran_as: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for moment in ("commit", "rollback"):
            event.listen(self.domains.engine, moment, self._ask)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self.address = ""
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        assert self._ready.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()
        self.domains.close()

    def _ask(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if driver.get_transaction_status() == TRANSACTION_STATUS_INTRANS:
            with driver.cursor() as cursor:
                cursor.execute("SELECT current_user, current_setting('headstart.namespace', true)")
                self.ran_as[threading.current_thread().name.partition("_")[0]].add(cursor.fetchone())

    async def _run(self) -> None:
        works = [BlockingWork(each.executor(2)) for each in (DATABASE, MODELS, EDITS)]
        records = record_queue.RecordQueue(self.domains, 100)
        gate = Admission(self.domains.engine, "token")
        server = grpc.aio.server(interceptors=[CallInterceptor(load_settings(authentication="token"), gate)])
        meta_learning_service_pb2_grpc.add_MetaLearningServiceServicer_to_server(
            MetaLearningServicer(self.domains, works[0], works[1], records, works[1]), server
        )
        knowledge_base_service_pb2_grpc.add_KnowledgeBaseServiceServicer_to_server(
            KnowledgeBaseServicer(self.domains, *works, works[1]), server
        )
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        self._ready.set()
        await self._over.wait()
        await server.stop(5)
        for part in (records, gate, *works):
            part.close()


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    server = Server(settings)
    yield server
    server.stop()


def use(client: headstart.Client, drawn: random.Random) -> None:
    """Every thread and every way into the database."""
    client.create_search_space(SPACE)
    client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
    decision = client.select_strategy("cifar", ["random"])[0].decision_id
    client.record("cifar", SPACE_ID, sample(SPACE, drawn), headstart.completed(0.5), decision_id=decision)
    many = [Record("cifar", SPACE_ID, sample(SPACE, drawn), headstart.completed(drawn.random())) for _ in range(20)]
    client.record_many(many)
    assert [task.task_id for task in client.list_tasks()] == ["cifar"]
    assert len(list(client.list_experiments("cifar", SPACE_ID))) == 21
    client.predict("cifar", SPACE_ID, [sample(SPACE, drawn)])
    client.warm_start("cifar", SPACE_ID, 2)
    client.search_architectures(SPACE_ID, many[0].candidate)
    client.search_tasks("cifar")


def test_every_transaction_of_a_call_runs_as_the_role_in_the_namespace_of_its_token(server, make_token) -> None:
    drawn = random.Random(0)
    for namespace in ("team-a", "team-b"):
        server.ran_as.clear()
        with headstart.connect(server.address, token=make_token(namespace, Role.ADMIN)[1]) as client:
            use(client, drawn)
            client.delete_task("cifar")
        gate = server.ran_as.pop("gate")
        assert gate and DEFAULT_TENANT_ROLE not in {role for role, _ in gate}
        assert server.ran_as.keys() >= {"database", "models", "record"}
        assert set().union(*server.ran_as.values()) == {(DEFAULT_TENANT_ROLE, namespace)}


def test_a_query_that_forgot_its_namespace_sees_only_the_callers(server, make_token, monkeypatch) -> None:
    drawn = random.Random(1)
    seen: dict[str, list[str]] = {}

    def forget(module: Any, name: str) -> None:
        original: Callable[..., Any] = getattr(module, name)

        def forgetful(connection: Connection, *rest: Any) -> Any:
            seen[f"{module.__name__}.{name}"] = (
                connection.execute(text("SELECT description FROM tasks")).scalars().all()
            )
            return original(connection, *rest)

        monkeypatch.setattr(module, name, forgetful)

    def fill(namespace: str) -> headstart.Client:
        client = headstart.connect(server.address, token=make_token(namespace)[1])
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy"), description=f"of {namespace}"))
        return client

    clients = [fill("team-a"), fill("team-b")]
    for module, name in ((tasks, "list_tasks"), (record_queue, "read_credits"), (meta_learning, "read_credits")):
        forget(module, name)
    for client, description in zip(clients, ("of team-a", "of team-b"), strict=True):
        seen.clear()
        list(client.list_tasks())
        client.record("cifar", SPACE_ID, sample(SPACE, drawn), headstart.completed(0.5))
        client.record_many([Record("cifar", SPACE_ID, sample(SPACE, drawn), headstart.completed(0.5))])
        assert len(seen) == 3
        assert list(seen.values()) == [[description]] * 3
        client.close()
