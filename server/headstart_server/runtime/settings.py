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
    """SQLAlchemy takes the driver from the scheme, and its default is not the one installed."""
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
    model_config = SettingsConfigDict(env_prefix="HEADSTART_", frozen=True, extra="ignore")

    database_url: Annotated[str, AfterValidator(_with_driver)] = "postgresql+psycopg2://127.0.0.1:5432/headstart"
    chroma_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] = "http://127.0.0.1:8000"
    # Where `up` keeps its databases and logs.
    data_directory: Path = Path(".headstart")

    grpc_address: Address = "127.0.0.1:50051"
    metrics_address: Address = "127.0.0.1:9464"
    # HOST:PORT of a predictor role; absent: score in this process.
    predictor_target: Annotated[Address | None, BeforeValidator(_none_if_empty)] = None
    max_message_bytes: PositiveInt = 8 * MEBIBYTE
    max_concurrent_calls: PositiveInt = 256
    # Server processes that share the port; and, of each of them, that it does.
    processes: PositiveInt = 1
    share_port: bool = False
    # Results that wait to be written; fewer than calls, so that questions find a place while the database is slow.
    record_queue_size: PositiveInt = 192
    shutdown_grace_seconds: Annotated[float, Field(ge=0)] = 10.0

    # Who may call: anybody, who has a token, or who has a certificate of the authority below.
    authentication: Literal["none", "token", "certificate"] = "none"
    # PEM files; read again when they change. The authority is that of clients' certificates.
    tls_certificate_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    tls_key_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    tls_client_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    # Serve beyond this machine though anybody may call.
    insecure: bool = False
    # What servers show to a predictor role that asks for a token (role SERVICE), and whose certificate they trust.
    predictor_token: SecretStr | None = None
    predictor_ca_file: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None

    database_pool_size: PositiveInt = 16
    database_threads: PositiveInt = 16

    graph_kernels: Literal["auto", "dgl", "torch"] = "auto"
    torch_threads: PositiveInt = 1
    # Where models run: auto, cpu, cuda or cuda:N.
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,2})?)$")] = "auto"
    training_min_experiments: PositiveInt = 32
    # A search space is trained again when it has this many times the experiments of its last model version.
    training_growth: Annotated[float, Field(gt=1)] = 1.2
    # Equal records and an equal seed give an equal model.
    training_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    worker_poll_seconds: PositiveFloat = 1.0

    decision_ttl_seconds: PositiveFloat = 3600.0
    exploration_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    # How long a suggestion is not made again on its task, so that workers asking at the same time do not collide.
    suggestion_ttl_seconds: PositiveFloat = 600.0

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    tracing: bool = False


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, then those given that are not None. Raises StartupError naming what is wrong."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = "; ".join(
            f"HEADSTART_{str(problem['loc'][0]).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        )
        raise StartupError(f"{problems}") from None
