"""Tables of the prediction domain: model versions with their artefacts."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from headstart_server.runtime.database.engine import metadata

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("namespace_id", ForeignKey("namespaces.id"), nullable=False),
    Column("search_space_id", ForeignKey("search_spaces.id"), nullable=False),
    # 1, 2, 3, ... within the search space.
    Column("number", Integer, nullable=False),
    # CANDIDATE until promoted, then SERVING, then RETIRED, or REJECTED; one version of a space serves.
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Validation metrics, for each task with enough results.
    Column("metrics", JSONB, nullable=False),
    Column("artefact", LargeBinary, nullable=False),
    Column("training_size", BigInteger, nullable=False),
    # Experiments of the space when it was trained.
    Column("trained_through", BigInteger, nullable=False),
    Column("parameter_count", BigInteger, nullable=False),
    Column("training_seconds", Float(53), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("search_space_id", "number"),
)
