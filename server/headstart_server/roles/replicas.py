"""Several server processes behind one address: the kernel deals new connections out to those that share the port.

Each is a program of its own, started afresh, since a process with a gRPC server in it must not be forked. One that
dies is started again; they end together.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local import die_with_parent
from headstart_server.runtime.settings import Settings, split_address
from headstart_server.threads import ANNOUNCED

_POLL_SECONDS = 0.1
_RESTART_PAUSE_SECONDS = 1.0
# Seconds beyond the grace period, to close connections.
_STOP_SECONDS = 5.0

logger = logging.getLogger(__name__)


@dataclass
class _Process:
    index: int
    running: subprocess.Popen[str]
    started: float


def run_processes(settings: Settings, ready: Callable[[int], None]) -> None:
    """Run ``settings.processes`` servers until SIGTERM or SIGINT; ``ready`` is called with the port once all serve.

    The metrics of the second are one port above those of the first, and so on. Raises StartupError for a port that is
    taken, and if one of them does not start.
    """
    host, port = split_address(settings.grpc_address)
    with _reserved_port(host, port) as reserved:
        address = f"{settings.grpc_address.rpartition(':')[0]}:{reserved.getsockname()[1]}"
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        processes = [_start(settings, address, index) for index in range(settings.processes)]
        try:
            for process in processes:
                if not _announced(process):
                    raise StartupError(f"server process {process.index} ended while it started: its log says why")
            ready(reserved.getsockname()[1])
            while not stop.wait(_POLL_SECONDS):
                for position, process in enumerate(processes):
                    if process.running.poll() is None or time.monotonic() - process.started < _RESTART_PAUSE_SECONDS:
                        continue
                    logger.error("server process %d ended with %d", process.index, process.running.returncode)
                    processes[position] = _start(settings, address, process.index)
                    # Its output is read so that it never waits for a reader.
                    ANNOUNCED.start(_announced, processes[position])
        finally:
            _end(processes, settings.shutdown_grace_seconds + _STOP_SECONDS)


def _reserved_port(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen: it gets no connection, and no other process gets the port."""
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise StartupError(f"Cannot listen on {host}:{port}: {error.strerror}") from None
    return reserved


def _start(settings: Settings, address: str, index: int) -> _Process:
    metrics_host, _, metrics_port = settings.metrics_address.rpartition(":")
    own = {
        "HEADSTART_GRPC_ADDRESS": address,
        "HEADSTART_METRICS_ADDRESS": f"{metrics_host}:{int(metrics_port) and int(metrics_port) + index}",
        "HEADSTART_INSECURE": str(settings.insecure),
        "HEADSTART_PROCESSES": "1",
        "HEADSTART_SHARE_PORT": "true",
    }
    command = [sys.executable, "-m", "headstart_server", "serve"]
    running = subprocess.Popen(
        [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *command],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches this process alone, which ends the servers in order.
        start_new_session=True,
    )
    return _Process(index, running, time.monotonic())


def _announced(process: _Process) -> bool:
    assert process.running.stdout is not None
    return process.running.stdout.readline().startswith("Serving ")


def _end(processes: list[_Process], seconds: float) -> None:
    for process in processes:
        process.running.terminate()
    until = time.monotonic() + seconds
    for process in processes:
        try:
            process.running.wait(max(until - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.running.kill()
            process.running.wait()
