"""One program that is to keep running: started, watched, started again, and ended.

A child runs in a session of its own, so that the terminal's Ctrl-C reaches the supervisor only, which then ends the
children in the right order. Its output goes to a file of its own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local import die_with_parent
from headstart_server.runtime.local.databases import OWN_ACCOUNT, Account, EmbeddedPostgres
from headstart_server.runtime.local.watchdog import Probe

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# After this run time a death is answered at once.
WELL_AFTER_SECONDS = 10.0
MAX_LOG_BYTES = 16 * 1024 * 1024
POLL_SECONDS = 0.05
# Recovery after a crash reads the log since the last checkpoint.
POSTGRES_READY_SECONDS = 300.0


@dataclass(frozen=True)
class Program:
    """``command`` runs in the foreground until ``stop_signal``.

    ``tied`` programs die with the supervisor, however it dies. ``running_pid`` finds one that an earlier supervisor
    left behind, to be taken over. ``probe`` returns within seconds what prevents a running one from working.
    """

    name: str
    command: Callable[[], Sequence[str]]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    tied: bool = True
    account: Account = OWN_ACCOUNT
    environment: Mapping[str, str] = field(default_factory=dict)
    running_pid: Callable[[], int | None] = lambda: None
    probe: Probe | None = None


class Child:
    """A program and, while it runs, its process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: psutil.Process | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self.starts = 0

    def start(self) -> bool:
        """Take over the program if it runs already, else start it; returns whether it was taken over."""
        self.starts += 1
        self._started = time.monotonic()
        pid = self.program.running_pid()
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process, self._popen = psutil.Process(pid), None
                return True
        command = list(self.program.command())
        if self.program.tied:
            # Without site-packages and environment it takes 20 ms.
            command = [sys.executable, "-I", "-S", die_with_parent.__file__, str(os.getpid()), *command]
        with _opened_log(self.program.log) as log:
            self._popen = subprocess.Popen(
                self.program.account.command(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Another account may not enter the directory of the logs.
                cwd=self.program.log.parent if self.program.account.uid is None else "/",
                env={**os.environ, **self.program.environment},
                start_new_session=True,
            )
        self._process = psutil.Process(self._popen.pid)
        return False

    def shorten_log(self) -> None:
        """Move the content of a long log aside, and go on in an empty file.

        The program keeps the file open and appends to it, so it is emptied and not renamed. Lines written between the
        two steps are lost.
        """
        log = self.program.log
        with contextlib.suppress(OSError):
            if log.stat().st_size > MAX_LOG_BYTES:
                shutil.copyfile(log, log.with_name(log.name + ".1"))
                os.truncate(log, 0)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """None while it runs. A program that was taken over has no visible code: 0."""
        if self._popen is not None:
            return self._popen.poll()
        return None if self._process is not None and _alive(self._process) else 0

    def restart_if_dead(self) -> bool:
        """Start it again if it is dead and its pause is over; returns whether it was started. Pauses double up to a
        limit.
        """
        code = self.exit_code()
        now = time.monotonic()
        if code is None or now < self._not_before:
            return False
        if self._not_before <= self._started:
            if now - self._started > WELL_AFTER_SECONDS:
                self._pause = FIRST_PAUSE_SECONDS
            self._not_before = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            return False
        self.start()
        return True

    def stop(self) -> bool:
        """Ask it to end, and kill it if it does not; returns whether it ended by itself."""
        if self._process is None or self.exit_code() is not None:
            return True
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.send_signal(self.program.stop_signal)
        if self._ended_within(self.program.stop_seconds):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """End it at once, as a hung program requires."""
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.kill()
            self._ended_within(POLL_SECONDS * 100)

    def _ended_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.exit_code() is None:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_SECONDS)
        return True


@contextlib.contextmanager
def running_postgres(postgres: EmbeddedPostgres, log: Path) -> Iterator[None]:
    """A prepared cluster that answers during the block. Raises StartupError."""
    account = postgres.account()
    child = Child(
        Program(
            name="postgresql",
            command=postgres.command,
            log=log,
            # Its "fast shutdown": ends sessions, writes a checkpoint.
            stop_signal=signal.SIGINT,
            stop_seconds=60.0,
            tied=account.uid is None,
            account=account,
        )
    )
    child.start()
    try:
        until = time.monotonic() + POSTGRES_READY_SECONDS
        while not postgres.ready():
            if child.exit_code() is not None or time.monotonic() > until:
                raise StartupError(f"PostgreSQL does not start: see {log}")
            time.sleep(POLL_SECONDS)
        yield
    finally:
        child.stop()


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _opened_log(path: Path) -> BinaryIO:
    """A log opened for appending; a long one is moved aside first."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")
