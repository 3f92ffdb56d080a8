"""A child is watched, started again with growing pauses, ended on request, and never outlives its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from headstart_server.runtime.local import child as child_module
from headstart_server.runtime.local.child import FIRST_PAUSE_SECONDS, Child, Program
from tests.waiting import wait_until

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def program(directory: Path, code: str, **changes: object) -> Program:
    return Program(
        name="example",
        command=lambda: [sys.executable, "-c", code],
        log=directory / "example.log",
        **changes,  # type: ignore[arg-type]
    )


def is_up(directory: Path) -> bool:
    return "up" in (directory / "example.log").read_text()


def test_killed_child_is_started_again_after_a_pause(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SLEEPER))
    child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(child.restart_if_dead, 10)
    assert time.monotonic() - killed >= FIRST_PAUSE_SECONDS
    assert child.pid != first
    assert child.exit_code() is None
    child.stop()


def test_pauses_grow_while_the_child_keeps_dying(tmp_path: Path) -> None:
    child = Child(program(tmp_path, "raise SystemExit(1)"))
    child.start()
    starts = []
    for _ in range(3):
        wait_until(child.restart_if_dead, 20)
        starts.append(time.monotonic())
    assert starts[2] - starts[1] > 1.5 * (starts[1] - starts[0])


def test_pause_is_short_again_for_who_had_been_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart_server.runtime.local.child.WELL_AFTER_SECONDS", 1.0)
    child = Child(program(tmp_path, "raise SystemExit(1)"))
    child.start()
    for _ in range(2):
        wait_until(child.restart_if_dead, 20)
    child.program = program(tmp_path, SLEEPER)
    wait_until(child.restart_if_dead, 20)
    time.sleep(1.2)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(child.restart_if_dead, 10)
    # Without being well it would be eight times the first.
    assert time.monotonic() - killed < 4 * FIRST_PAUSE_SECONDS
    child.stop()


def test_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    child = Child(program(tmp_path, STUBBORN, stop_seconds=0.5))
    child.start()
    wait_until(lambda: is_up(tmp_path))
    assert child.stop() is False
    assert child.exit_code() == -signal.SIGKILL


def test_child_ends_when_asked(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SLEEPER))
    child.start()
    wait_until(lambda: is_up(tmp_path))
    assert child.stop() is True
    assert child.stop() is True


def test_terminal_interrupt_does_not_reach_children(tmp_path: Path) -> None:
    child = Child(program(tmp_path, SLEEPER))
    child.start()
    assert child.pid is not None
    assert os.getsid(child.pid) != os.getsid(0)
    child.stop()


def test_long_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "example.log"
    with log.open("wb") as stream:
        stream.truncate(17 * 1024 * 1024)
    child = Child(program(tmp_path, SLEEPER))
    child.start()
    wait_until(lambda: is_up(tmp_path))
    child.stop()
    assert log.stat().st_size < 1024
    assert (tmp_path / "example.log.1").stat().st_size == 17 * 1024 * 1024


def test_child_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    supervisor = f"""
import sys, time
from pathlib import Path
from headstart_server.runtime.local.child import Child, Program
child = Child(Program("example", lambda: [sys.executable, "-c", {SLEEPER!r}], Path({str(tmp_path)!r}) / "x"))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", supervisor], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        wait_until(lambda: "up" in (tmp_path / "x").read_text())
        process.kill()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)


def test_program_left_behind_is_taken_over_instead_of_started_twice(tmp_path: Path) -> None:
    first = Child(program(tmp_path, SLEEPER))
    first.start()
    second = Child(program(tmp_path, SLEEPER, running_pid=lambda: first.pid))
    assert second.start() is True
    assert second.pid == first.pid
    assert second.exit_code() is None
    assert second.stop() is True
    assert first.exit_code() is not None


def test_a_log_that_grows_while_its_program_runs_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "MAX_LOG_BYTES", 1000)
    script = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.005)"
    log = tmp_path / "chroma.log"
    child = Child(Program(name="chroma", command=lambda: [sys.executable, "-c", script], log=log))
    child.start()
    try:
        for _ in range(3):
            wait_until(lambda: log.stat().st_size > 1000, what="a long log")
            child.shorten_log()
            assert log.stat().st_size < 1000
            assert (tmp_path / "chroma.log.1").stat().st_size > 1000
    finally:
        child.stop()
    assert set(log.read_bytes()) <= set(b"x\n")
