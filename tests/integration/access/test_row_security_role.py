"""Where the role comes from, and what happens where the login may not make it or may not become it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

import headstart
from headstart_server.cli.check import run_checks
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.database.migration import migrate
from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import Settings, load_settings
from headstart_server.runtime.startup import require_database
from tests.conftest import Service, fresh_database

Administer = Callable[[str], None]


@pytest.fixture
def role() -> str:
    """The name of a role that is not there yet."""
    return f"tenants_{uuid.uuid4().hex[:8]}"


@pytest.fixture
def administer(postgres: EmbeddedPostgres, empty_database_url: str) -> Administer:
    """Executes as a superuser in the test's database."""

    def execute(statements: str) -> None:
        url = make_url(empty_database_url)
        connection = psycopg2.connect(host=str(postgres.socket_directory()), user="postgres", dbname=url.database)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statements)
        connection.close()

    return execute


@pytest.fixture
def login(
    administer: Administer, empty_database_url: str, chroma_url: str, tmp_path: Path, role: str
) -> Iterator[Callable[..., tuple[Settings, Engine]]]:
    """Makes logins, that of the owner of the test's database at first."""
    with ExitStack() as stack:

        def make(rights: str = "", owns: bool = True) -> tuple[Settings, Engine]:
            name, database = f"login_{uuid.uuid4().hex[:8]}", make_url(empty_database_url).database
            administer(f"CREATE ROLE {name} LOGIN {rights}")
            if owns:
                administer(f"ALTER DATABASE {database} OWNER TO {name}")
            stack.callback(administer, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
            if owns:
                stack.callback(administer, f"ALTER DATABASE {database} OWNER TO postgres")
            settings = load_settings(
                database_url=empty_database_url.replace("postgres@", f"{name}@"),
                chroma_url=chroma_url,
                data_directory=tmp_path,
                grpc_address="127.0.0.1:0",
                metrics_address="127.0.0.1:0",
                tenant_role=role,
            )
            engine = create_engine(settings)
            stack.callback(engine.dispose)
            return settings, engine

        yield make
        there = f"to_regrole('{role}') IS NOT NULL"
        administer(f"DO $$ BEGIN IF {there} THEN DROP OWNED BY {role}; DROP ROLE {role}; END IF; END $$")


def runs_as(settings: Settings) -> str:
    """What a call runs as."""
    engine = create_engine(settings)
    row_security.watch(engine, settings.tenant_role)
    with row_security.acting_for("default"), engine.connect() as connection:
        name: str = connection.execute(
            text("SELECT current_user FROM namespaces UNION SELECT current_user")
        ).scalar_one()
    engine.dispose()
    return name


def name_of(settings: Settings) -> str:
    return str(make_url(settings.database_url).username)


def test_without_the_role_all_works_and_the_log_and_check_say_so(
    login, administer, role, tmp_path, capsys, monkeypatch
) -> None:
    settings, engine = login()
    migrate(engine, role)
    problem = row_security.problem(engine, role)
    assert problem is not None and "may not make it" in problem
    service = Service(settings, tmp_path / "serve.log").start()
    with headstart.connect(service.address) as client:
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        assert [task.task_id for task in client.list_tasks()] == ["cifar"]
    service.kill()
    assert service.log.read_text().count("calls run without row-level security: there is no role") == 1
    assert runs_as(settings) == name_of(settings)
    monkeypatch.setenv("COLUMNS", "400")
    run_checks(settings)
    assert f"calls run without it: {problem}" in capsys.readouterr().out

    # What it says is what helps.
    create, grant, _ = problem.partition("as one who may, ")[2].split("; ")
    administer(f"{create}; {grant}")
    assert "may not use the tables" in str(row_security.problem(engine, role))
    assert runs_as(settings) == name_of(settings)
    migrate(engine, role)
    assert row_security.problem(engine, role) is None
    assert runs_as(settings) == role


def test_a_login_that_may_make_roles_makes_it_and_becomes_it(login, role) -> None:
    settings, engine = login("CREATEROLE")
    migrate(engine, role)
    assert row_security.problem(engine, role) is None
    assert runs_as(settings) == role


def test_a_role_that_is_not_granted_is_named(login, administer, role) -> None:
    settings, engine = login()
    administer(f"CREATE ROLE {role} NOLOGIN")
    migrate(engine, role)
    grant = f'GRANT {role} TO "{name_of(settings)}"'
    assert str(row_security.problem(engine, role)).endswith(grant)
    administer(grant)
    assert row_security.problem(engine, role) is None
    assert runs_as(settings) == role

    # One that would not restrict anything is refused.
    administer(f"ALTER ROLE {role} BYPASSRLS")
    assert "do not bind" in str(row_security.problem(engine, role))
    assert "do not bind" in str(row_security.problem(engine, name_of(settings)))


def test_an_empty_name_switches_it_off(login, role) -> None:
    settings, engine = login("CREATEROLE")
    settings = settings.model_copy(update={"tenant_role": ""})
    migrate(engine, "")
    assert "HEADSTART_TENANT_ROLE" in str(row_security.problem(engine, ""))
    assert runs_as(settings) == name_of(settings)


def test_a_login_that_the_policies_would_bind_does_not_start(login, administer, role) -> None:
    owner, engine = login()
    migrate(engine, role)
    other, _ = login(owns=False)
    administer(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name_of(other)}")
    with pytest.raises(StartupError, match="does not own"):
        require_database(other)
    administer(f"GRANT {name_of(owner)} TO {name_of(other)}")
    require_database(other)


def test_tables_in_a_schema_of_the_logins_name_are_found_by_the_role(login, administer, role) -> None:
    settings, engine = login("CREATEROLE")
    administer(f"CREATE SCHEMA AUTHORIZATION {name_of(settings)}")
    migrate(engine, role)
    assert runs_as(settings) == role


def test_two_databases_of_a_cluster_may_make_the_role_at_once(postgres: EmbeddedPostgres, role: str) -> None:
    def prepare(engine: Engine) -> None:
        with engine.begin() as connection:
            row_security.prepare_role(connection, role)

    with fresh_database(postgres) as first, fresh_database(postgres) as second:
        engines = [create_engine(load_settings(database_url=url)) for url in (first, second)]
        threads = [threading.Thread(target=prepare, args=(engine,)) for engine in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [row_security.problem(engine, role) for engine in engines] == [None, None]
        for engine in engines:
            engine.dispose()
    connection = psycopg2.connect(host=str(postgres.socket_directory()), user="postgres", dbname="postgres")
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE {role}")
    connection.close()
