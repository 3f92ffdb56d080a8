"""Two replicas on hosts of their own, and the network between them, the client and the database falls silent.

Each replica is in a network namespace with two links: one to the client, one to the database. The far end of a link
goes down, so that packets are lost and nobody is told, which no refused or closed connection shows.
"""

from __future__ import annotations

import math
import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.reliability.faults import Promises
from headstart_server.roles.supervisor import server_answers
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from tests.conftest import Service
from tests.network_namespace import Link, host_with_links, missing
from tests.recording_load import RecordingLoad
from tests.waiting import wait_until

MISSING = missing()
pytestmark = [pytest.mark.timeout(240), pytest.mark.skipif(bool(MISSING), reason=MISSING)]
PORT = 50051
# The client's own default: a silent connection is given up within it, and the call made again elsewhere.
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Replica:
    service: Service
    to_client: Link
    to_database: Link


@dataclass(frozen=True)
class Hosts:
    replicas: list[Replica]
    database_url: str
    promises: Promises

    @property
    def addresses(self) -> str:
        return "ipv4:" + ",".join(replica.service.address for replica in self.replicas)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with ExitStack() as stack, ThreadPoolExecutor() as starters:
        # Of no other test that runs at the same time.
        network = f"10.{128 + os.getpid() % 100}"
        made = [stack.enter_context(host_with_links([f"{network}.{n}", f"{network}.{n + 1}"])) for n in (1, 3)]
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headstart-")))
        directory.chmod(0o711)
        postgres = EmbeddedPostgres(directory / "postgresql")
        postgres.prepare()
        with (postgres.directory / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network}.0.0/16 trust\n")
        listen = "listen_addresses=" + ",".join(to_database.near for _, (_, to_database) in made)
        child = Child(
            Program(
                name="postgresql",
                command=lambda: [*postgres.command(), "-c", listen],
                log=directory / "postgresql.log",
                stop_signal=signal.SIGINT,
                tied=False,
                account=postgres.account(),
            )
        )
        child.start()
        stack.callback(child.stop)
        wait_until(postgres.ready, what="PostgreSQL's start")
        postgres.ensure_database()
        engine = create_engine(load_settings(database_url=postgres.url()))
        migrate(engine)
        engine.dispose()
        replicas = []
        for host, (to_client, to_database) in made:
            settings = load_settings(
                database_url=f"postgresql://postgres@{to_database.near}/headstart",
                # Out of reach, and not needed.
                chroma_url="http://127.0.0.1:1",
                data_directory=directory,
                grpc_address=f"{to_client.far}:{PORT}",
                metrics_address="127.0.0.1:0",
                insecure=True,
                shutdown_grace_seconds=2.0,
            )
            service = Service(settings, directory / f"{host}.log", within=["ip", "netns", "exec", host])
            replicas.append(Replica(service, to_client, to_database))
        for replica in replicas:
            stack.callback(lambda service=replica.service: service.kill())
        list(starters.map(lambda replica: replica.service.start(), replicas))
        yield Hosts(replicas, postgres.url(), Promises())


def healthy(hosts: Hosts) -> bool:
    return all(server_answers(replica.service.address) for replica in hosts.replicas)


def test_silence_between_client_and_one_replica_fails_no_call(hosts: Hosts) -> None:
    link = hosts.replicas[0].to_client
    with RecordingLoad(hosts.addresses, 6, hosts.promises, timeout=TIMEOUT_SECONDS, patience=math.inf) as load:
        load.goes_on()
        link.far_end("down")
        try:
            # Each caller meets the silent replica once at the most, and turns to the other.
            load.goes_on(TIMEOUT_SECONDS)
        finally:
            link.far_end("up")
        wait_until(lambda: healthy(hosts), what="the replica's return")
        load.goes_on()
    assert load.refusals == {}
    assert load.longest_seconds < 15.0
    assert load.broken_promises(hosts.database_url) == []


def test_silence_between_one_replica_and_the_database_is_noticed_and_heals(hosts: Hosts) -> None:
    """The transaction that the silence interrupts holds a lock on the task, which the other replica's results need."""
    cut, whole = hosts.replicas
    with RecordingLoad(hosts.addresses, 6, hosts.promises, timeout=60, patience=math.inf) as load:
        load.goes_on()
        cut.to_database.near_end("down")
        try:
            load.goes_on(TIMEOUT_SECONDS)
            wait_until(lambda: not server_answers(cut.service.address), TIMEOUT_SECONDS, what="NOT_SERVING")
            assert server_answers(whole.service.address)
        finally:
            cut.to_database.near_end("up")
        wait_until(lambda: healthy(hosts), what="SERVING")
        load.goes_on()
    assert load.refusals == {}
    assert load.longest_seconds < 40.0
    assert load.broken_promises(hosts.database_url) == []
