"""Reservations: pending suggestions of a task, so that workers who ask at the same time get different ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from headstart_server.knowledge.search_spaces import find_search_space
from headstart_server.knowledge.tasks import not_found
from headstart_server.runtime.database.prepared_statements import prepared_once

_ROW_IDS = prepared_once(
    text(
        """
        SELECT tasks.id, search_spaces.id FROM namespaces
        JOIN tasks ON tasks.namespace_id = namespaces.id
        JOIN search_spaces ON search_spaces.namespace_id = namespaces.id
        WHERE namespaces.name = :namespace AND tasks.name = :task AND search_spaces.name = :space
        """
    )
)
_TAKE_TURN = prepared_once(
    text("SELECT current_setting('transaction_read_only'), pg_advisory_xact_lock(hashtextextended(:key, 0))")
)
_DELETE_EXPIRED = prepared_once(
    text(
        """
        DELETE FROM recent_suggestions
        WHERE task_id = :task AND search_space_id = :space AND expires_at <= clock_timestamp()
        """
    )
)
_FIND = prepared_once(
    text(
        """
        SELECT fingerprint FROM recent_suggestions
        WHERE task_id = :task AND search_space_id = :space AND expires_at > clock_timestamp()
        """
    )
)
_INSERT = prepared_once(
    text(
        """
        INSERT INTO recent_suggestions (task_id, search_space_id, fingerprint, expires_at)
        SELECT :task, :space, fingerprint, clock_timestamp() + :ttl
        FROM unnest(CAST(:fingerprints AS text[])) AS fingerprint ON CONFLICT DO NOTHING
        """
    )
)


def pending_suggestions(connection: Connection, namespace: str, task_id: str, search_space_id: str) -> set[str]:
    """Fingerprints of the unexpired suggestions of a task in a space, without a lock. Raises NotFound."""
    task, space = _row_ids(connection, namespace, task_id, search_space_id)
    return set(connection.execute(_FIND, {"task": task, "space": space}).scalars())


class Reservations:
    """The unexpired suggestions of a task in a space, locked against other callers until the transaction ends."""

    def __init__(self, connection: Connection, namespace: str, task_id: str, search_space_id: str) -> None:
        """Raises NotFound."""
        self._connection = connection
        self._task, self._space = _row_ids(connection, namespace, task_id, search_space_id)
        key = {"key": f"suggestions/{self._task}/{self._space}"}
        read_only: str = connection.execute(_TAKE_TURN, key).scalar_one()
        self.writable = read_only == "off"
        """False while the database is read-only: nothing is reserved then, and suggestions may repeat."""

    def fingerprints(self) -> set[str]:
        """The reserved architectures. Deletes expired reservations."""
        scope = {"task": self._task, "space": self._space}
        if self.writable:
            self._connection.execute(_DELETE_EXPIRED, scope)
        return set(self._connection.execute(_FIND, scope).scalars())

    def add(self, fingerprints: Sequence[str], ttl: timedelta) -> None:
        """Reserve architectures until ``ttl`` from now."""
        if fingerprints and self.writable:
            row = {"task": self._task, "space": self._space, "ttl": ttl, "fingerprints": sorted(fingerprints)}
            self._connection.execute(_INSERT, row)


def _row_ids(connection: Connection, namespace: str, task_id: str, search_space_id: str) -> tuple[int, int]:
    """Row ids of the task and the space. Raises NotFound."""
    parameters = {"namespace": namespace, "task": task_id, "space": search_space_id}
    row = connection.execute(_ROW_IDS, parameters).first()
    if row is None:
        # Raises for the space if that is the one missing.
        find_search_space(connection, namespace, search_space_id)
        raise not_found(task_id)
    return row[0], row[1]
