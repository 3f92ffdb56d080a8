"""A client that is closed, pickled or given what is no address says so; the command speaks TLS."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

import headstart
from headstart.command_line.session import CommandError, Connection
from headstart.packages import is_installed
from headstart.spaces import Candidate, InvalidInput
from headstart.values import Record, completed


def test_a_closed_client_says_that_it_is_closed() -> None:
    client = headstart.connect("127.0.0.1:1", timeout=1)
    client.close()
    patient = client.with_patience(1)
    record = Record("t", "s", Candidate({"x": 1}), completed(1.0))
    for call in (
        lambda: client.get_task("x"),
        lambda: patient.get_task("x"),
        lambda: list(client.list_tasks()),
        lambda: client.record_many([record]),
        lambda: client.wait_until_reachable(1),
    ):
        with pytest.raises(headstart.Unavailable, match="the client is closed: connect anew"):
            call()


@pytest.mark.parametrize("spread", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_is_not_for_another_process(spread: object) -> None:
    with headstart.connect("127.0.0.1:1") as client, pytest.raises(TypeError, match="connect anew there"):
        spread(client)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://search.lab:50051", "is a URL: write HOST:PORT, search.lab:50051 here"),
        ("https://search.lab", "is a URL"),
        ("search.lab", "names no port: write HOST:PORT, search.lab:50051 for the usual one"),
        ("127.0.0.1", "names no port"),
        ("[::1]", "names no port"),
        ("", "names no port"),
        ("search.lab:port", "names no port"),
    ],
)
def test_what_is_no_address_is_told(address: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        headstart.connect(address)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["search.lab:50051", "[::1]:50051", "unix:/run/x.sock", "dns:///search.lab", "ipv4:10.0.0.1:1,10.0.0.2:1"],
)
def test_addresses_of_grpc_are_taken(address: str) -> None:
    headstart.connect(address).close()


def test_the_command_has_credentials_where_one_asks_for_tls(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    assert Connection("a:1", None, 1.0).credentials() is None
    assert Connection("a:1", None, 1.0, tls=True).credentials() is not None
    assert Connection("a:1", None, 1.0, ca_file=authority).credentials() is not None
    with pytest.raises(CommandError, match=r"none\.pem: No such file"):
        Connection("a:1", None, 1.0, ca_file=tmp_path / "none.pem").credentials()
    with pytest.raises(CommandError, match="go together"):
        Connection("a:1", None, 1.0, key_file=authority).credentials()


def test_a_folder_of_its_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not_installed").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_installed("not_installed")
    assert is_installed("pytest")
