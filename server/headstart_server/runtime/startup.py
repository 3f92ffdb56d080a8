"""Checks of a role before it starts. Each failure becomes one line that says what to do."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import check_schema, create_engine
from headstart_server.runtime.errors import StartupError, Unavailable
from headstart_server.runtime.local.databases import listening_problem
from headstart_server.runtime.observability import tracing
from headstart_server.runtime.observability.log import configure_logging
from headstart_server.runtime.settings import Settings, split_address

T = TypeVar("T")

# The others are commands that end soon.
_TRACED_ROLES = frozenset({"serve", "predictor", "worker"})

logger = logging.getLogger(__name__)


def prepare_role(settings: Settings, role: str) -> None:
    """Call it before torch or DGL is imported. Raises StartupError if tracing cannot begin."""
    configure_logging(settings.log_level, role)
    if settings.tracing and role in _TRACED_ROLES:
        tracing.start(role)
    # DGL takes its threads from OpenMP, which reads this when it is loaded. By default the threads of several roles
    # spin while they wait for each other: a training of 12 s took 491 s on a busy machine.
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.torch_threads))


def require_free(address: str, setting: str) -> None:
    """Raises StartupError for a port that is taken. Port 0 takes any free one."""
    host, port = split_address(address)
    problem = listening_problem(host, port)
    if problem is not None:
        raise StartupError(f"Cannot listen on {address}: {problem}; {setting} sets another address")


def require_fixed_port(address: str, setting: str) -> None:
    """Raises StartupError for port 0, where others must know the port in advance."""
    if split_address(address)[1] == 0:
        raise StartupError(f"{setting} is {address}: a port is needed that is not 0")


def check_exposure(settings: Settings) -> None:
    """Raises StartupError for an address beyond this machine without authentication, and for incomplete settings."""
    pair = (settings.tls_certificate_file, settings.tls_key_file)
    if (pair[0] is None) != (pair[1] is None):
        raise StartupError("HEADSTART_TLS_CERTIFICATE_FILE and HEADSTART_TLS_KEY_FILE go together: set both or none")
    if settings.authentication == "certificate" and (pair[0] is None or settings.tls_client_ca_file is None):
        raise StartupError(
            "HEADSTART_AUTHENTICATION=certificate needs HEADSTART_TLS_CERTIFICATE_FILE, HEADSTART_TLS_KEY_FILE and "
            "HEADSTART_TLS_CLIENT_CA_FILE"
        )
    if settings.insecure or _is_loopback(settings.grpc_address):
        return
    if settings.authentication == "none":
        raise StartupError(
            f"{settings.grpc_address} is reached from other machines and anybody may call: set "
            "HEADSTART_AUTHENTICATION=token (or certificate), listen on 127.0.0.1, or say --insecure"
        )
    if pair[0] is None:
        logger.warning("tokens travel in the clear: set HEADSTART_TLS_CERTIFICATE_FILE, or end TLS before the server")


def _is_loopback(address: str) -> bool:
    host = split_address(address)[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.startswith("unix:")


def require_database(settings: Settings) -> None:
    """The database answers, its tables are those of this version, and the login sees their rows."""

    def check(engine: Engine) -> None:
        check_schema(engine)
        row_security.require_free_login(engine)

    _with_engine(settings, check)


def check_row_security(settings: Settings) -> None:
    """Warn if calls would run without row-level security."""
    problem = _with_engine(settings, lambda engine: row_security.problem(engine, settings.tenant_role))
    if problem is not None:
        logger.warning("calls run without row-level security: %s", problem)


def migrate_database(settings: Settings, back: bool = False) -> tuple[str | None, str]:
    from headstart_server.runtime.database.migration import migrate, step_back

    return _with_engine(settings, step_back if back else lambda engine: migrate(engine, settings.tenant_role))


def announce(address: str, port: int) -> None:
    """Print where the role serves, for processes that started it on port 0."""
    host = address.rpartition(":")[0]
    sys.stdout.write(f"Serving {host}:{port}\n")
    sys.stdout.flush()


def _with_engine(settings: Settings, work: Callable[[Engine], T]) -> T:
    engine = create_engine(settings)
    try:
        return work(engine)
    except Unavailable as error:
        raise StartupError(unreachable(settings, error)) from None
    finally:
        engine.dispose()


def unreachable(settings: Settings, error: Unavailable) -> str:
    """The expected address of the database, and its or the driver's error. Without the password."""
    url = make_url(settings.database_url)
    where = f"{url.host or url.query.get('host', 'localhost')}, database {url.database}"
    return f"PostgreSQL cannot be reached at {where} ({_reason(error)}): start it, or set HEADSTART_DATABASE_URL"


def _reason(error: Unavailable) -> str:
    """The server's or the driver's own words, in one line and without the SQL around them."""
    cause = error.__cause__ or error
    original = getattr(cause, "orig", cause)
    lines = [line.strip() for line in str(original).splitlines() if line.strip()]
    return lines[0].rpartition("failed: ")[2] if lines else "no reason given"
