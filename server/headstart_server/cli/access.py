"""Commands of ``headstart-server`` about who may call: tokens, quotas, and the log of what was administered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

token = typer.Typer(name="token", help="Who may call: bearer tokens of namespaces.", no_args_is_help=True)
_ACTOR = f"operator {os.environ.get('USER', '')}".strip()

Namespace = Annotated[str, typer.Argument(help="Whose data it opens; made when it is not there")]


class RoleName(Enum):
    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"
    SERVICE = "service"


@token.command("create")
def create(
    namespace: Namespace,
    role: Annotated[RoleName, typer.Option(help="What it may do")] = RoleName.WRITER,
    name: Annotated[str, typer.Option(help="For people: who or what uses it")] = "",
    days: Annotated[float | None, typer.Option(min=0.0, help="Until it expires [default: never]")] = None,
) -> None:
    """Make a token and print it, this once. Only its hash is kept."""
    from headstart.spaces.validation import MAX_NAME_LENGTH, require, slug_violations, text_violations
    from headstart_server.access.roles import Role
    from headstart_server.access.tokens import create_token

    require(slug_violations(namespace, "namespace"))
    require(text_violations(name, "name", MAX_NAME_LENGTH))
    lifetime = None if days is None else timedelta(days=days)
    with _database() as connection:
        made, text = create_token(connection, namespace, name, Role[role.name], lifetime, _ACTOR)
    until = "never expires" if made.expires_at is None else f"expires {made.expires_at:%Y-%m-%d %H:%M}"
    typer.echo(f"token {made.number} of {namespace}, {role.value}, {until}", err=True)
    typer.echo(text)


@token.command("list")
def list_all(namespace: Annotated[str | None, typer.Option(help="Only of this one")] = None) -> None:
    """All tokens, without their secrets."""
    from headstart_server.access.tokens import list_tokens

    with _database() as connection:
        result = list_tokens(connection, namespace)
    for each in result:
        state = "valid"
        if each.expires_at is not None:
            state = f"until {each.expires_at:%Y-%m-%d %H:%M}"
        if each.revoked_at is not None:
            state = f"revoked {each.revoked_at:%Y-%m-%d %H:%M}"
        role = each.role.name.lower()
        typer.echo(f"{each.number:>6}  {each.namespace:<24}  {role:<8}  {state:<24}  {each.name}")
    if not result:
        typer.echo("There is no token yet: headstart-server token create NAMESPACE")


@token.command()
def revoke(number: Annotated[int, typer.Argument(help="As list shows it")]) -> None:
    """Let a token open nothing any more; running servers follow within seconds."""
    from headstart_server.access.tokens import revoke_token

    with _database() as connection:
        revoked = revoke_token(connection, number, _ACTOR)
    typer.echo(f"token {revoked.number} of {revoked.namespace} is revoked")


def quota(
    namespace: Annotated[str, typer.Argument(help="Whose")],
    calls_per_second: Annotated[float | None, typer.Option(min=0.001, help="Of each server process")] = None,
    experiments: Annotated[int | None, typer.Option(min=0)] = None,
    tasks: Annotated[int | None, typer.Option(min=0)] = None,
    none: Annotated[bool, typer.Option("--none", help="Remove all bounds")] = False,
) -> None:
    """Bound what a namespace may use, or show the bounds and what it uses."""
    from headstart_server.access.quotas import Quota, read_quota, read_usage, set_quota

    wanted = Quota(calls_per_second, experiments, tasks)
    with _database() as connection:
        if none or wanted != Quota():
            set_quota(connection, namespace, Quota() if none else wanted, _ACTOR)
        bounds, usage = read_quota(connection, namespace), read_usage(connection, namespace)
    typer.echo(f"calls per second: {_bound(bounds.calls_per_second)}")
    typer.echo(f"experiments: {usage.experiments} of {_bound(bounds.experiments)}")
    typer.echo(f"tasks: {usage.tasks} of {_bound(bounds.tasks)}")


def audit(limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 50) -> None:
    """The newest entries of the audit log: each administrative change and its author."""
    from headstart_server.access.audit import latest_entries

    with _database() as connection:
        for entry in latest_entries(connection, limit):
            typer.echo(
                f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.namespace}  {entry.actor}  {entry.action}  {entry.subject}"
            )


def _bound(value: float | None) -> str:
    return "no bound" if value is None else f"{value:g}"


@contextmanager
def _database() -> Iterator[Connection]:
    """A transaction on the service's database. Raises StartupError if it cannot be opened."""
    from headstart_server.runtime import startup
    from headstart_server.runtime.database.engine import create_engine
    from headstart_server.runtime.settings import load_settings

    settings = load_settings(log_level="WARNING")
    startup.prepare_role(settings, "access")
    startup.require_database(settings)
    engine = create_engine(settings)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
