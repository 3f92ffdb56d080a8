"""Several server processes on one port: calls reach all of them, a dead one comes back, all end together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headstart_server.runtime.settings import Settings
from tests.conftest import Service
from tests.waiting import wait_until


@pytest.fixture
def two(settings: Settings, tmp_path: Path):
    service = Service(settings.model_copy(update={"processes": 2}), tmp_path / "serve.log").start()
    yield service
    service.kill()


def _serves(address: str) -> bool:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _listening(port: int) -> set[int]:
    found = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    found.add(process.pid)
    return found


def test_two_processes_share_a_port_and_one_that_dies_comes_back(two: Service) -> None:
    port = int(two.address.rpartition(":")[2])
    both = _listening(port)
    assert len(both) == 2
    assert all(_serves(two.address) for _ in range(8))
    victim = min(both)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(_listening(port) - {victim}) == 2, what="another process")
    assert all(_serves(two.address) for _ in range(8))
    # Nobody else gets the port meanwhile.
    environment = {**two._environment(grpc_address=two.address), "HEADSTART_PROCESSES": "1"}
    command = [sys.executable, "-m", "headstart_server", "serve"]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert other.returncode == 2
    assert "Cannot listen" in other.stderr
    assert two.stop() == 0
    assert _listening(port) == set()
