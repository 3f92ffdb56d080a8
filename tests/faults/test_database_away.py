"""PostgreSQL stopped and started again: callers are told so and when to come again, and all is well by itself."""

from __future__ import annotations

import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headstart
from headstart.errors import Unavailable
from headstart.spaces import nas_bench_201, sample
from headstart_server.roles.supervisor import server_answers
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.local.child import running_postgres
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from tests.conftest import Service
from tests.waiting import wait_until

SPACE = nas_bench_201()
CALLS = 24


def record(client: headstart.Client, seed: int) -> None:
    client.record("cora", SPACE.search_space_id, sample(SPACE, random.Random(seed)), headstart.completed(0.5))


@pytest.mark.timeout(240)
def test_stopped_database_is_told_and_calls_go_on_when_it_is_back(chroma_server: str) -> None:
    with tempfile.TemporaryDirectory(prefix="headstart-") as name, ThreadPoolExecutor(CALLS) as threads:
        directory = Path(name)
        directory.chmod(0o711)
        postgres, log = EmbeddedPostgres(directory / "postgresql"), directory / "postgresql.log"
        postgres.prepare()
        with running_postgres(postgres, log):
            postgres.ensure_database()
            settings = load_settings(
                database_url=postgres.url(),
                chroma_url=chroma_server,
                grpc_address="127.0.0.1:0",
                metrics_address="127.0.0.1:0",
                shutdown_grace_seconds=2.0,
            )
            engine = create_engine(settings)
            migrate(engine)
            engine.dispose()
            service = Service(settings, directory / "serve.log").start()
            with headstart.connect(service.address) as client:
                client.create_search_space(SPACE)
                client.create_task(headstart.Task("cora", headstart.Objective("accuracy")))
                list(threads.map(lambda seed: record(client, seed), range(CALLS)))
        with headstart.connect(service.address, timeout=60) as client:
            for call in (
                lambda: record(client.with_patience(0.0), 0),
                lambda: client.with_patience(0.0).get_task("cora"),
            ):
                with pytest.raises(Unavailable) as raised:
                    call()
                assert raised.value.reason == "DATABASE_UNAVAILABLE"
                assert raised.value.retry_seconds is not None
            wait_until(lambda: not server_answers(service.address), 30, what="NOT_SERVING")
            patient = [threads.submit(record, client, CALLS + seed) for seed in range(CALLS)]
            with running_postgres(postgres, log):
                for each in patient:
                    each.result(60)
                wait_until(lambda: server_answers(service.address), 30, what="SERVING")
                # No connection of the pool is left that leads nowhere.
                list(threads.map(lambda seed: record(client.with_patience(0.0), 2 * CALLS + seed), range(CALLS)))
                assert client.get_task("cora").summaries[0].experiment_count == 3 * CALLS
                service.kill()
