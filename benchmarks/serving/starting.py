"""How soon things are there: the client's import, and the whole service on a data directory it has used before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.service import ServiceProblem, free_port, short_directory

_HEAVY = ("numpy", "torch", "sqlalchemy", "chromadb")
_IMPORT = f"""
import sys, time
start = time.perf_counter()
import headstart
print(time.perf_counter() - start, *sorted(set({_HEAVY!r}) & sys.modules.keys()))
"""
_DEADLINE_SECONDS = 120.0


def import_seconds(times: int) -> tuple[float, list[str]]:
    """The median of fresh interpreters that have imported it before, and what it loads that it should not."""
    told = [
        subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
        for _ in range(times + 1)
    ]
    words = [done.stdout.split() for done in told[1:]]
    return sorted(float(each[0]) for each in words)[len(words) // 2], words[0][1:]


def restart_seconds() -> float:
    """From `headstart-server up` on a directory that a service ran in before, until it says SERVING."""
    with short_directory() as directory:
        _start_and_stop(directory)
        return _start_and_stop(directory)


def _start_and_stop(directory: Path) -> float:
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "HEADSTART_DATA_DIRECTORY": str(directory / "data"),
        "HEADSTART_GRPC_ADDRESS": address,
        "HEADSTART_METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    start = time.perf_counter()
    with (directory / "service.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "headstart_server", "up"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while not _serves(address):
            if process.poll() is not None or time.perf_counter() - start > _DEADLINE_SECONDS:
                raise ServiceProblem((directory / "service.log").read_text()[-2000:])
            time.sleep(0.05)
        return time.perf_counter() - start
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _serves(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
