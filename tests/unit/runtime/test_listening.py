"""What keeps a server from listening is told in the system's words."""

from __future__ import annotations

import socket

import pytest

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local.databases import free_port, listening_problem, port_is_free
from headstart_server.runtime.startup import require_fixed_port, require_free


def test_free_port_has_no_problem() -> None:
    assert listening_problem("127.0.0.1", free_port()) is None
    require_free("127.0.0.1:0", "SETTING")


def test_taken_port_is_in_use() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert listening_problem("127.0.0.1", port) == "Address already in use"
        assert not port_is_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["nosuchhost.invalid", "192.0.2.1"])
def test_address_of_no_machine_here_is_not_called_taken(host: str) -> None:
    with pytest.raises(StartupError, match=f"Cannot listen on {host}:50999: [A-Z]") as caught:
        require_free(f"{host}:50999", "SETTING")
    assert "in use" not in str(caught.value)


def test_port_0_is_no_fixed_port() -> None:
    require_fixed_port("127.0.0.1:50051", "SETTING")
    with pytest.raises(StartupError, match=r"SETTING is 127\.0\.0\.1:0"):
        require_fixed_port("127.0.0.1:0", "SETTING")
