"""``headstart-server check``: what a server needs, whether it is there, and what to do where it is not."""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from headstart_server.knowledge.vector_index.failures import set_aside
from headstart_server.prediction.registry.versions import reduced_models
from headstart_server.runtime import chroma_probe
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import SCHEMA_REVISION, create_engine, schema_revision
from headstart_server.runtime.errors import StartupError, Unavailable
from headstart_server.runtime.local.databases import EmbeddedPostgres, chroma_answers, port_is_free
from headstart_server.runtime.settings import Settings, split_address
from headstart_server.runtime.startup import unreachable

# Search spaces shown of a long list.
_MOST_SHOWN = 5


class CheckState(Enum):
    FINE = "[green]fine[/]"
    NOTE = "[yellow]note[/]"
    WRONG = "[red]wrong[/]"


@dataclass(frozen=True)
class Finding:
    what: str
    state: CheckState
    text: str


def run_checks(settings: Settings) -> bool:
    """Print a table; returns whether everything required is in order."""
    console = Console()
    table = Table("part", "state", "what was found")
    good = True
    with console.status("Checking"):
        for finding in _findings(settings):
            table.add_row(finding.what, finding.state.value, finding.text)
            good = good and finding.state is not CheckState.WRONG
    console.print(table)
    return good


def _findings(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", CheckState.FINE, platform.python_version())
    yield _torch()
    yield _dgl(settings)
    embedded = "database_url" not in settings.model_fields_set
    finding = _embedded_database(settings) if embedded else _database(settings)
    yield finding
    if not embedded and finding.state is CheckState.FINE:
        yield _row_security(settings)
        yield from _of_spaces(settings)
    if embedded and (running := _running_database(settings)) is not None:
        yield from _of_spaces(running)
    yield _chroma(settings)
    for name, address in (("gRPC port", settings.grpc_address), ("metrics port", settings.metrics_address)):
        free = port_is_free(*split_address(address))
        # A running service is not an error: this command may run beside it.
        yield Finding(
            name, CheckState.FINE if free else CheckState.NOTE, f"{address} is {'free' if free else 'in use'}"
        )


def _torch() -> Finding:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Finding("torch", CheckState.WRONG, f"{error}: pip install 'headstart[server]'")
    graphics = f", CUDA {torch.version.cuda}" if torch.cuda.is_available() else ", CPU"
    return Finding("torch", CheckState.FINE, f"{torch.__version__}{graphics}")


def _dgl(settings: Settings) -> Finding:
    try:
        from headstart_server.prediction.graph.message_passing import load_kernels

        load_kernels("dgl")
    except ImportError:
        return Finding("DGL", CheckState.NOTE, "needs torch first")
    except StartupError as error:
        if settings.graph_kernels == "dgl":
            return Finding("DGL", CheckState.WRONG, str(error))
        return Finding(
            "DGL", CheckState.NOTE, f"{error}. Until then the plain torch kernels are used, with equal results"
        )
    return Finding("DGL", CheckState.FINE, version("dgl"))


def _database(settings: Settings) -> Finding:
    engine = create_engine(settings)
    try:
        with engine.connect() as connection:
            server_version = connection.execute(text("SHOW server_version")).scalar_one()
        revision = schema_revision(engine)
    except Unavailable as error:
        return Finding("PostgreSQL", CheckState.WRONG, unreachable(settings, error))
    finally:
        engine.dispose()
    if revision != SCHEMA_REVISION:
        state = f"version {server_version}, schema {revision or 'absent'}, needed is {SCHEMA_REVISION}"
        return Finding("PostgreSQL", CheckState.WRONG, f"{state}: run headstart-server migrate")
    return Finding("PostgreSQL", CheckState.FINE, f"version {server_version}, schema revision {revision}")


def _row_security(settings: Settings) -> Finding:
    engine = create_engine(settings)
    try:
        problem = row_security.problem(engine, settings.tenant_role)
    finally:
        engine.dispose()
    if problem is not None:
        return Finding("row-level security", CheckState.NOTE, f"calls run without it: {problem}")
    return Finding("row-level security", CheckState.FINE, f"calls run as {settings.tenant_role}")


def _running_database(settings: Settings) -> Settings | None:
    """The settings with the address of an embedded PostgreSQL that runs with this version's tables; else None."""
    try:
        postgres = EmbeddedPostgres(settings.data_directory / "postgresql")
    except StartupError:
        return None
    if postgres.running_pid() is None:
        return None
    running = settings.model_copy(update={"database_url": postgres.url()})
    return running if _database(running).state is CheckState.FINE else None


def _of_spaces(settings: Settings) -> list[Finding]:
    engine = create_engine(settings)
    try:
        return [set_aside_finding(engine), training_finding(engine)]
    finally:
        engine.dispose()


def training_finding(engine: Engine) -> Finding:
    """Search spaces whose models were trained on a part of the records."""
    with engine.connect() as connection:
        reduced = reduced_models(connection, _MOST_SHOWN)
    if not reduced:
        return Finding("training", CheckState.FINE, "no search space is beyond the budget of training")
    return Finding(
        "training", CheckState.NOTE, "; ".join(f"{name}/{space}: {description}" for name, space, description in reduced)
    )


def set_aside_finding(engine: Engine) -> Finding:
    """Search spaces that the vector index refuses."""
    with engine.connect() as connection:
        result = set_aside(connection)
    if not result:
        return Finding("vector index", CheckState.FINE, "no search space is set aside")
    shown = "; ".join(f"{each.namespace}/{each.search_space_id}: {each.error}" for each in result[:_MOST_SHOWN])
    more = f"; and {len(result) - _MOST_SHOWN} more" if len(result) > _MOST_SHOWN else ""
    advice = "each is tried once an hour, headstart-server reindex tries at once"
    return Finding("vector index", CheckState.NOTE, f"{len(result)} set aside: {shown}{more}. {advice}")


def _embedded_database(settings: Settings) -> Finding:
    """The embedded database need not run: `up` starts it."""
    try:
        postgres = EmbeddedPostgres(settings.data_directory / "postgresql")
    except StartupError as error:
        return Finding("PostgreSQL", CheckState.WRONG, str(error))
    if postgres.running_pid() is not None:
        return _database(settings.model_copy(update={"database_url": postgres.url()}))
    if not (postgres.directory / "PG_VERSION").exists():
        return Finding(
            "PostgreSQL", CheckState.FINE, f"embedded; headstart-server up will make it in {postgres.directory}"
        )
    return Finding("PostgreSQL", CheckState.FINE, f"embedded in {postgres.directory}; headstart-server up starts it")


def _chroma(settings: Settings) -> Finding:
    if "chroma_url" in settings.model_fields_set:
        if chroma_answers(settings.chroma_url):
            problem = chroma_probe.problem(settings.chroma_url)
            if problem is not None:
                message = (
                    f"answers at {settings.chroma_url} and does not work ({problem}): look at its disk, restart it"
                )
                return Finding("Chroma", CheckState.NOTE, message)
            return Finding("Chroma", CheckState.FINE, f"writes and reads at {settings.chroma_url}")
        # The service answers without it, so it does not prevent a start.
        advice = "answers are marked degraded until it is back; set HEADSTART_CHROMA_URL if it is elsewhere"
        return Finding("Chroma", CheckState.NOTE, f"does not answer at {settings.chroma_url}: {advice}")
    if importlib.util.find_spec("chromadb") is None:
        return Finding("Chroma", CheckState.WRONG, "not installed: pip install 'headstart[server,embedded]'")
    return Finding("Chroma", CheckState.FINE, "embedded; headstart-server up starts it")
