"""Row-level security: a role that is not the owner sees and changes the rows of one namespace.

``headstart.namespace`` and ``headstart.namespace_id`` are settings of the transaction. Owner and superusers are not
bound, so that servers of the version before, workers, migrations and ``pg_dump`` go on as they did. The role itself and
what it may do are no matter of a revision: ``headstart-server migrate`` sees to both each time.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

_NUMBER = "nullif(current_setting('headstart.namespace_id', true), '')::bigint"
_NAME = "current_setting('headstart.namespace', true)"

BY_NUMBER = (
    "search_spaces",
    "tasks",
    "experiments",
    "meta_feature_weights",
    "task_clusters",
    "task_cluster_members",
    "model_versions",
    "strategy_decisions",
    "strategy_models",
    "tokens",
    "quotas",
)
BY_NAME = ("requests", "jobs", "audit_log")
# A space shows where it is in the caller's namespace, by its own policy; so does a task.
BY_SPACE = (
    "architectures",
    "outbox",
    "vector_indexes",
    "task_summaries",
    "task_embeddings",
    "recent_suggestions",
)
BY_TASK = ("strategy_arms",)

CONDITIONS = {
    "namespaces": f"name = {_NAME}",
    **dict.fromkeys(BY_NUMBER, f"namespace_id = {_NUMBER}"),
    **dict.fromkeys(BY_NAME, f"namespace = {_NAME}"),
    **{
        table: f"EXISTS (SELECT FROM search_spaces WHERE search_spaces.id = {table}.search_space_id)"
        for table in BY_SPACE
    },
    **{table: f"EXISTS (SELECT FROM tasks WHERE tasks.id = {table}.task_id)" for table in BY_TASK},
}


# Whoever asks a partition itself does not meet the policy of the whole.
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'experiments'::regclass ORDER BY 1"


def conditions() -> dict[str, str]:
    partitions = op.get_bind().exec_driver_sql(PARTITIONS).scalars().all()
    return {**CONDITIONS, **dict.fromkeys(partitions, CONDITIONS["experiments"])}


def upgrade() -> None:
    for table, condition in conditions().items():
        op.execute(f"CREATE POLICY tenant ON {table} USING ({condition})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def downgrade() -> None:
    """The role of tenants keeps what it may do; nobody takes it."""
    for table in conditions():
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY tenant ON {table}")
