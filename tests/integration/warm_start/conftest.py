"""Memories apart from each other: every one is a namespace of its own in one running service."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import headstart
from headstart_server.access.roles import Role
from headstart_server.access.tokens import create_token
from headstart_server.runtime.database import row_security
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from tests.conftest import Service, fresh_database
from tests.integration.warm_start.cases import Memory

NewMemory = Callable[..., Memory]


@pytest.fixture(scope="session")
def new_memory(postgres: EmbeddedPostgres, chroma_server: str, session_directory: Path) -> Iterator[NewMemory]:
    """Makes an empty memory for a problem, in which nothing of another test is known."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(postgres))
        settings = load_settings(
            database_url=url,
            chroma_url=chroma_server,
            data_directory=session_directory,
            grpc_address="127.0.0.1:0",
            metrics_address="127.0.0.1:0",
            shutdown_grace_seconds=2.0,
            authentication="token",
        )
        engine = create_engine(settings)
        stack.callback(engine.dispose)
        row_security.watch(engine, settings.tenant_role)
        service = Service(settings, session_directory / "everyday.log").start()
        stack.callback(service.kill)

        def make(problem) -> Memory:
            namespace = f"user-{uuid.uuid4().hex[:8]}"
            with engine.begin() as connection:
                _, token = create_token(connection, namespace, "", Role.ADMIN, None, "test")
            client = stack.enter_context(headstart.connect(service.address, token=token))
            client.create_search_space(problem.space)
            return Memory(client, problem, token)

        yield make
