"""The knowledge room on a real database, with a space and two tasks."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.database.engine import run_transaction
from tests.integration.knowledge.hands import NAMESPACE, SPACE, Recorder, a_task


@pytest.fixture
def knowledge(engine: Engine) -> KnowledgeService:
    service = KnowledgeService(engine, ArchitectureIndex("http://127.0.0.1:1"))

    def create(connection):
        service.create_search_space(connection, NAMESPACE, SPACE)
        service.create_task(connection, NAMESPACE, a_task("cifar"))
        service.create_task(connection, NAMESPACE, a_task("loss", maximize=False))

    run_transaction(engine, create)
    return service


@pytest.fixture
def recorder(engine: Engine, knowledge: KnowledgeService) -> Recorder:
    return Recorder(engine, knowledge)
