"""Tables of access: tokens by their hash, quotas of namespaces, the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Float, ForeignKey, Index, LargeBinary, Table, Text, func

from headstart_server.runtime.database.engine import metadata

tokens = Table(
    "tokens",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("namespace_id", ForeignKey("namespaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # Hash of the secret, which is not stored.
    Column("digest", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Index("ix_tokens_namespace_id", "namespace_id"),
)

# Quotas of a namespace; NULL means no limit.
quotas = Table(
    "quotas",
    metadata,
    Column("namespace_id", ForeignKey("namespaces.id"), primary_key=True),
    Column("calls_per_second", Float(53)),
    Column("experiments", BigInteger),
    Column("tasks", BigInteger),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("namespace", Text, nullable=False),
    # The calling token, or "operator" for a command on the machine.
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Index("ix_audit_log_at", "at"),
)
