"""Remembers what was suggested a short while ago, so that workers who ask at the same time do not get the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from headstart_server.knowledge.search_spaces import find_search_space
from headstart_server.knowledge.tasks import not_found
from headstart_server.runtime.database.prepared_statements import planned_once

_NUMBERS = planned_once(
    text(
        """
        SELECT tasks.id, search_spaces.id FROM namespaces
        JOIN tasks ON tasks.namespace_id = namespaces.id
        JOIN search_spaces ON search_spaces.namespace_id = namespaces.id
        WHERE namespaces.name = :namespace AND tasks.name = :task AND search_spaces.name = :space
        """
    )
)
_TAKE_TURN = planned_once(
    text("SELECT current_setting('transaction_read_only'), pg_advisory_xact_lock(hashtextextended(:key, 0))")
)
_FORGET = planned_once(
    text(
        """
        DELETE FROM recent_suggestions
        WHERE task_id = :task AND search_space_id = :space AND expires_at <= clock_timestamp()
        """
    )
)
_FIND = planned_once(
    text(
        """
        SELECT fingerprint FROM recent_suggestions
        WHERE task_id = :task AND search_space_id = :space AND expires_at > clock_timestamp()
        """
    )
)
_REMEMBER = planned_once(
    text(
        """
        INSERT INTO recent_suggestions (task_id, search_space_id, fingerprint, expires_at)
        SELECT :task, :space, fingerprint, clock_timestamp() + :ttl
        FROM unnest(CAST(:fingerprints AS text[])) AS fingerprint ON CONFLICT DO NOTHING
        """
    )
)


def pending_suggestions(connection: Connection, namespace: str, task_id: str, space_id: str) -> set[str]:
    """The unexpired suggestions of one task and space, as they stand. Raises NotFound."""
    task, space = _numbers(connection, namespace, task_id, space_id)
    return set(connection.execute(_FIND, {"task": task, "space": space}).scalars())


class RecentSuggestions:
    """The unexpired suggestions of one task and space, locked against other callers until the transaction ends."""

    def __init__(self, connection: Connection, namespace: str, task_id: str, space_id: str) -> None:
        """Raises NotFound."""
        self._connection = connection
        self._task, self._space = _numbers(connection, namespace, task_id, space_id)
        asked = {"key": f"suggestions/{self._task}/{self._space}"}
        read_only: str = connection.execute(_TAKE_TURN, asked).scalar_one()
        self.kept = read_only == "off"
        """Whether anything is remembered: not while the database is read-only, when suggestions may be made twice."""

    def fingerprints(self) -> set[str]:
        place = {"task": self._task, "space": self._space}
        if self.kept:
            self._connection.execute(_FORGET, place)
        return set(self._connection.execute(_FIND, place).scalars())

    def remember(self, fingerprints: Sequence[str], ttl: timedelta) -> None:
        if fingerprints and self.kept:
            row = {"task": self._task, "space": self._space, "ttl": ttl, "fingerprints": sorted(fingerprints)}
            self._connection.execute(_REMEMBER, row)


def _numbers(connection: Connection, namespace: str, task_id: str, space_id: str) -> tuple[int, int]:
    """Of the rows of task and space. Raises NotFound."""
    row = connection.execute(_NUMBERS, {"namespace": namespace, "task": task_id, "space": space_id}).first()
    if row is None:
        # Which of the two is it?
        find_search_space(connection, namespace, space_id)
        raise not_found(task_id)
    return row[0], row[1]
