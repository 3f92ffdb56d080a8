from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from headstart_server.access.roles import Role
from headstart_server.access.tokens import Token, create_token
from headstart_server.runtime.settings import Settings
from tests.conftest import Service

MakeToken = Callable[..., tuple[Token, str]]


@pytest.fixture
def guarded(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    """A service that asks for tokens."""
    service = Service(settings.model_copy(update={"authentication": "token"}), tmp_path / "serve.log").start()
    yield service
    service.kill()


@pytest.fixture
def make_token(engine: Engine) -> MakeToken:
    def make(
        namespace: str, role: Role = Role.WRITER, lifetime: timedelta | None = None, name: str = ""
    ) -> tuple[Token, str]:
        with engine.begin() as connection:
            return create_token(connection, namespace, name, role, lifetime, "test")

    return make
