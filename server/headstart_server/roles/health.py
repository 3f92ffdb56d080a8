"""Asks a server for its health, as containers' health checks do every few seconds: it imports little and is quick."""

from __future__ import annotations

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headstart import proxies
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import split_address

SERVING = "SERVING"
# Addresses that stand for all of a machine's, and their loopback.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104


def health_of(address: str, ca_file: Path | None = None, name: str | None = None, timeout: float = 2.0) -> str:
    """The answer of grpc.health.v1 for the server as a whole: SERVING, NOT_SERVING, or the status code of a failed
    call.

    ``ca_file`` switches to TLS and holds the authority that signed the server's certificate, ``name`` is the
    certificate's name if it differs from the address; ``timeout`` is in seconds. Raises StartupError for a file that
    cannot be read.
    """
    with _channel(address, ca_file, name) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def own_address(address: str) -> str:
    """The address at which a process on the same machine reaches a server that listens on ``address``."""
    host, port = split_address(address)
    return f"{_LOOPBACK[host]}:{port}" if host in _LOOPBACK else address


def _channel(address: str, ca_file: Path | None, name: str | None) -> grpc.Channel:
    options = proxies.channel_options(address)
    if ca_file is None:
        return grpc.insecure_channel(address, options)
    try:
        credentials = grpc.ssl_channel_credentials(ca_file.read_bytes())
    except OSError as error:
        raise StartupError(f"TLS: {error.filename}: {error.strerror}") from None
    override = [] if name is None else [("grpc.ssl_target_name_override", name)]
    return grpc.secure_channel(address, credentials, [*options, *override])
