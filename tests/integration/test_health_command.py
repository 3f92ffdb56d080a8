"""`headstart-server health` tells containers' health checks whether a server serves, in the clear and by TLS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headstart_server.roles.health import own_address
from headstart_server.runtime.settings import Settings
from tests.conftest import Service
from tests.integration.access.test_tls import Authority, files


def health(*arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "headstart_server", "health", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, (done.stdout + done.stderr).strip()


def test_a_serving_server_is_healthy_and_one_that_is_gone_is_not(service: Service) -> None:
    assert health(service.address) == (0, "SERVING")
    port = service.address.rpartition(":")[2]
    assert health(HEADSTART_GRPC_ADDRESS=f"0.0.0.0:{port}") == (0, "SERVING")
    service.kill()
    assert health(service.address) == (1, "UNAVAILABLE")


def test_a_server_that_asks_for_tokens_answers_health_without_one(settings: Settings, tmp_path: Path) -> None:
    service = Service(settings.model_copy(update={"authentication": "token"}), tmp_path / "serve.log").start()
    try:
        assert health(service.address) == (0, "SERVING")
    finally:
        service.kill()


def test_a_server_behind_tls_is_asked_by_tls(settings: Settings, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    service = Service(settings.model_copy(update=files(authority, tmp_path)), tmp_path / "serve.log").start()
    try:
        assert health(service.address, "--ca-file", str(tmp_path / "ca.pem")) == (0, "SERVING")
        assert health(service.address)[0] == 1
        assert health(service.address, "--ca-file", str(tmp_path / "ca.pem"), "--name", "elsewhere")[0] == 1
        assert health(service.address, "--ca-file", str(tmp_path / "none.pem"))[0] == 2
    finally:
        service.kill()


def test_a_health_check_ends_within_the_time_that_containers_give_it() -> None:
    begin = time.monotonic()
    assert health("192.0.2.1:50051") in {(1, "DEADLINE_EXCEEDED"), (1, "UNAVAILABLE")}
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("[::]:50051", "[::1]:50051"),
        ("10.1.2.3:50051", "10.1.2.3:50051"),
        ("[fd00::1]:50051", "[fd00::1]:50051"),
    ],
)
def test_a_server_is_asked_on_its_own_machine_where_it_listens(listens: str, asked: str) -> None:
    assert own_address(listens) == asked
