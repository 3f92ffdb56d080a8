"""The command ``headstart-server``: one subcommand for each role.

A role's code is imported when it runs, so that the command answers ``--help`` at once. What keeps a role from starting
is one line on standard error and exit code 2; a traceback means an error in Headstart itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

try:
    import typer
except ImportError:
    sys.exit("headstart-server needs more than the client: pip install 'headstart[server,embedded]'")

from headstart_server.cli import access
from headstart_server.runtime import proxies

if TYPE_CHECKING:
    from headstart_server.runtime.settings import Settings

app = typer.Typer(
    name="headstart-server",
    help="Headstart: searches start where earlier searches ended. Settings are HEADSTART_* environment variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(access.token)
app.command()(access.quota)
app.command()(access.audit)

DataDirectory = Annotated[
    Path | None, typer.Option(help="Where the embedded databases and the logs are kept [default: .headstart]")
]
GrpcAddress = Annotated[str | None, typer.Option(help="HOST:PORT to serve on [default: 127.0.0.1:50051]")]
MetricsAddress = Annotated[str | None, typer.Option(help="HOST:PORT of the metrics page [default: 127.0.0.1:9464]")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Serve other machines though anybody may call")]


@app.command()
def up(
    data_directory: DataDirectory = None,
    grpc_address: GrpcAddress = None,
    metrics_address: MetricsAddress = None,
    insecure: Insecure = False,
) -> None:
    """Everything on this machine: PostgreSQL, Chroma, server and worker, kept running until Ctrl-C."""
    from headstart_server.roles.supervisor import Supervisor
    from headstart_server.runtime import startup
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(
        data_directory=data_directory,
        grpc_address=grpc_address,
        metrics_address=metrics_address,
        insecure=insecure or None,
    )
    startup.check_exposure(settings)
    Supervisor(settings).run()


@app.command()
def serve(
    grpc_address: GrpcAddress = None,
    metrics_address: MetricsAddress = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Server processes on one port [default: 1]")] = None,
    insecure: Insecure = False,
) -> None:
    """The gRPC server."""
    import asyncio

    from headstart_server.runtime import startup
    from headstart_server.runtime.observability.metrics import serve_metrics
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(
        grpc_address=grpc_address, metrics_address=metrics_address, processes=processes, insecure=insecure or None
    )
    startup.prepare_role(settings, "serve")
    startup.check_exposure(settings)
    if not settings.share_port:
        startup.require_free(settings.grpc_address, "HEADSTART_GRPC_ADDRESS")
    startup.require_database(settings)
    if settings.processes > 1:
        from headstart_server.roles.replicas import run_processes

        run_processes(settings, ready=lambda port: startup.announce(settings.grpc_address, port))
        return
    startup.check_row_security(settings)
    _require_graph_kernels(settings)
    serve_metrics(settings.metrics_address)

    from headstart_server.api.server import serve as run

    asyncio.run(run(settings, ready=lambda port: startup.announce(settings.grpc_address, port)))


@app.command()
def predictor(
    grpc_address: GrpcAddress = None,
    metrics_address: MetricsAddress = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N [default: auto]")] = None,
    insecure: Insecure = False,
) -> None:
    """The model host for servers that set HEADSTART_PREDICTOR_TARGET: on a GPU machine, for example."""
    import asyncio

    from headstart_server.runtime import startup
    from headstart_server.runtime.observability.metrics import serve_metrics
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(
        grpc_address=grpc_address, metrics_address=metrics_address, device=device, insecure=insecure or None
    )
    startup.prepare_role(settings, "predictor")
    startup.check_exposure(settings)
    startup.require_free(settings.grpc_address, "HEADSTART_GRPC_ADDRESS")
    startup.require_database(settings)
    _require_graph_kernels(settings)
    serve_metrics(settings.metrics_address)

    from headstart_server.api.server import serve_predictor

    asyncio.run(serve_predictor(settings, ready=lambda port: startup.announce(settings.grpc_address, port)))


@app.command()
def worker(
    once: Annotated[bool, typer.Option("--once", help="Do all pending work, then exit")] = False,
    metrics_address: MetricsAddress = None,
) -> None:
    """Training and indexing, beside any number of servers."""
    from headstart_server.runtime import startup
    from headstart_server.runtime.observability.metrics import serve_metrics
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(metrics_address=metrics_address)
    startup.prepare_role(settings, "worker")
    startup.require_database(settings)
    _require_graph_kernels(settings)
    if not once:
        serve_metrics(settings.metrics_address)

    from headstart_server.roles.worker import run_worker

    run_worker(settings, once)


@app.command()
def reindex(
    space: Annotated[str | None, typer.Option(help="Only this search space")] = None,
    namespace: Annotated[str | None, typer.Option(help="Only this namespace")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Build here and wait for it, rather than leave it to workers")
    ] = False,
) -> None:
    """Build the vector index anew from PostgreSQL, beside the one that serves; searches go on meanwhile."""
    from headstart_server.runtime import startup
    from headstart_server.runtime.settings import load_settings

    # A bar shows progress; errors are still printed.
    settings = load_settings(log_level="WARNING")
    startup.prepare_role(settings, "reindex")
    startup.require_database(settings)
    _require_graph_kernels(settings)

    from headstart_server.cli.reindex import reindex as run

    run(settings, namespace, space, now)


@app.command()
def jobs(
    work: Annotated[str, typer.Argument(help="reindex, retrain or evaluate-strategies")],
    engine: Annotated[str, typer.Option(help="local (processes here) or ray (the cluster at RAY_ADDRESS)")] = "local",
    parallel: Annotated[int, typer.Option(min=1, help="Pieces at a time; of a cluster, at most")] = 1,
    piece_size: Annotated[int, typer.Option(min=1, help="Architectures in a piece of reindex")] = 5_000,
    space: Annotated[str | None, typer.Option(help="Only this search space")] = None,
    namespace: Annotated[str | None, typer.Option(help="Only this namespace")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Only what an earlier run has left")] = False,
) -> None:
    """Bulk work in independent pieces: the vector index anew, all predictors, or what is learned of strategies."""
    from headstart_server.runtime import startup
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(log_level="WARNING")
    startup.prepare_role(settings, "jobs")
    startup.require_database(settings)
    _require_graph_kernels(settings)

    from headstart_server.cli.jobs import Scope, run_jobs

    if not run_jobs(settings, work, engine, Scope(namespace, space, resume, piece_size), parallel):
        raise typer.Exit(1)


Space = Annotated[str, typer.Argument(help="The search space")]
Namespace = Annotated[str, typer.Option(help="Whose search space it is")]


@app.command()
def models(space: Space, namespace: Namespace = "default") -> None:
    """The model versions of a search space that are kept, with their held-out figures."""
    from headstart_server.prediction.registry.versions import versions
    from headstart_server.runtime import startup
    from headstart_server.runtime.database.engine import create_engine
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(log_level="WARNING")
    startup.prepare_role(settings, "models")
    startup.require_database(settings)
    with create_engine(settings).connect() as connection:
        stored = versions(connection, namespace, space)
    if not stored:
        typer.echo(f"{namespace}/{space} has no model yet")
    for version in stored:
        count = sum(figures.held_out_count for figures in version.validation)
        tau = sum(figures.kendall_tau * figures.held_out_count for figures in version.validation) / max(count, 1)
        figures = f"tau {tau:.3f} on {count} held out" if count else "no figures"
        typer.echo(
            f"{version.number:>6}  {version.state:<9}  {version.created_at:%Y-%m-%d %H:%M}  "
            f"{version.training_size} results  {figures}"
        )


@app.command()
def rollback(
    space: Space,
    number: Annotated[int | None, typer.Argument(help="The version [default: the one that served before]")] = None,
    namespace: Namespace = "default",
) -> None:
    """Let an earlier model version of a search space serve again; running servers follow within a second or two."""
    from headstart_server.prediction.training.pipeline import roll_back
    from headstart_server.runtime import startup
    from headstart_server.runtime.database.engine import create_engine
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(log_level="WARNING")
    startup.prepare_role(settings, "rollback")
    startup.require_database(settings)
    version = roll_back(create_engine(settings), namespace, space, number)
    typer.echo(f"{version.name} serves")


@app.command()
def migrate(
    back: Annotated[
        bool, typer.Option("--back", help="Undo the newest revision instead, for the version before; its data go")
    ] = False,
) -> None:
    """Bring the database's tables to this version."""
    from headstart_server.runtime import startup
    from headstart_server.runtime.settings import load_settings

    settings = load_settings()
    startup.prepare_role(settings, "migrate")
    before, after = startup.migrate_database(settings, back)
    if before == after:
        typer.echo(f"The database is at schema revision {after} already")
    else:
        typer.echo(f"The database went from {before or 'no tables'} to schema revision {after}")


BackupFile = Annotated[Path, typer.Argument(help="The file of the backup")]


@app.command()
def backup(file: BackupFile, data_directory: DataDirectory = None) -> None:
    """Write the whole database to a new file, while servers go on. Vectors are not in it: they are made again."""
    from headstart_server.cli.backup import back_up
    from headstart_server.runtime.settings import load_settings

    with _progress("Backing up") as tell:
        done = back_up(load_settings(data_directory=data_directory), file, tell)
    typer.echo(f"Backed up to {done}")


@app.command()
def restore(file: BackupFile, data_directory: DataDirectory = None) -> None:
    """Fill an empty database from a backup, and bring its tables to this version."""
    from headstart_server.cli.backup import restore as run
    from headstart_server.runtime.settings import load_settings

    with _progress("Restoring") as tell:
        done = run(load_settings(data_directory=data_directory), file, tell)
    typer.echo(f"Restored {done}")
    typer.echo("Workers fill an empty Chroma by themselves; `headstart-server reindex` replaces an index of other days")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """A callback that shows the progress of a long command."""
    from rich.console import Console

    with Console(stderr=True).status(f"{what} ...") as status:
        yield lambda news: status.update(f"{what}: {news}")


@app.command()
def check(data_directory: DataDirectory = None) -> None:
    """Whether everything a server needs is in place, and what to do where it is not."""
    from headstart_server.cli.check import run_checks
    from headstart_server.runtime.settings import load_settings

    if not run_checks(load_settings(data_directory=data_directory)):
        raise typer.Exit(1)


@app.command()
def health(
    address: Annotated[str | None, typer.Argument(help="HOST:PORT [default: where this machine's own serves]")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Ask by TLS: who signed the server's certificate (PEM)")] = None,
    name: Annotated[str | None, typer.Option(help="The certificate's name, where it is not the address's")] = None,
) -> None:
    """Whether a server or predictor host serves: exit code 0, else 1. For health checks of containers."""
    from headstart_server.roles.health import SERVING, health_of, own_address
    from headstart_server.runtime.settings import load_settings

    answer = health_of(address or own_address(load_settings().grpc_address), ca_file, name)
    typer.echo(answer)
    if answer != SERVING:
        raise typer.Exit(1)


def _require_graph_kernels(settings: Settings) -> None:
    """Fail now, rather than at the first model, if the settings require DGL and it is missing."""
    if settings.graph_kernels == "dgl":
        from headstart_server.prediction.graph.message_passing import load_kernels

        load_kernels(settings.graph_kernels)


def main() -> None:
    proxies.bypass_on_this_machine()
    try:
        app()
    except Exception as error:
        from headstart_server.runtime.errors import ServiceError, StartupError

        if not isinstance(error, StartupError | ServiceError):
            raise
        sys.stderr.write(f"headstart-server: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
