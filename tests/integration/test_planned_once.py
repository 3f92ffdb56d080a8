"""Statements that a connection plans once, by a real PostgreSQL: as sent, renewed, after failures, behind the wall."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from headstart_server.knowledge.namespaces import namespace_id
from headstart_server.runtime import planned_once, tenancy
from headstart_server.runtime.database import create_engine
from headstart_server.runtime.settings import load_settings

_INSERT = planned_once.planned_once(text("INSERT INTO pairs (id, name) VALUES (:id, :name)"))
_FIND = planned_once.planned_once(text("SELECT name, '100 %' AS share FROM pairs WHERE id = :id OR name = :name"))


@pytest.fixture
def pairs(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(load_settings(database_url=empty_database_url), connections=1)
    planned_once.watch(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pairs (id int PRIMARY KEY, name text NOT NULL)"))
    yield engine
    engine.dispose()


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


def test_a_plan_is_made_anew_when_it_is_old_and_the_old_one_goes(
    pairs: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planned_once, "_LIFETIME_SECONDS", 0.0)
    with pairs.begin() as connection:
        connection.execute(_FIND, {"id": 1, "name": ""})
        ((first, _),) = plans(connection)
        connection.execute(_FIND, {"id": 1, "name": ""})
        ((second, used),) = plans(connection)
    assert first != second
    assert used == 1


def test_what_failed_at_first_can_be_sent_again(pairs: Engine) -> None:
    with pairs.begin() as connection:
        connection.execute(text("INSERT INTO pairs VALUES (1, 'one')"))
    with pytest.raises(IntegrityError), pairs.begin() as connection:
        connection.execute(_INSERT, {"id": 1, "name": "one"})
    with pairs.begin() as connection:
        connection.execute(_INSERT, {"id": 2, "name": "two"})
    with pytest.raises(IntegrityError), pairs.begin() as connection:
        connection.execute(_INSERT, {"id": 2, "name": "two"})
    with pairs.begin() as connection:
        connection.execute(_INSERT, {"id": 3, "name": "three"})
        assert connection.execute(text("SELECT count(*) FROM pairs")).scalar_one() == 3


def test_one_plan_serves_several_namespaces_and_shows_each_its_own(database_url: str) -> None:
    """Row-level security asks at each execution who is asking, and not when the statement was planned."""
    settings = load_settings(database_url=database_url)
    engine = create_engine(settings, connections=1)
    tenancy.watch(engine, settings.tenant_role)
    planned_once.watch(engine)
    assert tenancy.problem(engine, settings.tenant_role) is None
    count = planned_once.planned_once(text("SELECT count(*) FROM search_spaces"))
    add = text("INSERT INTO search_spaces (namespace_id, name, declaration) VALUES (:namespace, :name, '{}')")
    with engine.begin() as connection:
        for name, spaces in (("one", 1), ("two", 2)):
            number = namespace_id(connection, name)
            for index in range(spaces):
                connection.execute(add, {"namespace": number, "name": f"{name}-{index}"})
    seen = []
    for namespace in ("one", "two", None, "one", "unknown"):
        with tenancy.acting_for(namespace), engine.connect() as connection:
            seen.append(connection.execute(count).scalar_one())
    assert seen == [1, 2, 3, 1, 0]
    with engine.connect() as connection:
        used = [number for name, number in plans(connection) if name != "headstart_enter"]
    assert used == [5]
    engine.dispose()
