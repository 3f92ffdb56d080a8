"""Statements that PostgreSQL plans once for a connection, and again after some seconds, instead of at each call.

To plan a short statement takes longer than to run it, over the partitions of experiments several times as long. The
driver knows no prepared statements, so they are sent as PREPARE and EXECUTE. Their plans do not look at what is asked
for (``plan_cache_mode`` of the connection). They are made anew soon, since a plan for an empty table is none for a
full one, and PostgreSQL itself gives plans up only when it has analysed a table.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.sql.base import Executable

E = TypeVar("E", bound=Executable)

# Of a statement, or of one execution of it.
PLANNED_ONCE = {"planned_once": True}
_LIFETIME_SECONDS = 2.0
_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class _Plan:
    name: str
    call: str
    until: float


_numbers = itertools.count()
# By driver connection and the statement's text.
_plans: WeakKeyDictionary[Any, dict[str, _Plan]] = WeakKeyDictionary()


def planned_once(statement: E) -> E:
    """Let a statement with one text, whatever it is asked, be planned once. Its parameters need types of their own."""
    return statement.execution_options(**PLANNED_ONCE)


def watch(engine: Engine) -> None:
    """Send such statements of an engine as what they are; after ``tenancy.watch``, which is to be asked first."""
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "do_execute", execute)


def execute(cursor: Any, statement: str, parameters: Any, context: Any, before: str = "") -> bool:
    """Send a statement, in one message with what comes ``before`` it; False where there is nothing to do else."""
    if not context.execution_options.get("planned_once"):
        if before:
            cursor.execute(before + statement, parameters)
        return bool(before)
    plans = _plans.setdefault(cursor.connection, {})
    plan = plans.get(statement)
    if plan is None or plan.until < time.monotonic():
        if plan is not None:
            before += f"DEALLOCATE {plan.name}; "
        # If this fails it may stand or not: the next is another.
        plans.pop(statement, None)
        prepare, plan = _planned(statement)
        before += prepare
    cursor.execute(before + plan.call, parameters)
    plans[statement] = plan
    return True


def _planned(statement: str) -> tuple[str, _Plan]:
    """How to prepare a statement, and the plan that is there then."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    body = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
    name = f"headstart_{next(_numbers)}"
    sent = ", ".join(f"%({each})s" for each in names)
    call = f"EXECUTE {name} ({sent})" if names else f"EXECUTE {name}"
    return f"PREPARE {name} AS {body}; ", _Plan(name, call, time.monotonic() + _LIFETIME_SECONDS)


def _set_up(driver_connection: Any, _: object) -> None:
    with driver_connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
    driver_connection.commit()
