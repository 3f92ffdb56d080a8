"""Tables of strategy selection: decisions, sufficient statistics of every arm of a task, strategy models."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from headstart_server.runtime.database.engine import metadata

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
    # The arms' beliefs, the state of the search, and the spent and total budget.
    Column("context", JSONB, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("experiment_count", BigInteger, nullable=False, server_default="0"),
    Column("reward_sum", Float(53), nullable=False, server_default="0"),
    # True: the service chose the settings; false: the arm's defaults.
    Column("tuned", Boolean, nullable=False),
    # bandit, prior or policy.
    Column("decided_by", Text, nullable=False),
    # The namespace of the task, to find tried settings of an arm over all its tasks.
    Column("namespace_id", BigInteger, nullable=False),
    Index("ix_strategy_decisions_task_id_expires_at", "task_id", "expires_at"),
    Index("ix_strategy_decisions_task_id_decided_at", "task_id", "decided_at", "id"),
    Index(
        "ix_strategy_decisions_namespace_id_arm_decided_at",
        "namespace_id",
        "arm",
        "decided_at",
        postgresql_where=text("tuned"),
    ),
)

strategy_arms = Table(
    "strategy_arms",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("arm", Text, primary_key=True),
    # An arm with chosen settings and the arm with its defaults are two rows.
    Column("tuned", Boolean, primary_key=True),
    Column("pulls", BigInteger, nullable=False),
    Column("total_reward", Float(53), nullable=False),
    # Discounted count of the pulls and discounted sums of their rewards.
    Column("weight", Float(53), nullable=False),
    Column("reward_sum", Float(53), nullable=False),
    Column("reward_square_sum", Float(53), nullable=False),
)

# Trained on the decisions of all tasks of a namespace, by kind: prior or policy.
strategy_models = Table(
    "strategy_models",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("namespace_id", ForeignKey("namespaces.id"), nullable=False),
    Column("kind", Text, nullable=False),
    # 1, 2, 3, ... within namespace and kind.
    Column("number", Integer, nullable=False),
    # SERVING, RETIRED, or REJECTED; at most one of a kind serves.
    Column("state", Text, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("artefact", LargeBinary, nullable=False),
    # Number of tasks it was trained on, and of results of decisions in the namespace at that time.
    Column("training_size", BigInteger, nullable=False),
    Column("trained_through", BigInteger, nullable=False),
    Column("training_seconds", Float(53), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("namespace_id", "kind", "number"),
)
