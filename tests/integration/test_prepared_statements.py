"""Prepared statements by a real PostgreSQL: as sent, renewed, after failures, and under row-level security."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.runtime.database import prepared_statements, row_security
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.errors import Unavailable
from headstart_server.runtime.settings import load_settings

_INSERT = prepared_statements.prepared_once(text("INSERT INTO pairs (id, name) VALUES (:id, :name)"))
_FIND = prepared_statements.prepared_once(
    text("SELECT name, '100 %' AS share FROM pairs WHERE id = :id OR name = :name")
)
_AFTER = prepared_statements.prepared_once(text("SELECT name FROM pairs WHERE id > :id"))


@pytest.fixture(autouse=True)
def long_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared_statements, "_LIFETIME_SECONDS", 600.0)


@pytest.fixture
def pairs(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(load_settings(database_url=empty_database_url), connections=1)
    prepared_statements.watch(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pairs (id int PRIMARY KEY, name text NOT NULL)"))
    yield engine
    engine.dispose()


def rows_expected(connection: Connection) -> int:
    """What the plan of the only prepared statement takes its answer to be."""
    (name,) = connection.execute(text("SELECT name FROM pg_prepared_statements")).scalars()
    (plan,) = connection.execute(text(f"EXPLAIN (FORMAT JSON) EXECUTE {name} (1)")).scalars()
    return int(plan[0]["Plan"]["Plan Rows"])


def plans(connection: Connection) -> list[tuple[str, int]]:
    """The prepared statements of a connection, each with how often its one plan was used."""
    rows = connection.execute(text("SELECT name, generic_plans + custom_plans AS used FROM pg_prepared_statements"))
    return sorted((row.name, row.used) for row in rows)


def test_a_statement_is_planned_once_and_answers_as_ever(pairs: Engine) -> None:
    with pairs.begin() as connection:
        for number, name in enumerate(["it's", "100 %", "a\nb", "%(id)s"]):
            assert connection.execute(_INSERT, {"id": number, "name": name}).rowcount == 1
    for number, name in enumerate(["it's", "100 %", "a\nb", "%(id)s"]):
        with pairs.begin() as connection:
            found = connection.execute(_FIND, {"id": number, "name": name}).one()
            assert tuple(found) == (name, "100 %")
    with pairs.connect() as connection:
        assert [used for _, used in plans(connection)] == [4, 4]
        generic = text("SELECT sum(generic_plans) FROM pg_prepared_statements")
        assert connection.execute(generic).scalar_one() == 8


def test_a_plan_for_an_empty_table_is_given_up_for_one_of_a_full_one(pairs: Engine) -> None:
    with pairs.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_AFTER, {"id": 1})
        assert rows_expected(connection) < 1_000
        connection.execute(text("INSERT INTO pairs SELECT i, 'x' FROM generate_series(1, 30000) AS i"))
        connection.execute(_AFTER, {"id": 1})
        assert rows_expected(connection) < 1_000
        for prepared in prepared_statements._prepared.values():
            prepared.until = 0.0
        connection.execute(_AFTER, {"id": 1})
        assert rows_expected(connection) > 5_000
        assert len(plans(connection)) == 1


def test_what_failed_at_first_can_be_sent_again_and_leaves_nothing_behind(
    pairs: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_statements, "_LIFETIME_SECONDS", 0.0)
    with pairs.begin() as connection:
        connection.execute(text("INSERT INTO pairs VALUES (1, 'one')"))
    for number in (2, 3):
        for _ in range(3):
            with pytest.raises(IntegrityError), pairs.begin() as connection:
                connection.execute(_INSERT, {"id": 1, "name": "one"})
        with pytest.raises(DBAPIError, match="aborted"), pairs.begin() as connection:
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1 / 0"))
            connection.execute(_FIND, {"id": 1, "name": ""})
        with pairs.begin() as connection:
            connection.execute(_INSERT, {"id": number, "name": "new"})
            assert connection.execute(_FIND, {"id": number, "name": ""}).one().name == "new"
    with pairs.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM pairs")).scalar_one() == 3
        assert len(plans(connection)) == 2


def test_a_statement_whose_columns_became_others_is_prepared_anew_on_a_new_connection(pairs: Engine) -> None:
    with pairs.begin() as connection:
        connection.execute(_FIND, {"id": 1, "name": ""})
        connection.execute(text("ALTER TABLE pairs ALTER COLUMN name TYPE varchar(80)"))
    with pytest.raises(Unavailable), pairs.begin() as connection:
        connection.execute(_FIND, {"id": 1, "name": ""})
    with pairs.begin() as connection:
        assert connection.execute(_FIND, {"id": 1, "name": ""}).first() is None


def test_one_plan_serves_several_namespaces_and_shows_each_its_own(database_url: str) -> None:
    """Row-level security asks at each execution who is asking, and not when the statement was planned."""
    settings = load_settings(database_url=database_url)
    engine = create_engine(settings, connections=1)
    row_security.watch(engine, settings.tenant_role)
    assert row_security.problem(engine, settings.tenant_role) is None
    count = prepared_statements.prepared_once(text("SELECT count(*) FROM search_spaces"))
    add = text("INSERT INTO search_spaces (namespace_id, name, declaration) VALUES (:namespace, :name, '{}')")
    with engine.begin() as connection:
        for name, spaces in (("one", 1), ("two", 2)):
            number = namespace_id(connection, name)
            for index in range(spaces):
                connection.execute(add, {"namespace": number, "name": f"{name}-{index}"})
    seen = []
    # What is the login's is prepared apart from what is the role's.
    for namespace in ("one", "two", None, "one", "unknown", None):
        with row_security.acting_for(namespace), engine.connect() as connection:
            seen.append(connection.execute(count).scalar_one())
    assert seen == [1, 2, 3, 1, 0, 3]
    with engine.connect() as connection:
        used = [number for name, number in plans(connection) if name != "headstart_enter"]
    assert sorted(used) == [2, 4]
    engine.dispose()
