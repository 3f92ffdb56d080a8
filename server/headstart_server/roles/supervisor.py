"""``headstart-server up``: PostgreSQL, Chroma, server and worker on one data directory, kept running.

Start in order, each when the one before it answers; watch; start again whoever dies, with growing pauses; end whoever
runs and does not work (``watchdog``), to be started again; on SIGINT or SIGTERM end them in the reverse order.
Everything happens in the main thread: the kernel ties children to the thread that made them. PostgreSQL alone survives
a supervisor that is killed, and the next one takes it over.
"""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from rich.console import Console

from headstart_server.roles.health import SERVING, health_of
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedChroma, EmbeddedPostgres, private_directory
from headstart_server.runtime.local.watchdog import Watchdog
from headstart_server.runtime.observability.log import configure_logging
from headstart_server.runtime.settings import Settings, split_address
from headstart_server.runtime.startup import migrate_database, require_fixed_port, require_free

MAX_PORT = 65535
WATCH_SECONDS = 1.0
READY_POLL_SECONDS = 0.1
# Recovery after a crash reads the log since the last checkpoint; a first import of torch may take long on a slow
# disk.
READY_SECONDS = 300.0
# Exit code of a command when something outside it is wrong: starting it again would not help.
EXIT_STARTUP_ERROR = 2
# User ids of people, by the convention of Linux distributions; below are those of services.
_FIRST_LOGIN = 1000
_NO_SHELLS = frozenset({"", "nologin", "false", "sync"})
_MOST_NAMED = 3


class _Stopped(Exception):
    """A signal asked to end during a wait."""


class Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.data_directory.absolute()
        self._console = Console(highlight=False, stderr=True)
        self._children: list[Child] = []
        self._watchdogs: dict[str, Watchdog] = {}
        self._environment: dict[str, str] = {}
        self._stop_requested = False
        self._wake_reader, self._wake_writer = os.pipe()

    def run(self) -> None:
        """Run until a signal. Raises StartupError if a part cannot start."""
        configure_logging(self._settings.log_level, "up")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        # Permissions of all files that the parts write.
        os.umask(0o077)
        with in_use(self._directory), self._signals():
            try:
                self._start()
                self._greet()
                self._watch()
            except _Stopped:
                pass
            finally:
                self._stop()

    def _start(self) -> None:
        settings = self._settings
        if settings.tls_certificate_file is not None:
            raise StartupError("`up` serves this machine in the clear: for TLS run the roles serve and worker")
        require_fixed_port(settings.grpc_address, "HEADSTART_GRPC_ADDRESS")
        require_free(settings.grpc_address, "HEADSTART_GRPC_ADDRESS")
        require_free(settings.metrics_address, "HEADSTART_METRICS_ADDRESS")
        require_free(self._worker_metrics_address(), "HEADSTART_METRICS_ADDRESS (the worker takes the port after it)")
        private_directory(self._directory / "logs")
        given = settings.model_fields_set
        database_url = settings.database_url if "database_url" in given else self._start_postgres()
        chroma_url = settings.chroma_url if "chroma_url" in given else self._start_chroma()
        with self._step("Tables"):
            migrate_database(settings.model_copy(update={"database_url": database_url}))
        self._environment = {
            "HEADSTART_DATABASE_URL": database_url,
            "HEADSTART_CHROMA_URL": chroma_url,
            "HEADSTART_DATA_DIRECTORY": str(self._directory),
            "HEADSTART_GRPC_ADDRESS": settings.grpc_address,
            "HEADSTART_METRICS_ADDRESS": settings.metrics_address,
        }
        with self._step("Server"):
            serve = self._add(self._role("serve"))
            self._await(serve, lambda: server_answers(settings.grpc_address))
        self._add(self._role("worker", HEADSTART_METRICS_ADDRESS=self._worker_metrics_address()))

    def _start_postgres(self) -> str:
        postgres = EmbeddedPostgres(self._directory / "postgresql")
        if not (postgres.directory / "PG_VERSION").exists():
            with self._step("PostgreSQL's files (once)"):
                postgres.prepare()
        else:
            postgres.prepare()
        for opened in postgres.opened_directories:
            self._console.print(f"Others may now pass through {opened}: PostgreSQL does not run as root")
        with self._step("PostgreSQL"):
            child = self._add(
                Program(
                    name="postgresql",
                    command=postgres.command,
                    log=self._log("postgresql"),
                    # Its "fast shutdown": ends sessions, writes a checkpoint.
                    stop_signal=signal.SIGINT,
                    stop_seconds=60.0,
                    tied=False,
                    account=postgres.account(),
                    running_pid=postgres.running_pid,
                )
            )
            self._await(child, postgres.ready)
            postgres.ensure_database()
        return postgres.url()

    def _start_chroma(self) -> str:
        chroma = EmbeddedChroma(self._directory / "chroma")
        with self._step("Chroma"):
            chroma.prepare()
            child = self._add(
                Program(
                    name="chroma",
                    command=lambda: chroma.command(sys.executable),
                    log=self._log("chroma"),
                    stop_seconds=5.0,
                    environment={"ANONYMIZED_TELEMETRY": "False"},
                    probe=lambda: chroma_probe.problem(chroma.url()),
                )
            )
            self._await(child, chroma.ready)
        if others := other_logins():
            self._console.print(
                f"Other users of this machine ({', '.join(others)}) can read and change the vector index at "
                f"{chroma.url()}: Chroma asks nobody who he is (docs/security.md)",
                soft_wrap=True,
            )
        return chroma.url()

    def _role(self, role: str, **environment: str) -> Program:
        return Program(
            name=role,
            command=lambda: [sys.executable, "-m", "headstart_server", role],
            log=self._log(role),
            stop_seconds=self._settings.shutdown_grace_seconds + 1,
            environment={**self._environment, **environment},
        )

    def _worker_metrics_address(self) -> str:
        """The port after the server's, so that one scrape configuration reaches both."""
        host, port = split_address(self._settings.metrics_address)
        return f"{host}:{port + 1 if 0 < port < MAX_PORT else 0}"

    def _add(self, program: Program) -> Child:
        child = Child(program)
        self._children.append(child)
        child.start()
        if program.probe is not None:
            self._watchdogs[program.name] = Watchdog(program.name, program.probe)
            self._watchdogs[program.name].start()
        return child

    def _await(self, child: Child, ready: Callable[[], bool]) -> None:
        """Wait until it answers. A child that dies meanwhile is started again, unless its exit code says that this
        would not help.
        """
        until = time.monotonic() + READY_SECONDS
        name = child.program.name
        while not ready():
            self._pause(READY_POLL_SECONDS)
            code = child.exit_code()
            if code == EXIT_STARTUP_ERROR or (code is not None and child.starts >= 3) or time.monotonic() > until:
                raise StartupError(self._why(child) or f"{name} does not start: see {child.program.log}")
            child.restart_if_dead()

    def _why(self, child: Child) -> str | None:
        """The line with which a role refused to start."""
        mark = "headstart-server: "
        lines = child.program.log.read_text(errors="replace").splitlines()
        return next((line.removeprefix(mark) for line in reversed(lines) if line.startswith(mark)), None)

    def _greet(self) -> None:
        settings, print_line = self._settings, self._console.print
        print_line(f"[bold green]Headstart serves[/] gRPC on [bold]{settings.grpc_address}[/]")
        print_line(f"  metrics   http://{settings.metrics_address}/metrics, worker's {self._worker_metrics_address()}")
        print_line(f"  data      {self._directory}", soft_wrap=True)
        print_line(f"  logs      {self._directory / 'logs'}", soft_wrap=True)
        print_line("  Ctrl-C stops it; what is recorded stays")

    def _watch(self) -> None:
        said_dead: set[str] = set()
        while True:
            self._pause(WATCH_SECONDS)
            for child in self._children:
                name = child.program.name
                child.shorten_log()
                self._end_if_hung(child)
                if child.exit_code() is not None and name not in said_dead:
                    said_dead.add(name)
                    reason = self._why(child) if child.exit_code() == EXIT_STARTUP_ERROR else None
                    self._console.print(f"{name} ended ({reason or child.exit_code()}): starting it again")
                if child.restart_if_dead():
                    said_dead.discard(name)
                    if name in self._watchdogs:
                        self._watchdogs[name].restarted(because_hung=False)
                    self._console.print(f"{name} started again")

    def _end_if_hung(self, child: Child) -> None:
        """End a child that runs without working; it is then started again like a dead one."""
        watchdog = self._watchdogs.get(child.program.name)
        reason = None if watchdog is None else watchdog.hung
        if watchdog is not None and reason is not None:
            self._console.print(f"{child.program.name} runs and does not work: {reason}", markup=False)
            child.kill()
            watchdog.restarted(because_hung=True)

    def _stop(self) -> None:
        for watchdog in self._watchdogs.values():
            watchdog.stop()
        if not self._children:
            return
        with self._console.status("Stopping"):
            for child in reversed(self._children):
                if not child.stop():
                    self._console.print(f"{child.program.name} did not end when asked, and was killed")
        self._console.print("Stopped")

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        begin = time.monotonic()
        with self._console.status(f"{what} ..."):
            yield
        self._console.print(f"{what}: ready in {time.monotonic() - begin:.1f} s")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let signals, and the death of a child, wake the main thread."""
        os.set_blocking(self._wake_writer, False)
        os.set_blocking(self._wake_reader, False)
        handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stop_requested = True

    def _pause(self, seconds: float) -> None:
        """Sleep until the time is over or a signal comes. Raises _Stopped when it asks to end."""
        select.select([self._wake_reader], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wake_reader, 4096)
        if self._stop_requested:
            raise _Stopped

    def _log(self, name: str) -> Path:
        return self._directory / "logs" / f"{name}.log"


def other_logins() -> list[str]:
    """Names of users who may log in to this machine, beside root and this one; some of them if there are many."""
    import pwd

    logins = [
        entry.pw_name
        for entry in pwd.getpwall()
        if entry.pw_uid >= _FIRST_LOGIN and entry.pw_uid != os.geteuid() and Path(entry.pw_shell).name not in _NO_SHELLS
    ]
    return logins[:_MOST_NAMED] + (["..."] if len(logins) > _MOST_NAMED else [])


def server_answers(address: str) -> bool:
    return health_of(address) == SERVING


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Lock a data directory for one supervisor. Raises StartupError naming the other."""
    try:
        # Where this runs as root, PostgreSQL runs as another user and must pass.
        directory.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        lock: TextIO = (directory / "up.lock").open("a+")
    except OSError as error:
        raise StartupError(f"The data directory {directory} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartupError(
                f"Another `headstart-server up` (process {lock.read().strip() or 'unknown'}) uses {directory}"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
