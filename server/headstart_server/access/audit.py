"""The audit log: each administrative change and its author, written in the transaction of the change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from headstart_server.access.tables import audit_log


@dataclass(frozen=True)
class AuditEntry:
    at: datetime
    namespace: str
    actor: str
    action: str
    subject: str


def audit(connection: Connection, namespace: str, actor: str, action: str, subject: str) -> None:
    connection.execute(
        audit_log.insert().values(namespace=namespace, actor=actor, action=action, subject=subject[:1024])
    )


def latest_entries(connection: Connection, limit: int) -> list[AuditEntry]:
    """The newest entries first."""
    rows = connection.execute(select(audit_log).order_by(audit_log.c.id.desc()).limit(limit))
    return [AuditEntry(row.at, row.namespace, row.actor, row.action, row.subject) for row in rows]
