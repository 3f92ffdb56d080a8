"""The session of a command: its connection to the service, and its errors.

An error is one line on standard error and exit code 1. A traceback means an error in Headstart itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import grpc
import typer

from headstart.client import Client, connect
from headstart.errors import HeadstartError, NotFound, Unavailable
from headstart.proxies import proxy_of
from headstart.spaces import InvalidInput

# Somebody waits at the terminal: a service that is restarting is waited for, one that is not there is told soon.
PATIENCE_SECONDS = 3.0


class CommandError(Exception):
    """The reason why a command cannot do its work, for people."""


@dataclass(frozen=True)
class Connection:
    """The options that stand before the command."""

    address: str
    token: str | None
    timeout: float
    tls: bool = False
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials | None:
        """Credentials of TLS, which each of its files switches on. Raises CommandError for a file that cannot be
        read.
        """
        if not (self.tls or self.ca_file or self.certificate_file or self.key_file):
            return None
        if (self.certificate_file is None) != (self.key_file is None):
            raise CommandError("--certificate-file and --key-file go together")
        try:
            authority, key, certificate = (
                None if path is None else path.read_bytes()
                for path in (self.ca_file, self.key_file, self.certificate_file)
            )
        except OSError as error:
            raise CommandError(f"TLS: {error.filename}: {error.strerror}") from None
        return grpc.ssl_channel_credentials(authority, key, certificate)


@contextmanager
def service(context: typer.Context, patience: float = PATIENCE_SECONDS) -> Iterator[Client]:
    """A client for the time of a with block, in which errors end the command."""
    connection: Connection = context.obj
    with (
        errors_told(connection.address),
        connect(
            connection.address,
            token=connection.token,
            timeout=connection.timeout,
            credentials=connection.credentials(),
        ) as client,
    ):
        try:
            yield client.with_patience(patience)
        except NotFound as error:
            error.message += did_you_mean(client.with_patience(0), error.message)
            raise


def did_you_mean(client: Client, message: str) -> str:
    """The ids that are much like the one that is not there, for the end of the message; empty where none is."""
    wanted = re.search(r"'([^']+)'", message)
    if wanted is None:
        return ""
    listed = (each.task_id for each in client.list_tasks(page_size=1000))
    if "space" in message.partition("'")[0]:
        listed = (each.search_space_id for each in client.list_search_spaces())
    try:
        near = get_close_matches(wanted[1], islice(listed, 10_000), n=3, cutoff=0.6)
    except HeadstartError:
        return ""
    return f"; did you mean {' or '.join(near)}?" if near else ""


@contextmanager
def errors_told(address: str = "") -> Iterator[None]:
    """Ends the command with the exit code of what goes wrong in a with block, told in one line."""
    try:
        yield
        # A reader that has gone away is noticed here, not when Python has no one left to tell.
        sys.stdout.flush()
    except Unavailable as error:
        # With a reason it is the service that speaks; without, nobody does.
        message = str(error) if error.reason else "no service there; `headstart-server up` starts one"
        if not error.reason and (proxy := proxy_of(address)):
            message = f"no service there through the proxy {proxy}; NO_PROXY names what is reached without"
        raise _ended(address, message) from None
    except HeadstartError as error:
        raise _ended(address, str(error)) from None
    except (CommandError, InvalidInput) as error:
        raise _ended("", str(error)) from None
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def note(message: str) -> None:
    """Print a note beside the answer, never within it."""
    print(f"headstart: {message}", file=sys.stderr)


def confirmed(question: str) -> bool:
    """Asks beside the answer; silence is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    predicted = sys.stdin.readline()
    if not (predicted.endswith("\n") and sys.stdin.isatty()):
        print(file=sys.stderr)
    return predicted.strip().lower() in {"y", "yes"}


def _ended(address: str, message: str) -> typer.Exit:
    where = f"{address}: " if address else ""
    note(where + " ".join(message.split()))
    return typer.Exit(1)
