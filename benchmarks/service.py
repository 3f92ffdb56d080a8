"""Finds the service that a benchmark talks to, or starts one on a temporary data directory and stops it at the end."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import headstart
from headstart.errors import HeadstartError, NotFound, Unauthenticated
from headstart.values import Predictor

LOCAL_ADDRESS = "127.0.0.1:50051"
START_SECONDS = 90.0
STOP_SECONDS = 30.0


class ServiceProblem(RuntimeError):
    """Raised where there is no service to talk to; the message says what to do."""


def add_address_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help=f"a running service, which what the command records stays in; without it, the one on {LOCAL_ADDRESS}, "
        "or else one started for this command and forgotten with it",
    )


@contextmanager
def running_service(address: str | None, say: Callable[[str], None]) -> Iterator[str]:
    """The address of a service that answers. ``say`` tells a person which one it is.

    Raises ServiceProblem where the address given does not answer, or no service can be started.
    """
    if address is not None:
        if not _answers(address, seconds=10):
            raise ServiceProblem(f"no Headstart service answers on {address}: start one there with `make run`")
        say(f"Using the service on {address}")
        yield address
    elif _listens(LOCAL_ADDRESS) and _answers(LOCAL_ADDRESS, seconds=5):
        say(f"Using the service on {LOCAL_ADDRESS}")
        yield LOCAL_ADDRESS
    else:
        with own_service(say) as own_address:
            yield own_address


def wait_for_predictor(
    client: headstart.Client,
    search_space_id: str,
    training_size: int,
    seconds: float,
    waited: Callable[[float], None] = lambda passed: None,
) -> Predictor | None:
    """The first model of a space trained on at least so many experiments; None where none comes within the time.

    ``waited`` is called twice a second with the seconds passed.
    """
    start = time.monotonic()
    while True:
        try:
            predictor = client.get_predictor(search_space_id)
            if predictor.training_size >= training_size:
                return predictor
        except NotFound:
            pass
        passed = time.monotonic() - start
        if passed > seconds:
            return None
        waited(passed)
        time.sleep(0.5)


def _short_directory() -> Path:
    """Not below a long TMPDIR: PostgreSQL's socket must fit into 107 characters."""
    directory = Path(tempfile.mkdtemp(prefix="headstart-", dir="/tmp" if Path("/tmp").is_dir() else None))
    # PostgreSQL may run as another user than who made it.
    directory.chmod(0o711)
    return directory


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short path, gone at the end."""
    directory = _short_directory()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def own_service(say: Callable[[str], None], changes: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a new service, stopped and forgotten at the end; ``changes`` are settings (HEADSTART_*) of it.

    Raises ServiceProblem where it does not start.
    """
    command = _server_command()
    directory = _short_directory()
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "HEADSTART_DATA_DIRECTORY": str(directory / "data"),
        "HEADSTART_GRPC_ADDRESS": address,
        "HEADSTART_METRICS_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    log = directory / "service.log"
    say(f"Starting a service on {address} with a temporary data directory")
    kept = False
    # A command that is told to end takes its service with it.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with log.open("wb") as output:
        # A session of its own, so that Ctrl-C reaches this command first and the service is stopped in order.
        process = subprocess.Popen(
            [*command, "up"],
            env={**os.environ, **settings, **(changes or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_answering(process, address, log)
            yield address
        except ServiceProblem:
            kept = True
            raise
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, before)
            if not kept:
                shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started within have as well."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _server_command() -> list[str]:
    beside = Path(sys.executable).with_name("headstart-server")
    found = str(beside) if beside.exists() else shutil.which("headstart-server")
    if found is None:
        raise ServiceProblem("headstart-server is not installed: pip install 'headstart[server,embedded]'")
    return [found]


def _wait_until_answering(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines()
            last = lines[-1] if lines else "it said nothing"
            raise ServiceProblem(f"the service ended while starting: {last} (all of it in {log})")
        if _listens(address) and _answers(address, seconds=5):
            return
        time.sleep(0.25)
    raise ServiceProblem(f"the service did not answer within {START_SECONDS:.0f} seconds; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def _answers(address: str, seconds: float) -> bool:
    """Whether a Headstart service (and not just anything) answers there, be it that it asks for a token."""
    try:
        with headstart.connect(address, timeout=seconds) as client:
            next(iter(client.list_search_spaces(page_size=1)), None)
    except Unauthenticated:
        return True
    except HeadstartError:
        return False
    return True


def free_port() -> int:
    """One that is free together with the next, which the worker takes for its metrics.

    Below those that the system hands out to connections, so that none of these takes it before the service does.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
