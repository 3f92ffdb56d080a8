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
    """Where PostgreSQL is, 14 or newer. `up` without it starts its own."""
    chroma_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "http://127.0.0.1:8000"
    """Where Chroma is. `up` without it starts its own."""
    data_directory: Path = Path(".headstart")
    """Where `up` keeps its databases and logs."""

    grpc_address: Address = "127.0.0.1:50051"
    """Where to listen for calls. Port 0 takes a free one, not with `up`."""
    metrics_address: Address = "127.0.0.1:9464"
    """Where to show metrics, at `/metrics`. The worker of `up` takes the port after it."""
    predictor_target: Annotated[Address | None, BeforeValidator(_none_if_empty)] = None
    """A predictor role to ask. Without it servers score in their own process."""
    max_message_bytes: PositiveInt = 8 * MEBIBYTE
    """The largest request or answer. Above it: RESOURCE_EXHAUSTED."""
    max_message_fields: PositiveInt = 1_000_000
    """Fields of a request, in all messages inside it, where it is larger than 32 KiB. Above it: INVALID_ARGUMENT."""
    max_concurrent_calls: PositiveInt = 256
    """Calls that one server process works on at once, and streams that it holds open. Above it: RESOURCE_EXHAUSTED.
    Where callers are known, a namespace gets more while it holds at most four times what is free."""
    stream_idle_seconds: PositiveFloat = 60.0
    """A stream without a request for so long is ended with UNAVAILABLE; the client opens another when it needs one."""
    processes: PositiveInt = 1
    """Server processes of `serve` that share the port. Each has its own connections, caches and models, and metrics one
    port higher than the one before."""
    share_port: bool = False
    """Set by `serve` for its processes: other processes may listen on the same port."""
    record_queue_size: PositiveInt = 192
    """Results that wait to be written; fewer than calls, so that questions find a place while the database is slow.
    Above it: RESOURCE_EXHAUSTED."""
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 10.0
    """How long calls under way may go on after SIGTERM."""

    authentication: Literal["none", "token", "certificate"] = "none"
    """Who may call: anybody, who has a token, or who has a certificate of the authority below."""
    tls_certificate_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM, read again when it changes, as are the next two."""
    tls_key_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of its key."""
    tls_client_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of the authority of clients' certificates."""
    insecure: bool = False
    """Serve beyond this machine though anybody may call."""
    predictor_token: SecretStr | None = None
    """What servers show to a predictor role that asks for a token. Its role is SERVICE."""
    predictor_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """PEM of the authority of the predictor role's certificate. Set: servers ask it by TLS."""

    database_pool_size: PositiveInt = 16
    """Connections of a process to PostgreSQL; never fewer than its threads need, 34 by default and one for health."""
    database_threads: PositiveInt = 16
    """Threads of a server process that wait for PostgreSQL."""
    tenant_role: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_]{0,62})?$")] = DEFAULT_TENANT_ROLE
    """The role of PostgreSQL that calls run as, behind the wall of row-level security; `migrate` makes it where it may.
    Empty: no second wall."""

    graph_kernels: Literal["auto", "dgl", "torch"] = "auto"
    """How graph networks pass messages: DGL where it imports, or always one of the two. Equal results."""
    torch_threads: PositiveInt = 1
    """Threads of torch in a process."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$")] = "auto"
    """Where models run: `auto` (the first GPU where there is one), `cpu`, `cuda` or `cuda:N`."""
    training_min_experiments: PositiveInt = 32
    """Experiments that a search space needs for its first model."""
    training_growth: Annotated[float, Field(gt=1)] = 1.2
    """A search space is trained again when its experiments have grown or shrunk by this factor."""
    training_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Equal records and an equal seed give an equal model."""
    worker_poll_seconds: PositiveFloat = 1.0
    """How often an idle worker looks for work."""

    request_days: PositiveFloat = 7.0
    """How long a worker keeps answered requests: a request id that is repeated within gets the first answer."""
    audit_days: PositiveFloat = 365.0
    """How long a worker keeps entries of the audit log."""

    decision_ttl_seconds: PositiveFloat = 3600.0
    """After which a strategy decision without a result no longer counts as pending."""
    exploration_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Of WarmStart's suggestions, drawn at random where the caller asks for no other share; none of the first eight of
    a task with a history."""
    suggestion_ttl_seconds: PositiveFloat = 600.0
    """How long a suggestion is not made again on its task, so that workers asking at the same time do not collide."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""
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
