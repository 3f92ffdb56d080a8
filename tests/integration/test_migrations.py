"""The revisions give the tables that the rooms declare, and servers refuse every other schema."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

import headstart_server
from headstart_server.runtime.database.engine import (
    SCHEMA_REVISION,
    VERSION_TABLE,
    check_schema,
    create_engine,
    metadata,
    schema_revision,
)
from headstart_server.runtime.database.migration import alembic_config, migrate
from headstart_server.runtime.errors import SchemaMismatch
from headstart_server.runtime.settings import load_settings


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(load_settings(database_url=empty_database_url))
    yield engine
    engine.dispose()


def declared_everywhere() -> None:
    """Import everything that may declare tables."""
    for module in pkgutil.walk_packages(headstart_server.__path__, "headstart_server."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def test_upgrade_gives_the_tables_that_the_rooms_declare(empty: Engine) -> None:
    declared_everywhere()
    migrate(empty)
    with empty.connect() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "compare_server_default": True,
            # Partitions are storage, not declared tables.
            "include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("experiments_"),
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_experiments_are_partitioned_by_task(empty: Engine) -> None:
    migrate(empty)
    with empty.connect() as connection:
        partitions = connection.execute(
            text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'experiments'::regclass")
        ).scalar_one()
    assert partitions == 16


def test_newest_revision_is_the_one_servers_ask_for() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [SCHEMA_REVISION]


def test_second_migration_changes_nothing(empty: Engine) -> None:
    assert migrate(empty) == (None, SCHEMA_REVISION)
    assert migrate(empty) == (SCHEMA_REVISION, SCHEMA_REVISION)


def test_two_migrators_at_once_do_it_once(empty: Engine) -> None:
    results: list[tuple[str | None, str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [(SCHEMA_REVISION, SCHEMA_REVISION), (None, SCHEMA_REVISION)]


def test_a_migration_that_fails_leaves_nothing(empty: Engine) -> None:
    with empty.begin() as connection:
        # In the way of a table that comes late in the revision.
        connection.execute(text("CREATE TABLE outbox (anything int)"))
    with pytest.raises(Exception, match="outbox"):
        migrate(empty)
    assert schema_revision(empty) is None
    with empty.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('namespaces')")).scalar() is None


def upgrade(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_upgrade_from_the_first_revision_keeps_what_is_there(empty: Engine) -> None:
    """A space with a graph, one without, an experiment of each, and an architecture that waits for the index."""
    upgrade(empty, "0001")
    graph = '{"graph": [["input", "conv", "output"], [[], [], []], [[0, 1, 1], [1, 2, 1]]], "values": []}'
    statements = [
        "INSERT INTO namespaces (id, name) VALUES (7, 'default')",
        """INSERT INTO search_spaces (id, namespace_id, name, declaration) VALUES
           (3, 7, 'cells', '{}'), (4, 7, 'mlp', '{}')""",
        """INSERT INTO tasks (id, namespace_id, name, description, metric, maximize, descriptor, meta_features,
           fidelity_unit, max_fidelity) VALUES (5, 7, 'cora', '', 'accuracy', true, '{}', '{}', '', 0)""",
        f"""INSERT INTO architectures (id, search_space_id, fingerprint, candidate, canonical) VALUES
           (1, 3, 'a', '{{}}', '{graph}'), (2, 4, 'b', '{{}}', '{{"graph": null, "values": []}}')""",
        """INSERT INTO experiments (task_id, search_space_id, sequence, request_id, content_hash, architecture_id,
           candidate, status, objective_value, metrics, curve_fidelities, curve_values, proxies, worker_id)
           SELECT 5, space, 1, gen_random_uuid(), 'x', number, '{}', 1, 0.5, '{}', '{}', '{}', '{}', ''
           FROM (VALUES (3, 1), (4, 2)) AS tried (space, number)""",
        "INSERT INTO outbox (architecture_id) VALUES (2)",
    ]
    with empty.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    assert migrate(empty) == ("0001", SCHEMA_REVISION)
    with empty.connect() as connection:
        read = connection.exec_driver_sql
        assert read("SELECT namespace_id, objective_value FROM experiments").all() == [(7, 0.5), (7, 0.5)]
        assert read("SELECT fingerprint, node_count FROM architectures ORDER BY id").all() == [("a", 3), ("b", 0)]
        assert read("SELECT search_space_id, fingerprint FROM outbox").all() == [(4, "b")]
    check_schema(empty)


def test_server_refuses_a_database_without_tables_and_names_the_command(empty: Engine) -> None:
    with pytest.raises(SchemaMismatch, match="headstart-server migrate"):
        check_schema(empty)


def test_server_and_migrator_refuse_a_newer_database(empty: Engine) -> None:
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="newer"):
        check_schema(empty)
    with pytest.raises(SchemaMismatch, match="newer"):
        migrate(empty)
