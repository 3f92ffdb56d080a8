"""Tables of the strategy room: decisions, sufficient statistics of every arm of a task, models of past decisions."""

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
    # What the policy knew: the arms' statistics, spent and total budget.
    Column("context", JSONB, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("experiment_count", BigInteger, nullable=False, server_default="0"),
    Column("reward_sum", Float(53), nullable=False, server_default="0"),
    # Whether its settings were chosen, or are the arm's defaults.
    Column("tuned", Boolean, nullable=False),
    # What took it: the bandit, the prior's single best, or the learned policy.
    Column("decided_by", Text, nullable=False),
    # Of its task: for what was tried of an arm on whatever task.
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
    # The arm with chosen settings and the arm with its defaults are apart.
    Column("tuned", Boolean, primary_key=True),
    Column("pulls", BigInteger, nullable=False),
    Column("total_reward", Float(53), nullable=False),
    # Of the pulls, and the sums of their rewards: each pull makes all earlier ones of its arm weigh less.
    Column("weight", Float(53), nullable=False),
    Column("reward_sum", Float(53), nullable=False),
    Column("reward_square_sum", Float(53), nullable=False),
)

# Learned from the decisions of all tasks of a namespace, by kind: the prior of arms, the policy.
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
    # Tasks it was trained on, and results of decisions in the namespace at that time.
    Column("training_size", BigInteger, nullable=False),
    Column("trained_through", BigInteger, nullable=False),
    Column("training_seconds", Float(53), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("namespace_id", "kind", "number"),
)
