"""Rows of two namespaces in every table, for whoever tries to see or change the other's."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

MINE, THEIRS = "team-1", "team-2"

# Of the namespace with this number.
ROWS = {
    "namespaces": "(id, name) VALUES ({n}, 'team-{n}')",
    "search_spaces": "(id, namespace_id, name, declaration) VALUES ({n}, {n}, 'cells', '{{}}')",
    "tasks": """(id, namespace_id, name, description, metric, maximize, descriptor, meta_features, fidelity_unit,
        max_fidelity) VALUES ({n}, {n}, 'cora', '', 'accuracy', true, '{{}}', '{{}}', '', 0)""",
    "task_summaries": "(task_id, search_space_id) VALUES ({n}, {n})",
    "architectures": """(id, search_space_id, fingerprint, candidate, canonical, node_count)
        VALUES ({n}, {n}, 'a', '{{}}', '{{}}', 0)""",
    "experiments": """(task_id, namespace_id, search_space_id, sequence, request_id, content_hash, architecture_id,
        candidate, status, metrics, curve_fidelities, curve_values, proxies, worker_id)
        VALUES ({n}, {n}, {n}, 1, gen_random_uuid(), 'x', {n}, '{{}}', 1, '{{}}', '{{}}', '{{}}', '{{}}', 'me')""",
    "outbox": "(id, search_space_id, fingerprint) VALUES ({n}, {n}, 'a')",
    "index_failures": """(search_space_id, work, tries, error, retry_at)
        VALUES ({n}, 'DELIVER', 1, '', 'infinity')""",
    "vector_indexes": "(search_space_id, version, state) VALUES ({n}, '1', 'SERVING')",
    "task_embeddings": """(task_id, search_space_id, version, profile, experiment_count)
        VALUES ({n}, {n}, '1', '{{0.5}}', 1)""",
    "meta_feature_weights": "(namespace_id, name, weight, pair_count) VALUES ({n}, 'classes', 1, 1)",
    "task_clusters": "(namespace_id, number, name, description, medoid) VALUES ({n}, 1, 'graphs', '', 'cora')",
    "task_cluster_members": "(task_id, namespace_id, number, x, y) VALUES ({n}, {n}, 1, 0, 0)",
    "model_versions": """(id, namespace_id, search_space_id, number, state, kind, metrics, artefact, training_size,
        trained_through, parameter_count, training_seconds)
        VALUES ({n}, {n}, {n}, 1, '', '', '{{}}', '', 0, 0, 0, 0)""",
    "strategy_decisions": """(id, task_id, namespace_id, arm, hyperparameters, probability, expected_reward, reason,
        context, expires_at, tuned, decided_by)
        VALUES (gen_random_uuid(), {n}, {n}, 'random', '{{}}', 1, 0, '', '{{}}', 'infinity', false, '')""",
    "strategy_arms": """(task_id, arm, tuned, pulls, total_reward, weight, reward_sum, reward_square_sum)
        VALUES ({n}, 'random', false, 1, 1, 1, 1, 1)""",
    "strategy_models": """(id, namespace_id, kind, number, state, metrics, artefact, training_size, trained_through,
        training_seconds) VALUES ({n}, {n}, 'prior', 1, '', '{{}}', '', 0, 0, 0)""",
    "recent_suggestions": """(task_id, search_space_id, fingerprint, expires_at) VALUES ({n}, {n}, 'a', 'infinity')""",
    "requests": """(namespace, request_id, method, content_hash, response)
        VALUES ('team-{n}', gen_random_uuid(), '', '', '')""",
    "jobs": "(id, kind, namespace, subject) VALUES ({n}, 'map', 'team-{n}', '')",
    "audit_log": "(id, namespace, actor, action, subject) VALUES ({n}, 'team-{n}', '', '', '')",
    "tokens": "(id, namespace_id, name, role, digest) VALUES ({n}, {n}, '', 'writer', '')",
    "quotas": "(namespace_id, tasks) VALUES ({n}, 1)",
}


def fill(engine: Engine) -> None:
    """One row of each of the two in every table."""
    with engine.begin() as connection:
        for table, row in ROWS.items():
            for number in (1, 2):
                connection.exec_driver_sql(f"INSERT INTO {table} {row.format(n=number)}")
        # Whoever adds rows gets numbers above these.
        for table in ("namespaces", "search_spaces"):
            connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', 100)")


def rows(connection: Connection, table: str) -> list[str]:
    """All rows that are seen, as JSON."""
    found = connection.execute(text(f"SELECT CAST(to_jsonb({table}.*) AS text) FROM {table}"))
    return sorted(found.scalars())
