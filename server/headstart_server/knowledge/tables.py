"""Tables of the knowledge room.

Ids that clients choose are unique names inside a namespace; rows refer to each other by number. ``experiments`` is
partitioned by hash of the task, so every unique key of it holds ``task_id``.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from headstart_server.runtime.database.engine import metadata


def _created_at(name: str = "created_at") -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


namespaces = Table(
    "namespaces",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    _created_at(),
)

search_spaces = Table(
    "search_spaces",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("namespace_id", ForeignKey("namespaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("declaration", JSONB, nullable=False),
    _created_at(),
    UniqueConstraint("namespace_id", "name"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("namespace_id", ForeignKey("namespaces.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("maximize", Boolean, nullable=False),
    Column("descriptor", JSONB, nullable=False),
    Column("meta_features", JSONB, nullable=False),
    Column("fidelity_unit", Text, nullable=False),
    Column("max_fidelity", Float(53), nullable=False),
    _created_at(),
    _created_at("updated_at"),
    UniqueConstraint("namespace_id", "name"),
    # Finds the newest of a namespace.
    Index("ix_tasks_namespace_id_id", "namespace_id", "id"),
)

# One row for each task and space: the lock that orders its experiments, and their summary.
task_summaries = Table(
    "task_summaries",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    Column("experiment_count", BigInteger, nullable=False, server_default="0"),
    Column("completed_count", BigInteger, nullable=False, server_default="0"),
    Column("incumbent_sequence", BigInteger),
    Column("incumbent_value", Float(53)),
    Index("ix_task_summaries_search_space_id", "search_space_id"),
)

# Distinct architectures of a space, over all tasks.
architectures = Table(
    "architectures",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("search_space_id", ForeignKey("search_spaces.id"), nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("candidate", JSONB, nullable=False),
    Column("canonical", JSONB, nullable=False),
    # Nodes of the canonical graph; 0 without one.
    Column("node_count", Integer, nullable=False),
    _created_at(),
    UniqueConstraint("search_space_id", "fingerprint"),
    Index("ix_architectures_search_space_id_id", "search_space_id", "id"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    # 1, 2, 3, ... in the order of commits within the task and space.
    Column("sequence", BigInteger, primary_key=True),
    Column("request_id", UUID(as_uuid=True), nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("architecture_id", ForeignKey("architectures.id"), nullable=False),
    # As it was sent: one of the equivalent candidates of the architecture.
    Column("candidate", JSONB, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("objective_value", Float(53)),
    Column("fidelity", Float(53)),
    Column("metrics", JSONB, nullable=False),
    Column("curve_fidelities", ARRAY(Float(53)), nullable=False),
    Column("curve_values", ARRAY(Float(53)), nullable=False),
    Column("cost_seconds", Float(53)),
    Column("proxies", JSONB, nullable=False),
    Column("seed", BigInteger),
    Column("decision_id", UUID(as_uuid=True)),
    Column("worker_id", Text, nullable=False),
    _created_at("recorded_at"),
    # Denormalised from the task, for lists of a whole namespace.
    Column("namespace_id", BigInteger, nullable=False),
    UniqueConstraint("task_id", "request_id"),
    Index("ix_experiments_architecture_id_task_id", "architecture_id", "task_id"),
    Index("ix_experiments_task_id_objective_value", "task_id", "objective_value", "search_space_id", "sequence"),
    Index(
        "ix_experiments_namespace_id_recorded_at",
        "namespace_id",
        "recorded_at",
        "task_id",
        "search_space_id",
        "sequence",
    ),
    postgresql_partition_by="HASH (task_id)",
)

# The outbox of the vector index: new architectures, and removed ones (those without architecture_id).
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("architecture_id", ForeignKey("architectures.id", ondelete="CASCADE")),
    _created_at(),
    Column("search_space_id", ForeignKey("search_spaces.id"), nullable=False),
    Column("fingerprint", Text, nullable=False),
    # Each space has its own queue.
    Index("ix_outbox_search_space_id_id", "search_space_id", "id"),
    Index("ix_outbox_architecture_id", "architecture_id"),
)

# Collections of the vector index, by embedding version: one serves, one may be under construction beside it, and
# retired ones wait to be dropped.
vector_indexes = Table(
    "vector_indexes",
    metadata,
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    Column("version", Text, primary_key=True),
    Column("state", Text, nullable=False),
    # The number of vectors when the worker last looked.
    Column("vector_count", BigInteger, nullable=False, server_default="0"),
    # The number of the last architecture that was put into a version under construction.
    Column("built_through", BigInteger, nullable=False, server_default="0"),
    _created_at(),
    _created_at("updated_at"),
)

# Failures of the vector index by search space and kind of work: delivery, building, comparison.
index_failures = Table(
    "index_failures",
    metadata,
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    Column("work", Text, primary_key=True),
    # Consecutive failures.
    Column("tries", Integer, nullable=False),
    Column("error", Text, nullable=False),
    _created_at("first_at"),
    Column("retry_at", DateTime(timezone=True), nullable=False),
)

# Performance profiles: predicted normal scores of a fixed set of probe architectures.
task_embeddings = Table(
    "task_embeddings",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("search_space_id", ForeignKey("search_spaces.id"), primary_key=True),
    # Version of the probes: only profiles of one version are comparable.
    Column("version", Text, nullable=False),
    Column("profile", ARRAY(REAL), nullable=False),
    # The number of experiments when it was made.
    Column("experiment_count", BigInteger, nullable=False),
    _created_at("updated_at"),
    Index("ix_task_embeddings_search_space_id", "search_space_id"),
)

# Weights of meta-features for the agreement between tasks; learned from pairs of tasks.
meta_feature_weights = Table(
    "meta_feature_weights",
    metadata,
    Column("namespace_id", ForeignKey("namespaces.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("weight", Float(53), nullable=False),
    Column("pair_count", BigInteger, nullable=False),
    _created_at("updated_at"),
)

task_clusters = Table(
    "task_clusters",
    metadata,
    Column("namespace_id", ForeignKey("namespaces.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    # The id of the medoid.
    Column("medoid", Text, nullable=False),
    Column("silhouette", Float(53)),
    _created_at("updated_at"),
    UniqueConstraint("namespace_id", "name"),
)

# The cluster of each task, and its position on the task map.
task_cluster_members = Table(
    "task_cluster_members",
    metadata,
    Column("task_id", ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("namespace_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("x", Float(53), nullable=False),
    Column("y", Float(53), nullable=False),
    ForeignKeyConstraint(
        ["namespace_id", "number"], ["task_clusters.namespace_id", "task_clusters.number"], ondelete="CASCADE"
    ),
    Index("ix_task_cluster_members_namespace_id_number", "namespace_id", "number"),
)
