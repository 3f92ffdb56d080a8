"""What has had its life goes, and nothing else: answered requests, the audit log, suggestions nobody came back to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from headstart_server.assembly import open_domains
from headstart_server.roles import pruning
from headstart_server.roles.pruning import Pruner
from headstart_server.roles.worker import Worker
from headstart_server.runtime.settings import Settings

REQUEST = """INSERT INTO requests (namespace, request_id, method, content_hash, response, answered_at)
    SELECT 'default', gen_random_uuid(), '', '', '', clock_timestamp() - make_interval(days => :days)
    FROM generate_series(1, :count)"""
ENTRY = """INSERT INTO audit_log (namespace, actor, action, subject, at)
    SELECT 'default', '', '', '', clock_timestamp() - make_interval(days => :days) FROM generate_series(1, :count)"""
SUGGESTION = """INSERT INTO recent_suggestions (task_id, search_space_id, fingerprint, expires_at)
    SELECT 1, 1, :days || '-' || number, clock_timestamp() - make_interval(days => :days)
    FROM generate_series(1, :count) AS number"""
# Days that each lives.
LIVES = {"requests": (REQUEST, 7), "audit_log": (ENTRY, 365), "recent_suggestions": (SUGGESTION, 1)}


@pytest.fixture
def add(engine: Engine) -> Callable[[str, int, int], None]:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO namespaces (id, name) VALUES (1, 'default')")
        connection.exec_driver_sql(
            "INSERT INTO search_spaces (id, namespace_id, name, declaration) VALUES (1, 1, 's', '{}')"
        )
        connection.exec_driver_sql(
            """INSERT INTO tasks (id, namespace_id, name, description, metric, maximize, descriptor, meta_features,
            fidelity_unit, max_fidelity) VALUES (1, 1, 't', '', 'accuracy', true, '{}', '{}', '', 0)"""
        )

    def add(statement: str, days: int, count: int) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement), {"days": days, "count": count})

    return add


def left(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.mark.parametrize("table", LIVES)
def test_rows_go_after_their_life_and_not_before(add, engine: Engine, settings: Settings, table: str) -> None:
    statement, days = LIVES[table]
    add(statement, days + 1, 3)
    add(statement, days - 1, 2)
    domains = open_domains(settings)
    Worker(domains).drain()
    domains.close()
    assert left(engine, table) == 2


def test_many_go_in_batches_once_an_hour(add, engine: Engine, settings: Settings, monkeypatch) -> None:
    monkeypatch.setattr(pruning, "_ROWS", 10)
    add(REQUEST, 30, 25)
    pruner = Pruner(engine, settings)
    assert [pruner.prune() for _ in range(3)] == [True, True, False]
    assert left(engine, "requests") == 0
    add(REQUEST, 30, 1)
    assert not pruner.prune()
    assert left(engine, "requests") == 1
    pruner.look_again()
    pruner.prune()
    assert left(engine, "requests") == 0


def test_old_requests_are_found_by_an_index(add, engine: Engine) -> None:
    add(REQUEST, 1, 20_000)
    with engine.connect() as connection:
        connection.execute(text("ANALYZE requests"))
        plan = "\n".join(
            connection.execute(
                text("EXPLAIN SELECT 1 FROM requests WHERE answered_at < now() - interval '7 days' LIMIT 5")
            ).scalars()
        )
    assert "ix_requests_answered_at" in plan
