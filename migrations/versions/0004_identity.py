"""Who may call: tokens by their hash, quotas of namespaces, and a log of what was administered.

Plain SQL, and a copy of what was declared when this revision was made: it must give the same tables for ever.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    CREATE TABLE tokens (
        id BIGSERIAL NOT NULL,
        namespace_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        digest BYTEA NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        expires_at TIMESTAMPTZ,
        revoked_at TIMESTAMPTZ,
        CONSTRAINT pk_tokens PRIMARY KEY (id),
        CONSTRAINT fk_tokens_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    "CREATE INDEX ix_tokens_namespace_id ON tokens (namespace_id)",
    """
    CREATE TABLE quotas (
        namespace_id BIGINT NOT NULL,
        calls_per_second DOUBLE PRECISION,
        experiments BIGINT,
        tasks BIGINT,
        CONSTRAINT pk_quotas PRIMARY KEY (namespace_id),
        CONSTRAINT fk_quotas_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    """
    CREATE TABLE audit_log (
        id BIGSERIAL NOT NULL,
        at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        namespace TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        CONSTRAINT pk_audit_log PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX ix_audit_log_at ON audit_log (at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Tokens, quotas and the log of what was administered go: the version before knows none of them."""
    for table in ("audit_log", "quotas", "tokens"):
        op.execute(f"DROP TABLE {table}")
