"""The knowledge base: what lists and lookups ask for, versions of the vector index, how tasks behave, task clusters.

Plain SQL, and a copy of what the rooms declared when this revision was made: it must give the same tables for ever.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # Lists of a whole namespace, by time.
    "ALTER TABLE experiments ADD COLUMN namespace_id BIGINT",
    "UPDATE experiments SET namespace_id = tasks.namespace_id FROM tasks WHERE tasks.id = experiments.task_id",
    "ALTER TABLE experiments ALTER COLUMN namespace_id SET NOT NULL",
    """
    CREATE INDEX ix_experiments_namespace_id_recorded_at
        ON experiments (namespace_id, recorded_at, task_id, search_space_id, sequence)
    """,
    # Lists of a task, by value.
    """
    CREATE INDEX ix_experiments_task_id_objective_value
        ON experiments (task_id, objective_value, search_space_id, sequence)
    """,
    # What an architecture reached on any task.
    "CREATE INDEX ix_experiments_architecture_id_task_id ON experiments (architecture_id, task_id)",
    "DROP INDEX ix_experiments_task_id_architecture_id",
    "ALTER TABLE architectures ADD COLUMN node_count INTEGER",
    """
    UPDATE architectures SET node_count =
        CASE jsonb_typeof(canonical -> 'graph')
            WHEN 'array' THEN jsonb_array_length(canonical -> 'graph' -> 0) ELSE 0 END
    """,
    "ALTER TABLE architectures ALTER COLUMN node_count SET NOT NULL",
    # The architectures of a space in the order of recording.
    "CREATE INDEX ix_architectures_search_space_id_id ON architectures (search_space_id, id)",
    # The outbox names removals too: rows without an architecture.
    "ALTER TABLE outbox ADD COLUMN search_space_id BIGINT",
    "ALTER TABLE outbox ADD COLUMN fingerprint TEXT",
    """
    UPDATE outbox SET search_space_id = architectures.search_space_id, fingerprint = architectures.fingerprint
        FROM architectures WHERE architectures.id = outbox.architecture_id
    """,
    "ALTER TABLE outbox ALTER COLUMN search_space_id SET NOT NULL",
    "ALTER TABLE outbox ALTER COLUMN fingerprint SET NOT NULL",
    "ALTER TABLE outbox ALTER COLUMN architecture_id DROP NOT NULL",
    """
    ALTER TABLE outbox ADD CONSTRAINT fk_outbox_search_space_id
        FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    """,
    "CREATE INDEX ix_outbox_search_space_id ON outbox (search_space_id)",
    "CREATE INDEX ix_outbox_architecture_id ON outbox (architecture_id)",
    """
    CREATE TABLE vector_indexes (
        search_space_id BIGINT NOT NULL,
        version TEXT NOT NULL,
        state TEXT NOT NULL,
        vector_count BIGINT DEFAULT 0 NOT NULL,
        built_through BIGINT DEFAULT 0 NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_vector_indexes PRIMARY KEY (search_space_id, version),
        CONSTRAINT fk_vector_indexes_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE TABLE task_embeddings (
        task_id BIGINT NOT NULL,
        search_space_id BIGINT NOT NULL,
        version TEXT NOT NULL,
        profile REAL[] NOT NULL,
        experiment_count BIGINT NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_task_embeddings PRIMARY KEY (task_id, search_space_id),
        CONSTRAINT fk_task_embeddings_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
        CONSTRAINT fk_task_embeddings_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    "CREATE INDEX ix_task_embeddings_search_space_id ON task_embeddings (search_space_id)",
    """
    CREATE TABLE meta_feature_weights (
        namespace_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        weight DOUBLE PRECISION NOT NULL,
        pair_count BIGINT NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_meta_feature_weights PRIMARY KEY (namespace_id, name),
        CONSTRAINT fk_meta_feature_weights_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    """
    CREATE TABLE task_clusters (
        namespace_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        medoid TEXT NOT NULL,
        silhouette DOUBLE PRECISION,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_task_clusters PRIMARY KEY (namespace_id, number),
        CONSTRAINT uq_task_clusters_namespace_id_name UNIQUE (namespace_id, name),
        CONSTRAINT fk_task_clusters_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    """
    CREATE TABLE task_cluster_members (
        task_id BIGINT NOT NULL,
        namespace_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        x DOUBLE PRECISION NOT NULL,
        y DOUBLE PRECISION NOT NULL,
        CONSTRAINT pk_task_cluster_members PRIMARY KEY (task_id),
        CONSTRAINT fk_task_cluster_members_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
        CONSTRAINT fk_task_cluster_members_namespace_id_number FOREIGN KEY (namespace_id, number)
            REFERENCES task_clusters (namespace_id, number) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ix_task_cluster_members_namespace_id_number ON task_cluster_members (namespace_id, number)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Task clusters, embeddings, learned weights and the index's state go: they are derived from what stays.

    Removals that the vector index still waits for go too; the version before does not know them.
    """
    for table in ("task_cluster_members", "task_clusters", "meta_feature_weights", "task_embeddings", "vector_indexes"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DELETE FROM outbox WHERE architecture_id IS NULL")
    op.execute("DROP INDEX ix_outbox_architecture_id")
    # Their indexes and constraints go with the columns.
    op.execute("ALTER TABLE outbox DROP COLUMN search_space_id, DROP COLUMN fingerprint")
    op.execute("ALTER TABLE outbox ALTER COLUMN architecture_id SET NOT NULL")
    op.execute("DROP INDEX ix_architectures_search_space_id_id")
    op.execute("ALTER TABLE architectures DROP COLUMN node_count")
    op.execute("CREATE INDEX ix_experiments_task_id_architecture_id ON experiments (task_id, architecture_id)")
    op.execute("DROP INDEX ix_experiments_architecture_id_task_id")
    op.execute("DROP INDEX ix_experiments_task_id_objective_value")
    op.execute("ALTER TABLE experiments DROP COLUMN namespace_id")
