"""Which connections go through a proxy of the environment, and what a person is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import headstart
from headstart.command_line.session import errors_told
from headstart.proxies import channel_options, proxy_of

NAMES = ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "NO_PROXY", "no_grpc_proxy", "NO_GRPC_PROXY")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def port() -> Iterator[int]:
    """Of a gRPC server on this machine that answers nothing but that it is there."""
    server = grpc.server(ThreadPoolExecutor(1))
    number = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield number
    server.stop(None)


@pytest.mark.parametrize("name", ["grpc_proxy", "https_proxy", "http_proxy"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "ipv4:127.0.0.1", "dns:///localhost"])
def test_a_service_on_this_machine_is_reached_past_a_proxy(
    monkeypatch: pytest.MonkeyPatch, port: int, name: str, host: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with headstart.connect(f"{host}:{port}") as client:
        client.wait_until_reachable(5)


@pytest.mark.parametrize("exception", ["search.lab", ".lab", "*.lab", "*", "other, search.lab"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY", "no_grpc_proxy"])
def test_exceptions_count_in_every_spelling(monkeypatch: pytest.MonkeyPatch, name: str, exception: str) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_of("search.lab:50051") and not channel_options("search.lab:50051")
    monkeypatch.setenv(name, exception)
    assert not proxy_of("search.lab:50051") and channel_options("search.lab:50051")


def test_networks_are_exceptions_and_one_host_outside_is_not_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy:3128")
    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8")
    assert not proxy_of("ipv4:10.0.0.1:50051,10.0.0.2:50051")
    assert proxy_of("ipv4:10.0.0.1:50051,11.0.0.2:50051") == "proxy:3128 of https_proxy"
    assert not proxy_of("unix:/run/headstart.sock")
    assert not proxy_of("[::1]:50051")


def test_the_proxy_on_the_way_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with headstart.connect("search.invalid:50051", timeout=1) as client:
        with pytest.raises(headstart.Unavailable, match=r"127\.0\.0\.1:9 of http_proxy"):
            client.with_patience(0).get_task("x")
        with pytest.raises(headstart.DeadlineExceeded, match=r"127\.0\.0\.1:9 of http_proxy"):
            client.wait_until_reachable(0.1)
        with pytest.raises(BaseException), errors_told(client.address):  # noqa: B017 - typer's
            client.with_patience(0).get_task("x")
    assert "no service there through the proxy http://127.0.0.1:9 of http_proxy" in capsys.readouterr().err
