"""All commands in one place, and the options that stand before them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from headstart.client import DEFAULT_ADDRESS
from headstart.command_line import advice, experiments, history, similarities, spaces, strategies, tasks, transfers
from headstart.command_line.session import Connection

_LOOK, _COMPARE, _ASK, _KEEP = "Look", "Compare", "Ask", "Keep"

app = typer.Typer(
    name="headstart",
    help="Look into a running Headstart service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: tuple[tuple[str, str, Callable[..., None]], ...] = (
    (_LOOK, "tasks", tasks.tasks),
    (_LOOK, "task", tasks.task),
    (_LOOK, "spaces", spaces.spaces),
    (_LOOK, "space", spaces.space),
    (_LOOK, "experiments", experiments.experiments),
    (_LOOK, "experiment", experiments.experiment),
    (_LOOK, "predictor", spaces.predictor),
    (_COMPARE, "clusters", similarities.clusters),
    (_ASK, "suggest", advice.suggest),
    (_ASK, "explain", advice.explain),
    (_ASK, "transfer", transfers.transfer),
    (_ASK, "strategies", strategies.strategies),
    (_KEEP, "import", history.import_history),
    (_KEEP, "export", history.export_history),
    (_KEEP, "update-task", tasks.update_task),
    (_KEEP, "delete-task", tasks.delete_task),
)
for _panel, _name, _command in _COMMANDS:
    app.command(_name, rich_help_panel=_panel)(_command)
app.add_typer(similarities.similar, name="similar", rich_help_panel=_COMPARE)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"headstart {version('headstart')}")
        raise typer.Exit


@app.callback()
def _connection(
    context: typer.Context,
    address: Annotated[
        str, typer.Option(envvar="HEADSTART_ADDRESS", metavar="HOST:PORT", help="Of the service.")
    ] = DEFAULT_ADDRESS,
    token: Annotated[
        str | None, typer.Option(envvar="HEADSTART_TOKEN", metavar="TOKEN", help="Of your namespace.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.001, metavar="SECONDS", help="For each call.")] = 10.0,
    tls: Annotated[
        bool, typer.Option("--tls", envvar="HEADSTART_TLS", help="With the authorities of this system.")
    ] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="HEADSTART_CA_FILE", metavar="FILE", help="TLS: who signed the service's certificate."),
    ] = None,
    certificate_file: Annotated[
        Path | None, typer.Option(envvar="HEADSTART_CERTIFICATE_FILE", metavar="FILE", help="TLS: your certificate.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="HEADSTART_KEY_FILE", metavar="FILE", help="TLS: its key.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version, and end.")
    ] = False,
) -> None:
    context.obj = Connection(address, token, timeout, tls, ca_file, certificate_file, key_file)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="headstart")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0
