"""Strategies: discounted statistics of arms, with settings of their own or the defaults; models trained from decisions.

Plain SQL, and a copy of what the rooms declared when this revision was made: it must give the same tables for ever.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    "ALTER TABLE strategy_arms ADD COLUMN tuned BOOLEAN DEFAULT false NOT NULL",
    "ALTER TABLE strategy_arms DROP CONSTRAINT pk_strategy_arms",
    "ALTER TABLE strategy_arms ADD CONSTRAINT pk_strategy_arms PRIMARY KEY (task_id, arm, tuned)",
    "ALTER TABLE strategy_arms ALTER COLUMN tuned DROP DEFAULT",
    "ALTER TABLE strategy_arms ADD COLUMN total_reward DOUBLE PRECISION",
    "UPDATE strategy_arms SET total_reward = reward_sum",
    "ALTER TABLE strategy_arms ALTER COLUMN total_reward SET NOT NULL",
    "ALTER TABLE strategy_arms ADD COLUMN weight DOUBLE PRECISION",
    "UPDATE strategy_arms SET weight = pulls",
    "ALTER TABLE strategy_arms ALTER COLUMN weight SET NOT NULL",
    "ALTER TABLE strategy_decisions ADD COLUMN tuned BOOLEAN DEFAULT false NOT NULL",
    "UPDATE strategy_decisions SET tuned = true WHERE hyperparameters <> '{}'",
    "ALTER TABLE strategy_decisions ALTER COLUMN tuned DROP DEFAULT",
    "ALTER TABLE strategy_decisions ADD COLUMN decided_by TEXT DEFAULT 'bandit' NOT NULL",
    "ALTER TABLE strategy_decisions ALTER COLUMN decided_by DROP DEFAULT",
    "ALTER TABLE strategy_decisions ADD COLUMN namespace_id BIGINT",
    """
    UPDATE strategy_decisions SET namespace_id = tasks.namespace_id
        FROM tasks WHERE tasks.id = strategy_decisions.task_id
    """,
    "ALTER TABLE strategy_decisions ALTER COLUMN namespace_id SET NOT NULL",
    # The decisions of a task, in their order.
    "CREATE INDEX ix_strategy_decisions_task_id_decided_at ON strategy_decisions (task_id, decided_at, id)",
    # What was tried of an arm's settings, on whatever task.
    """
    CREATE INDEX ix_strategy_decisions_namespace_id_arm_decided_at
        ON strategy_decisions (namespace_id, arm, decided_at) WHERE tuned
    """,
    """
    CREATE TABLE strategy_models (
        id BIGSERIAL NOT NULL,
        namespace_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        metrics JSONB NOT NULL,
        artefact BYTEA NOT NULL,
        training_size BIGINT NOT NULL,
        trained_through BIGINT NOT NULL,
        training_seconds DOUBLE PRECISION NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_strategy_models PRIMARY KEY (id),
        CONSTRAINT uq_strategy_models_namespace_id_kind_number UNIQUE (namespace_id, kind, number),
        CONSTRAINT fk_strategy_models_namespace_id FOREIGN KEY (namespace_id) REFERENCES namespaces (id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Models go: they are trained from decisions, which stay.

    An arm with settings of its own and the same arm with the defaults are one again. Sums are plain again: that of
    squares, of which only the discounted one is kept, by the number of pulls that it stands for.
    """
    op.execute("DROP TABLE strategy_models")
    op.execute("DROP INDEX ix_strategy_decisions_task_id_decided_at")
    op.execute("DROP INDEX ix_strategy_decisions_namespace_id_arm_decided_at")
    for column in ("namespace_id", "decided_by", "tuned"):
        op.execute(f"ALTER TABLE strategy_decisions DROP COLUMN {column}")
    op.execute(
        """
        UPDATE strategy_arms SET reward_sum = total_reward,
            reward_square_sum = CASE WHEN weight > 0 THEN reward_square_sum * pulls / weight ELSE 0 END
        """
    )
    op.execute(
        """
        UPDATE strategy_arms AS plain SET pulls = plain.pulls + own.pulls,
            reward_sum = plain.reward_sum + own.reward_sum,
            reward_square_sum = plain.reward_square_sum + own.reward_square_sum
        FROM strategy_arms AS own
        WHERE own.task_id = plain.task_id AND own.arm = plain.arm AND own.tuned AND NOT plain.tuned
        """
    )
    op.execute(
        """
        DELETE FROM strategy_arms AS own USING strategy_arms AS plain
        WHERE own.task_id = plain.task_id AND own.arm = plain.arm AND own.tuned AND NOT plain.tuned
        """
    )
    op.execute("ALTER TABLE strategy_arms DROP CONSTRAINT pk_strategy_arms")
    op.execute("ALTER TABLE strategy_arms ADD CONSTRAINT pk_strategy_arms PRIMARY KEY (task_id, arm)")
    for column in ("tuned", "total_reward", "weight"):
        op.execute(f"ALTER TABLE strategy_arms DROP COLUMN {column}")
