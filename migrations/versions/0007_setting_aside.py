"""A search space that cannot be indexed is set aside, each has its own queue, and old answered requests are found.

Plain SQL, and a copy of what the rooms declared when this revision was made: it must give the same tables for ever.
Servers of the version before go on beside it: they know neither the table nor the order of the index.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    """
    CREATE TABLE index_failures (
        search_space_id BIGINT NOT NULL,
        work TEXT NOT NULL,
        tries INTEGER NOT NULL,
        error TEXT NOT NULL,
        first_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        retry_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_index_failures PRIMARY KEY (search_space_id, work),
        CONSTRAINT fk_index_failures_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE POLICY tenant ON index_failures
        USING (EXISTS (SELECT FROM search_spaces WHERE search_spaces.id = index_failures.search_space_id))
    """,
    "ALTER TABLE index_failures ENABLE ROW LEVEL SECURITY",
    "CREATE INDEX ix_outbox_search_space_id_id ON outbox (search_space_id, id)",
    "DROP INDEX ix_outbox_search_space_id",
    "CREATE INDEX ix_requests_answered_at ON requests (answered_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """What was set aside is tried again and again, as the version before did."""
    op.execute("DROP INDEX ix_requests_answered_at")
    op.execute("CREATE INDEX ix_outbox_search_space_id ON outbox (search_space_id)")
    op.execute("DROP INDEX ix_outbox_search_space_id_id")
    op.execute("DROP TABLE index_failures")
