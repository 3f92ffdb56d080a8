"""Transactions against a real PostgreSQL: what is retried, and how a lost database looks."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from headstart_server.assembly import open_domains
from headstart_server.runtime.database import engine as database
from headstart_server.runtime.database.engine import TRANSACTION_TRIES, create_engine, run_transaction, without_timeouts
from headstart_server.runtime.errors import ResourceExhausted, Unavailable
from headstart_server.runtime.settings import Settings, load_settings
from headstart_server.threads import MODELS


@pytest.fixture
def two_rows(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(load_settings(database_url=empty_database_url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL)"))
        connection.execute(text("INSERT INTO counters VALUES (1, 0), (2, 0)"))
    yield engine
    engine.dispose()


def increment(connection: Connection, row: int) -> None:
    connection.execute(text("UPDATE counters SET value = value + 1 WHERE id = :row"), {"row": row})


def values(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT value FROM counters ORDER BY id")).scalars())


def test_deadlocked_transactions_both_end_well(two_rows: Engine) -> None:
    together = threading.Barrier(2)
    attempts: list[int] = []

    def work(first: int, second: int) -> None:
        def both(connection: Connection) -> None:
            attempts.append(first)
            increment(connection, first)
            if attempts.count(first) == 1:
                together.wait()
            increment(connection, second)

        run_transaction(two_rows, both)

    threads = [threading.Thread(target=work, args=order) for order in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values(two_rows) == [2, 2]
    assert len(attempts) == 3


def test_conflicts_without_end_are_unavailable_after_a_bounded_number_of_tries(two_rows: Engine) -> None:
    attempts = 0

    def conflict(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        connection.execute(text("DO $$ BEGIN RAISE serialization_failure; END $$"))

    with pytest.raises(Unavailable) as raised:
        run_transaction(two_rows, conflict)
    assert raised.value.reason == "DATABASE_BUSY"
    assert attempts == TRANSACTION_TRIES


def test_other_errors_are_not_retried_and_change_nothing(two_rows: Engine) -> None:
    attempts = 0

    def wrong(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        increment(connection, 1)
        connection.execute(text("INSERT INTO counters VALUES (3, NULL)"))

    with pytest.raises(IntegrityError):
        run_transaction(two_rows, wrong)
    assert attempts == 1
    assert values(two_rows) == [0, 0]


def test_session_ended_by_the_server_is_unavailable_and_the_next_one_works(two_rows: Engine) -> None:
    with pytest.raises(Unavailable) as raised:
        run_transaction(two_rows, lambda c: c.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))
    assert raised.value.reason == "DATABASE_UNAVAILABLE"
    run_transaction(two_rows, lambda connection: increment(connection, 1))
    assert values(two_rows) == [1, 0]


@pytest.mark.parametrize("rest_seconds", [0.0, 1000.0])
def test_connection_that_died_is_replaced_without_an_error(
    two_rows: Engine, monkeypatch: pytest.MonkeyPatch, rest_seconds: float
) -> None:
    monkeypatch.setattr(database, "_REST_SECONDS", rest_seconds)
    with two_rows.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    killer = create_engine(load_settings(database_url=two_rows.url.render_as_string(hide_password=False)))
    with killer.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    killer.dispose()
    assert values(two_rows) == [0, 0]


def test_absent_server_is_unavailable() -> None:
    engine = create_engine(load_settings(database_url="postgresql://127.0.0.1:1/headstart"))
    with pytest.raises(Unavailable):
        run_transaction(engine, lambda connection: None)


def test_more_transactions_than_connections_wait_then_are_turned_away(two_rows: Engine) -> None:
    url = two_rows.url.render_as_string(hide_password=False)
    engine = create_engine(load_settings(database_url=url, database_pool_size=1), pool_wait_seconds=0.2)
    with engine.connect(), pytest.raises(ResourceExhausted):
        run_transaction(engine, lambda connection: None)
    engine.dispose()


def test_whoever_waits_for_a_connection_in_vain_is_turned_away_outside_transactions_too(two_rows: Engine) -> None:
    url = two_rows.url.render_as_string(hide_password=False)
    engine = create_engine(load_settings(database_url=url), pool_wait_seconds=0.1, connections=1)
    with engine.connect(), pytest.raises(ResourceExhausted) as raised:
        engine.connect()
    assert raised.value.reason == "DATABASE_CONNECTIONS"
    engine.dispose()


def test_a_server_has_a_connection_for_each_of_its_threads(settings: Settings) -> None:
    domains = open_domains(settings.model_copy(update={"database_pool_size": 1, "database_threads": 30}))
    assert domains.engine.pool.size() > 30 + (MODELS.count or 0)
    domains.engine.dispose()


@pytest.mark.parametrize(
    ("limit", "statement"),
    [("statement_timeout", "SELECT pg_sleep(10)"), ("lock_timeout", "UPDATE counters SET value = 9 WHERE id = 1")],
)
def test_statements_and_waits_that_take_too_long_are_unavailable(two_rows: Engine, limit: str, statement: str) -> None:
    with two_rows.connect() as connection:
        assert connection.execute(text(f"SHOW {limit}")).scalar_one() != "0"
        without_timeouts(connection)
        assert connection.execute(text(f"SHOW {limit}")).scalar_one() == "0"

    def slow(connection: Connection) -> None:
        connection.execute(text(f"SET LOCAL {limit} = 50"))
        connection.execute(text(statement))

    with two_rows.begin() as other:
        increment(other, 1)
        with pytest.raises(Unavailable) as raised:
            run_transaction(two_rows, slow)
    assert raised.value.reason == "DATABASE_BUSY"


def test_who_is_second_to_insert_a_key_finds_it_the_second_time(two_rows: Engine) -> None:
    attempts = 0

    def insert(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            run_transaction(two_rows, lambda first: first.execute(text("INSERT INTO counters VALUES (3, 7)")))
        elif found := connection.execute(text("SELECT value FROM counters WHERE id = 3")).scalar():
            return int(found)
        connection.execute(text("INSERT INTO counters VALUES (3, 8)"))
        return 8

    assert run_transaction(two_rows, insert) == 7
    with pytest.raises(IntegrityError):
        run_transaction(two_rows, lambda c: c.execute(text("INSERT INTO counters VALUES (3, 8)")))


def test_numbers_come_back_as_sent_where_the_database_rounds_them(database_url: str) -> None:
    connection = psycopg2.connect(database_url.replace("postgresql+psycopg2", "postgresql"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database()")
            (name,) = cursor.fetchone() or ("",)
            cursor.execute(f'ALTER DATABASE "{name}" SET extra_float_digits = 0')
    finally:
        connection.close()
    engine = create_engine(load_settings(database_url=database_url))
    try:
        with engine.connect() as own:
            asked = text("SELECT CAST(:number AS double precision)")
            assert own.execute(asked, {"number": 0.1 + 0.2}).scalar() == 0.1 + 0.2
    finally:
        engine.dispose()
