"""The first tables: knowledge, model versions, strategy decisions, suggestions, answered requests.

Plain SQL, and a copy of what the rooms declared when this revision was made: it must give the same tables for ever.
"""

from alembic import op

revision = "0001"
down_revision = None

EXPERIMENT_PARTITIONS = 16

STATEMENTS = (
    """
    CREATE TABLE jobs (
        id BIGSERIAL NOT NULL,
        kind TEXT NOT NULL,
        namespace TEXT NOT NULL,
        subject TEXT NOT NULL,
        attempts INTEGER DEFAULT 0 NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        run_after TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_jobs PRIMARY KEY (id),
        CONSTRAINT uq_jobs_kind_namespace_subject UNIQUE (kind, namespace, subject)
    )
    """,
    """
    CREATE TABLE namespaces (
        id BIGSERIAL NOT NULL,
        name TEXT NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_namespaces PRIMARY KEY (id),
        CONSTRAINT uq_namespaces_name UNIQUE (name)
    )
    """,
    """
    CREATE TABLE requests (
        namespace TEXT NOT NULL,
        request_id UUID NOT NULL,
        method TEXT NOT NULL,
        content_hash BYTEA NOT NULL,
        response BYTEA NOT NULL,
        answered_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_requests PRIMARY KEY (namespace, request_id)
    )
    """,
    """
    CREATE TABLE search_spaces (
        id BIGSERIAL NOT NULL,
        namespace_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        declaration JSONB NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_search_spaces PRIMARY KEY (id),
        CONSTRAINT uq_search_spaces_namespace_id_name UNIQUE (namespace_id, name),
        CONSTRAINT fk_search_spaces_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    """
    CREATE TABLE tasks (
        id BIGSERIAL NOT NULL,
        namespace_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        metric TEXT NOT NULL,
        maximize BOOLEAN NOT NULL,
        descriptor JSONB NOT NULL,
        meta_features JSONB NOT NULL,
        fidelity_unit TEXT NOT NULL,
        max_fidelity DOUBLE PRECISION NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_tasks PRIMARY KEY (id),
        CONSTRAINT uq_tasks_namespace_id_name UNIQUE (namespace_id, name),
        CONSTRAINT fk_tasks_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
    """
    CREATE TABLE architectures (
        id BIGSERIAL NOT NULL,
        search_space_id BIGINT NOT NULL,
        fingerprint TEXT NOT NULL,
        candidate JSONB NOT NULL,
        canonical JSONB NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_architectures PRIMARY KEY (id),
        CONSTRAINT uq_architectures_search_space_id_fingerprint UNIQUE (search_space_id, fingerprint),
        CONSTRAINT fk_architectures_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE TABLE model_versions (
        id BIGSERIAL NOT NULL,
        namespace_id BIGINT NOT NULL,
        search_space_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        kind TEXT NOT NULL,
        metrics JSONB NOT NULL,
        artefact BYTEA NOT NULL,
        training_size BIGINT NOT NULL,
        trained_through BIGINT NOT NULL,
        parameter_count BIGINT NOT NULL,
        training_seconds DOUBLE PRECISION NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_model_versions PRIMARY KEY (id),
        CONSTRAINT uq_model_versions_search_space_id_number UNIQUE (search_space_id, number),
        CONSTRAINT fk_model_versions_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id),
        CONSTRAINT fk_model_versions_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE TABLE recent_suggestions (
        task_id BIGINT NOT NULL,
        search_space_id BIGINT NOT NULL,
        fingerprint TEXT NOT NULL,
        expires_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_recent_suggestions PRIMARY KEY (task_id, search_space_id, fingerprint),
        CONSTRAINT fk_recent_suggestions_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
        CONSTRAINT fk_recent_suggestions_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE TABLE strategy_arms (
        task_id BIGINT NOT NULL,
        arm TEXT NOT NULL,
        pulls BIGINT NOT NULL,
        reward_sum DOUBLE PRECISION NOT NULL,
        reward_square_sum DOUBLE PRECISION NOT NULL,
        CONSTRAINT pk_strategy_arms PRIMARY KEY (task_id, arm),
        CONSTRAINT fk_strategy_arms_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE strategy_decisions (
        id UUID NOT NULL,
        task_id BIGINT NOT NULL,
        arm TEXT NOT NULL,
        hyperparameters JSONB NOT NULL,
        probability DOUBLE PRECISION NOT NULL,
        expected_reward DOUBLE PRECISION NOT NULL,
        reason TEXT NOT NULL,
        context JSONB NOT NULL,
        decided_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        expires_at TIMESTAMPTZ NOT NULL,
        experiment_count BIGINT DEFAULT 0 NOT NULL,
        reward_sum DOUBLE PRECISION DEFAULT 0 NOT NULL,
        CONSTRAINT pk_strategy_decisions PRIMARY KEY (id),
        CONSTRAINT fk_strategy_decisions_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
    )
    """,
    """
    CREATE INDEX ix_strategy_decisions_task_id_expires_at ON strategy_decisions (task_id, expires_at)
    """,
    """
    CREATE TABLE task_summaries (
        task_id BIGINT NOT NULL,
        search_space_id BIGINT NOT NULL,
        experiment_count BIGINT DEFAULT 0 NOT NULL,
        completed_count BIGINT DEFAULT 0 NOT NULL,
        incumbent_sequence BIGINT,
        incumbent_value DOUBLE PRECISION,
        CONSTRAINT pk_task_summaries PRIMARY KEY (task_id, search_space_id),
        CONSTRAINT fk_task_summaries_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
        CONSTRAINT fk_task_summaries_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id)
    )
    """,
    """
    CREATE INDEX ix_task_summaries_search_space_id ON task_summaries (search_space_id)
    """,
    """
    CREATE TABLE experiments (
        task_id BIGINT NOT NULL,
        search_space_id BIGINT NOT NULL,
        sequence BIGINT NOT NULL,
        request_id UUID NOT NULL,
        content_hash BYTEA NOT NULL,
        architecture_id BIGINT NOT NULL,
        candidate JSONB NOT NULL,
        status SMALLINT NOT NULL,
        objective_value DOUBLE PRECISION,
        fidelity DOUBLE PRECISION,
        metrics JSONB NOT NULL,
        curve_fidelities DOUBLE PRECISION[] NOT NULL,
        curve_values DOUBLE PRECISION[] NOT NULL,
        cost_seconds DOUBLE PRECISION,
        proxies JSONB NOT NULL,
        seed BIGINT,
        decision_id UUID,
        worker_id TEXT NOT NULL,
        recorded_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_experiments PRIMARY KEY (task_id, search_space_id, sequence),
        CONSTRAINT uq_experiments_task_id_request_id UNIQUE (task_id, request_id),
        CONSTRAINT fk_experiments_task_id FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE,
        CONSTRAINT fk_experiments_search_space_id FOREIGN KEY (search_space_id) REFERENCES search_spaces (id),
        CONSTRAINT fk_experiments_architecture_id FOREIGN KEY (architecture_id) REFERENCES architectures (id)
    ) PARTITION BY HASH (task_id)
    """,
    """
    CREATE INDEX ix_experiments_task_id_architecture_id ON experiments (task_id, architecture_id)
    """,
    """
    CREATE TABLE outbox (
        id BIGSERIAL NOT NULL,
        architecture_id BIGINT NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_outbox PRIMARY KEY (id),
        CONSTRAINT fk_outbox_architecture_id FOREIGN KEY (architecture_id)
            REFERENCES architectures (id) ON DELETE CASCADE
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for number in range(EXPERIMENT_PARTITIONS):
        op.execute(
            f"CREATE TABLE experiments_{number:02} PARTITION OF experiments "
            f"FOR VALUES WITH (MODULUS {EXPERIMENT_PARTITIONS}, REMAINDER {number})"
        )
