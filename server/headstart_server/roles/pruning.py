"""Removes what has had its life: answered requests, entries of the audit log, suggestions that nobody came back to.

An answered request is kept so that a repetition gets the first answer. Clients repeat within minutes; after its life a
request id is a new one. Decisions live as long as their task, since arms are learned from them, and rows of the outbox
until they are delivered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Engine, Table, delete, func, select, tuple_

from headstart_server.access.tables import audit_log
from headstart_server.runtime.database.claims import claimed
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.database.idempotency import requests
from headstart_server.runtime.settings import Settings
from headstart_server.warm_start.tables import recent_suggestions

_SECONDS_BETWEEN = 3600.0
# Rows in a transaction; others do not wait long for it.
_ROWS = 5_000
_DAY_SECONDS = 86_400.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Rule:
    """Rows of a table, by primary key, whose ``ended`` is ``seconds`` ago."""

    table: Table
    ended: Column[object]
    seconds: float

    @property
    def key(self) -> Sequence[Column[object]]:
        return list(self.table.primary_key.columns)

    @property
    def over(self) -> ColumnElement[bool]:
        return self.ended < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)


class Pruner:
    """Prunes for one worker; of all workers one prunes at a time."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._due = 0.0
        self._rules = (
            _Rule(requests, requests.c.answered_at, settings.request_days * _DAY_SECONDS),
            _Rule(audit_log, audit_log.c.at, settings.audit_days * _DAY_SECONDS),
            _Rule(recent_suggestions, recent_suggestions.c.expires_at, _DAY_SECONDS),
        )

    def look_again(self) -> None:
        """Let the next ``prune`` look at everything."""
        self._due = 0.0

    def prune(self) -> bool:
        """Once an hour, remove a batch from each table; returns whether there may be more."""
        if time.monotonic() < self._due:
            return False
        with claimed(self._engine, "prune") as claim:
            if claim is None:
                return False
            removed = {rule.table.name: self._remove(rule) for rule in self._rules}
        if any(removed.values()):
            logger.info("removed what is over: %s", ", ".join(f"{count} {name}" for name, count in removed.items()))
        more = any(count == _ROWS for count in removed.values())
        if not more:
            self._due = time.monotonic() + _SECONDS_BETWEEN
        return more

    def _remove(self, rule: _Rule) -> int:
        oldest = select(*rule.key).where(rule.over).order_by(rule.ended).limit(_ROWS)
        statement = delete(rule.table).where(tuple_(*rule.key).in_(oldest))
        return run_transaction(self._engine, lambda connection: connection.execute(statement).rowcount)
