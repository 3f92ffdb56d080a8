"""Table of pending suggestions."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Table, Text

from headstart_server.runtime.database.engine import metadata

recent_suggestions = Table(
    "recent_suggestions",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
