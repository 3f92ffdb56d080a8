"""Every setting of every role: its name, default and bounds. Read from ``HEADSTART_*`` in the environment.

What the values mean for a room is decided in that room; no module reads the environment on its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from headstart_server.runtime.errors import StartupError

MEBIBYTE = 1024 * 1024
DEFAULT_TENANT_ROLE = "headstart_tenant"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[::1]:port". Raises ValueError."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def _with_driver(url: str) -> str:
    """SQLAlchemy takes the driver from the scheme, and its default is not the installed one."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg2://" + url.removeprefix(scheme)
    if not url.startswith("postgresql+psycopg2://"):
        raise ValueError("must begin with postgresql://")
    return url


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


Address = Annotated[str, AfterValidator(_checked_address)]


class Settings(BaseSettings):
    """The docstrings of the settings are the table in docs/operations.md, which `make settings` writes."""

    model_config = SettingsConfigDict(
        env_prefix="HEADSTART_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    database_url: Annotated[str, AfterValidator(_with_driver)] = "postgresql+psycopg2://127.0.0.1:5432/headstart"
    """URL of PostgreSQL 14 or newer. Without it `up` starts its own."""
    chroma_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "http://127.0.0.1:8000"
    """URL of Chroma. Without it `up` starts its own."""
    data_directory: Path = Path(".headstart")
    """Directory of the databases and logs of `up`."""

    grpc_address: Address = "127.0.0.1:50051"
    """Address for calls. Port 0 takes a free one, except with `up`."""
    metrics_address: Address = "127.0.0.1:9464"
    """Address for metrics, at `/metrics`. The worker of `up` takes the next port."""
    predictor_target: Annotated[Address | None, BeforeValidator(_none_if_empty)] = None
    """Address of a predictor host. Without it servers score in their own process."""
    max_message_bytes: PositiveInt = 8 * MEBIBYTE
    """The largest request or answer. Above it: RESOURCE_EXHAUSTED."""
    max_message_fields: PositiveInt = 1_000_000
    """Fields of a request larger than 32 KiB, in all messages inside it. Above it: INVALID_ARGUMENT."""
    max_concurrent_calls: PositiveInt = 256
    """Concurrent calls of one server process, and open streams. Above it: RESOURCE_EXHAUSTED. With authentication, a
    namespace gets another place only while it holds at most four times the free ones."""
    stream_idle_seconds: PositiveFloat = 60.0
    """A stream without a request for this time ends with UNAVAILABLE; the client opens another when it needs one."""
    processes: PositiveInt = 1
    """Server processes of `serve` that share the port. Each has its own connections, caches and models, and serves
    metrics one port above the one before."""
    share_port: bool = False
    """Set by `serve` for its processes: other processes may listen on the same port."""
    record_queue_size: PositiveInt = 192
    """Results that may wait to be written. It is below the number of calls, so that questions find a place while the
    database is slow. Above it: RESOURCE_EXHAUSTED."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 10.0
    """Seconds that running calls may take after SIGTERM."""

    authentication: Literal["none", "token", "certificate"] = "none"
    """Callers that are admitted: all, those with a token, or those with a certificate of the authority below."""
    tls_certificate_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM, read again when it changes, as are the next two."""
    tls_key_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of its key."""
    tls_client_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of the authority of clients' certificates."""
    insecure: bool = False
    """Allow an address beyond this machine without authentication."""
    predictor_token: SecretStr | None = None
    """The token of servers for a predictor host with authentication. Its role is SERVICE."""
    predictor_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of the authority of the predictor host's certificate. With it servers use TLS."""

    database_pool_size: PositiveInt = 16
    """Connections of a process to PostgreSQL, at least those that its threads need: 34 by default, one for health."""
    database_threads: PositiveInt = 16
    """Threads of a server process that wait for PostgreSQL."""
    tenant_role: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]{0,62})?$")] = DEFAULT_TENANT_ROLE
    """The PostgreSQL role of calls under row-level security; `migrate` creates it if the login may. Empty: no row-level
    security."""

    graph_kernels: Literal["auto", "dgl", "torch"] = "auto"
    """Kernels of message passing: DGL if it can be imported, or always one of the two. Results are equal."""
    torch_threads: PositiveInt = 1
    """Threads of torch in a process."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$")] = "auto"
    """Device of the models: `auto` (the first GPU, if there is one), `cpu`, `cuda` or `cuda:N`."""
    training_min_experiments: PositiveInt = 32
    """Experiments that a search space needs for its first model."""
    training_growth: Annotated[float, Field(gt=1)] = 1.2
    """A search space is trained again when its experiments have grown or shrunk by this factor."""
    training_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Equal records and an equal seed give an equal model."""
    worker_poll_seconds: PositiveFloat = 1.0
    """Seconds after which an idle worker looks for work."""

    request_days: PositiveFloat = 7.0
    """Days that answered requests are kept: within them a repeated request id gets the first answer."""
    audit_days: PositiveFloat = 365.0
    """Days that entries of the audit log are kept."""

    decision_ttl_seconds: PositiveFloat = 3600.0
    """Seconds after which a strategy decision without a result is not pending any more."""
    exploration_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of WarmStart's suggestions that are random, unless the call gives one. None of the first eight of a task
    with a history is."""
    suggestion_ttl_seconds: PositiveFloat = 600.0
    """Seconds in which a suggestion is not repeated on its task, so that concurrent workers do not collide."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The lowest level that is logged."""
    tracing: bool = False
    """Send traces to an OpenTelemetry collector (extra `otel`); OTEL_* variables say where, and how many."""


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, replaced by those given that are not None. Raises StartupError with what is
    wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "; ".join(
            f"HEADSTART_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise StartupError(f"{problems}") from None
