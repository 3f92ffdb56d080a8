"""Tables of the strategy room: every decision as a row, and the sufficient statistics of every arm of a task."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Float, ForeignKey, Index, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB, UUID

from headstart_server.runtime.database import metadata

strategy_decisions = Table(
    "strategy_decisions",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("arm", Text, nullable=False),
    Column("hyperparameters", JSONB, nullable=False),
    Column("probability", Float(53), nullable=False),
    Column("expected_reward", Float(53), nullable=False),
    Column("reason", Text, nullable=False),
    # What the policy knew: the arms' statistics, spent and total budget.
    Column("context", JSONB, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("experiment_count", BigInteger, nullable=False, server_default="0"),
    Column("reward_sum", Float(53), nullable=False, server_default="0"),
    Index("ix_strategy_decisions_task_id_expires_at", "task_id", "expires_at"),
)

strategy_arms = Table(
    "strategy_arms",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("pulls", BigInteger, nullable=False),
    Column("reward_sum", Float(53), nullable=False),
    Column("reward_square_sum", Float(53), nullable=False),
)
