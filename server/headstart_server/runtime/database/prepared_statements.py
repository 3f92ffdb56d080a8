"""Statements that PostgreSQL plans once for a connection, and again every few seconds, instead of at each call.

To plan a short statement takes longer than to run it, over the partitions of experiments several times as long. The
driver knows no prepared statements: they are sent as PREPARE, once for a connection, and EXECUTE. On such a connection
plans are made without looking at the values that are asked for (``plan_cache_mode``, which holds for triggers of
foreign keys too). Every few seconds they are discarded, since a plan for an empty table is none for a full one, and
PostgreSQL itself gives plans up only when it has analysed a table.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.sql.base import Executable

E = TypeVar("E", bound=Executable)

# An option of one execution; ``prepared_once`` sets it for all.
PREPARED_ONCE = {"prepared_once": True}
_LIFETIME_SECONDS = 5.0
_PARAMETER = re.compile(r"(?<!%)%\((\w+)\)s")


@dataclass
class _Prepared:
    """The ``names`` of the statements that are prepared on a connection."""

    names: set[str] = field(default_factory=set)
    until: float = field(default_factory=lambda: time.monotonic() + _LIFETIME_SECONDS)


# By connection of the driver.
_prepared: WeakKeyDictionary[Any, _Prepared] = WeakKeyDictionary()


def prepared_once(statement: E) -> E:
    """Mark a statement with constant text, so that it is prepared once for a connection.

    PostgreSQL infers the types of its parameters from their positions, and converts what is sent: 2.7 for a bigint is
    3.
    """
    return statement.execution_options(**PREPARED_ONCE)


def watch(engine: Engine) -> None:
    """Prepare the marked statements of an engine. A listener that sends something first must be registered before."""
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "do_execute", _execute)


def send(cursor: Any, statement: str, parameters: Any, context: Any, before: str = "", role: str = "") -> None:
    """Send any statement; ``before`` goes first, in one message with what follows.

    Each ``role`` of a connection has prepared statements of its own: PostgreSQL before 14.14, 15.9, 16.5 and 17.1 may
    keep the row-level security of the role that a plan was made for (CVE-2024-10976).
    """
    if not context.execution_options.get("prepared_once"):
        cursor.execute(before + statement, parameters)
        return
    prepared = _prepared.setdefault(cursor.connection, _Prepared())
    name = f"headstart_{hashlib.sha256(f'{role}/{statement}'.encode()).hexdigest()[:16]}"
    requested = list(dict.fromkeys(_PARAMETER.findall(statement)))
    if name not in prepared.names:
        body = _PARAMETER.sub(lambda result: f"${requested.index(result[1]) + 1}", statement)
        # In a message of its own: it is prepared even if the execution fails.
        cursor.execute(f"{before}PREPARE {name} AS {body}", {})
        prepared.names.add(name)
        before = ""
    if prepared.until < time.monotonic():
        prepared.until = time.monotonic() + _LIFETIME_SECONDS
        before += "DISCARD PLANS; "
    values = ", ".join(f"%({each})s" for each in requested)
    cursor.execute(f"{before}EXECUTE {name} ({values})" if values else f"{before}EXECUTE {name}", parameters)


def _execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
    """Whether it was sent here."""
    planned: bool = context.execution_options.get("prepared_once", False)
    if planned:
        send(cursor, statement, parameters, context)
    return planned


def _set_up(driver_connection: Any, _: object) -> None:
    with driver_connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
    driver_connection.commit()
