"""The network between server and database, and between client and one of two replicas: cut, silent, slow."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy.engine import make_url

import headstart
from headstart.errors import HeadstartError
from headstart.spaces import nas_bench_201, sample
from headstart_server.roles.supervisor import server_answers
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from tests.conftest import Service, fresh_database
from tests.proxy import Proxy, to_port, to_socket_file
from tests.waiting import wait_until

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Network:
    """``near``: client to service, beside the direct address; ``far``: service to database."""

    service: Service
    near: Proxy
    far: Proxy


@pytest.fixture(scope="module")
def network(
    postgres: EmbeddedPostgres, chroma_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Network]:
    directory = tmp_path_factory.mktemp("network")
    with fresh_database(postgres) as url:
        far = Proxy(to_socket_file(f"{make_url(url).query['host']}/.s.PGSQL.5432"))
        settings = load_settings(
            database_url=f"postgresql://postgres@127.0.0.1:{far.port}/{make_url(url).database}",
            chroma_url=chroma_server,
            data_directory=directory,
            grpc_address="127.0.0.1:0",
            metrics_address="127.0.0.1:0",
            shutdown_grace_seconds=2.0,
        )
        service = Service(settings, directory / "serve.log").start()
        near = Proxy(to_port(int(service.address.rpartition(":")[2])))
        with headstart.connect(service.address) as client:
            client.create_search_space(SPACE)
            client.create_task(headstart.Task("cora", headstart.Objective("accuracy")))
        yield Network(service, near, far)
        service.kill()
        near.close()
        far.close()


@pytest.fixture
def healed(network: Network) -> Iterator[Network]:
    yield network
    network.near.heal()
    network.far.heal()
    wait_until(lambda: server_answers(network.service.address), what="SERVING")


def record(client: headstart.Client, timeout: float = 30.0) -> None:
    generator = random.Random()
    outcome = headstart.completed(generator.random())
    client.record("cora", SPACE_ID, sample(SPACE, generator), outcome, timeout=timeout)


def kept(client: headstart.Client) -> int:
    return len(list(client.list_experiments("cora", SPACE_ID)))


def test_cut_between_server_and_database_is_told_and_heals(healed: Network) -> None:
    with headstart.connect(healed.service.address) as client:
        record(client)
        before = kept(client)
        healed.far.cut()
        with pytest.raises(headstart.Unavailable) as raised:
            record(client.with_patience(0.0))
        assert raised.value.retry_seconds is not None
        wait_until(lambda: not server_answers(healed.service.address), what="NOT_SERVING")
        with ThreadPoolExecutor() as threads:
            calls = [threads.submit(record, client) for _ in range(4)]
            time.sleep(0.3)
            healed.far.heal()
            for call in calls:
                call.result(30)
        assert kept(client) == before + 4


def test_slow_network_to_the_database_makes_calls_slow_together_and_none_fail(healed: Network) -> None:
    """One after the other 32 calls would take half a minute: each transaction waits for some eight answers."""
    with headstart.connect(healed.service.address) as client:
        before = kept(client)
        healed.far.delay_seconds = 0.05
        begin = time.monotonic()
        with ThreadPoolExecutor(32) as threads:
            for call in [threads.submit(record, client.with_patience(0.0)) for _ in range(32)]:
                call.result(30)
        assert 0.4 < time.monotonic() - begin < 15
        assert server_answers(healed.service.address)
        assert kept(client) == before + 32


def test_replica_that_falls_silent_holds_a_call_no_longer_than_its_timeout(healed: Network) -> None:
    through = f"127.0.0.1:{healed.near.port}"
    with headstart.connect(through) as client:
        record(client)
        healed.near.silence()
        begin = time.monotonic()
        with pytest.raises(HeadstartError):
            record(client, timeout=1.0)
        assert time.monotonic() - begin < 3.0
        healed.near.heal()
        record(client)


def test_cut_between_client_and_one_of_two_addresses_fails_no_call(healed: Network) -> None:
    both = f"ipv4:127.0.0.1:{healed.near.port},{healed.service.address}"
    with headstart.connect(both, timeout=10) as client:
        for _ in range(4):
            record(client)
        before = kept(client)
        with ThreadPoolExecutor(4) as threads:
            calls = [threads.submit(record, client) for _ in range(40)]
            healed.near.cut()
            for call in calls:
                call.result(30)
        assert kept(client) == before + 40
