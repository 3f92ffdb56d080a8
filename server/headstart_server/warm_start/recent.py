"""Remembers what was suggested a short while ago, so that workers who ask at the same time do not get the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.search_spaces import find_search_space
from headstart_server.knowledge.tables import namespaces, search_spaces, tasks
from headstart_server.knowledge.tasks import not_found
from headstart_server.warm_start.tables import recent_suggestions


class RecentSuggestions:
    """The unexpired suggestions of one task and space, locked against other callers until the transaction ends."""

    def __init__(self, connection: Connection, namespace: str, task_id: str, space_id: str) -> None:
        """Raises NotFound."""
        self._connection = connection
        self._task, self._space = _numbers(connection, namespace, task_id, space_id)
        read_only: str = connection.execute(
            text("SELECT current_setting('transaction_read_only'), pg_advisory_xact_lock(hashtextextended(:key, 0))"),
            {"key": f"suggestions/{self._task}/{self._space}"},
        ).scalar_one()
        self.kept = read_only == "off"
        """Whether anything is remembered: not while the database is read-only, when suggestions may be made twice."""

    def fingerprints(self) -> set[str]:
        columns = recent_suggestions.c
        mine = (columns.task_id == self._task) & (columns.search_space_id == self._space)
        expired = columns.expires_at <= func.clock_timestamp()
        if self.kept:
            self._connection.execute(delete(recent_suggestions).where(mine, expired))
        return set(self._connection.execute(select(columns.fingerprint).where(mine, ~expired)).scalars())

    def remember(self, fingerprints: Sequence[str], ttl: timedelta) -> None:
        if fingerprints and self.kept:
            row = {
                "task_id": self._task,
                "search_space_id": self._space,
                "expires_at": func.clock_timestamp() + ttl,
            }
            # One statement for all of them: the driver would send many rows one by one.
            rows = [{**row, "fingerprint": fingerprint} for fingerprint in sorted(fingerprints)]
            self._connection.execute(insert(recent_suggestions).values(rows).on_conflict_do_nothing())


def _numbers(connection: Connection, namespace: str, task_id: str, space_id: str) -> tuple[int, int]:
    """Of the rows of task and space. Raises NotFound."""
    query = (
        select(tasks.c.id, search_spaces.c.id)
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .join(search_spaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace, tasks.c.name == task_id, search_spaces.c.name == space_id)
    )
    row = connection.execute(query).first()
    if row is None:
        # Which of the two is it?
        find_search_space(connection, namespace, space_id)
        raise not_found(task_id)
    return row[0], row[1]
