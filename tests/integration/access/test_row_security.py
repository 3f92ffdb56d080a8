"""A query that forgot its namespace meets row-level security, and calls run under it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import create_engine, metadata
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import DEFAULT_TENANT_ROLE, load_settings
from tests.conftest import fresh_database
from tests.integration.access.row_security import MINE, ROWS, THEIRS, fill, rows
from tests.integration.test_migrations import declared_everywhere

ROLE = DEFAULT_TENANT_ROLE
REFUSED = "violates row-level security policy"


@pytest.fixture(scope="module")
def watched(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """Of a database with rows of both, in which the role may do everything: only the policies stand against it.

    It is the module's: tests leave it as it was.
    """
    with fresh_database(postgres) as url:
        settings = load_settings(database_url=url)
        engine = create_engine(settings)
        row_security.watch(engine, settings.tenant_role)
        fill(engine)
        with engine.begin() as connection:
            for table in ROWS:
                connection.execute(text(f"GRANT ALL ON {table} TO {ROLE}"))
        yield engine
        engine.dispose()


def as_tenant(engine: Engine, work: Callable[[Connection], Any], namespace: str = MINE) -> Any:
    """What the work gives; what it changed is undone."""
    with row_security.acting_for(namespace), engine.connect() as connection:
        return work(connection)


def split(engine: Engine, table: str) -> tuple[str, str]:
    """The own row and the other's, as the login sees them."""
    with engine.connect() as connection:
        both = rows(connection, table)
    (own,) = as_tenant(engine, lambda connection: rows(connection, table))
    (other,) = as_tenant(engine, lambda connection: rows(connection, table), THEIRS)
    assert sorted([own, other]) == both
    assert own != other
    return own, other


def count(engine: Engine, statement: str, row: str) -> int:
    return as_tenant(engine, lambda connection: connection.execute(text(statement), {"row": row}).rowcount)


def test_every_table_has_a_policy_and_says_what_the_role_may() -> None:
    declared_everywhere()
    assert set(ROWS) == set(metadata.tables)
    assert set(row_security.PRIVILEGES) | row_security.NOT_FOR_TENANTS == set(metadata.tables)


def test_every_declared_table_is_under_row_security(watched: Engine) -> None:
    declared_everywhere()
    with watched.connect() as connection:
        guarded = connection.execute(
            text("SELECT relname FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid WHERE relrowsecurity")
        )
        partitions = connection.execute(
            text(
                "SELECT CAST(CAST(inhrelid AS regclass) AS text) FROM pg_inherits WHERE inhparent = to_regclass(:whole)"
            ),
            {"whole": "experiments"},
        )
        wanted = {*metadata.tables, *partitions.scalars()}
        assert set(guarded.scalars()) == wanted, "a table without a policy: see revision 0005"


@pytest.mark.parametrize("table", ROWS)
def test_a_query_without_its_namespace_sees_and_changes_only_its_own(watched: Engine, table: str) -> None:
    own, other = split(watched, table)
    column = next(iter(metadata.tables[table].columns)).name
    this = f"to_jsonb({table}.*) = CAST(:row AS jsonb)"
    touch, remove = f"UPDATE {table} SET {column} = {column} WHERE {this}", f"DELETE FROM {table} WHERE {this}"
    assert count(watched, touch, own) == 1
    assert count(watched, touch, other) == count(watched, remove, other) == 0
    # What an unscoped statement changes is the own row.
    assert count(watched, f"UPDATE {table} SET {column} = {column}", other) == 1
    with pytest.raises(DBAPIError, match=REFUSED):
        count(watched, f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(CAST(NULL AS {table}), :row)", other)


@pytest.mark.parametrize("table", ROWS)
def test_without_a_namespace_the_role_sees_nothing(watched: Engine, table: str) -> None:
    with watched.begin() as connection:
        connection.execute(text(f"SET LOCAL ROLE {ROLE}"))
        assert rows(connection, table) == []


@pytest.mark.parametrize("table", [name for name in ROWS if "namespace_id" in ROWS[name]])
def test_rows_cannot_be_given_away(watched: Engine, table: str) -> None:
    with pytest.raises(DBAPIError, match=REFUSED):
        count(watched, f"UPDATE {table} SET namespace_id = 2 WHERE :row = :row", "")


def test_an_unknown_namespace_sees_nothing_and_cannot_take_another_for_its_own(watched: Engine) -> None:
    name = "nobody's %s '; --"
    assert as_tenant(watched, lambda connection: rows(connection, "tasks"), name) == []
    told = text("SELECT current_setting('headstart.namespace'), current_user")
    assert as_tenant(watched, lambda connection: tuple(connection.execute(told).one()), name) == (name, ROLE)
    # With and without parameters.
    asked = text("SELECT :name, 5 % 3")
    assert as_tenant(watched, lambda c: tuple(c.execute(asked, {"name": "%"}).one()), name) == ("%", 2)
    assert as_tenant(watched, lambda c: c.exec_driver_sql("SELECT current_user").scalar_one(), name) == ROLE


def test_a_namespace_comes_into_being_under_row_security(watched: Engine) -> None:
    def begin(connection: Connection) -> list[str]:
        number = namespace_id(connection, "team-3")
        made = "INSERT INTO search_spaces (namespace_id, name, declaration) VALUES (:number, 'cells', '{}')"
        connection.execute(text(made), {"number": number})
        return rows(connection, "search_spaces")

    assert len(as_tenant(watched, begin, "team-3")) == 1


def test_role_and_namespace_end_with_the_transaction(watched: Engine) -> None:
    told = text("SELECT current_user, nullif(current_setting('headstart.namespace', true), '')")
    with watched.connect() as connection:
        login = connection.execute(told).one()
        assert login.current_user != ROLE
        connection.rollback()
        for namespace in (MINE, THEIRS):
            with row_security.acting_for(namespace):
                assert tuple(connection.execute(told).one()) == (ROLE, namespace)
                # Also after a part of it was undone.
                with pytest.raises(DBAPIError), connection.begin_nested():
                    connection.execute(text("SELECT 1 / 0"))
                assert tuple(connection.execute(told).one()) == (ROLE, namespace)
                connection.commit()
        assert connection.execute(told).one() == login


def test_many_rows_at_once_are_under_row_security_too(watched: Engine) -> None:
    statement = text("INSERT INTO meta_feature_weights (namespace_id, name, weight, pair_count) VALUES (:n, :m, 1, 1)")
    mine, other = [[{"n": n, "m": m} for m in "ab"] for n in (1, 2)]
    as_tenant(watched, lambda connection: connection.execute(statement, mine))
    with pytest.raises(DBAPIError, match=REFUSED):
        as_tenant(watched, lambda connection: connection.execute(statement, other))


def test_a_partition_that_is_asked_itself_shows_no_more_than_the_whole(watched: Engine) -> None:
    with watched.connect() as connection:
        partitions = connection.execute(text("SELECT CAST(tableoid AS regclass) FROM experiments")).scalars().all()
        assert sum(len(rows(connection, name)) for name in set(partitions)) == 2
    seen = [as_tenant(watched, lambda connection, name=name: rows(connection, name)) for name in set(partitions)]
    assert sum(map(len, seen)) == 1


@pytest.mark.parametrize("table", ["tokens", "quotas"])
def test_what_no_call_needs_is_not_given_to_the_role(database_url: str, table: str) -> None:
    engine = create_engine(load_settings(database_url=database_url))
    row_security.watch(engine, ROLE)
    with pytest.raises(DBAPIError, match=f"permission denied for table {table}"):
        as_tenant(engine, lambda connection: rows(connection, table))
    engine.dispose()
