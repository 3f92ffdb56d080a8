"""Which threads answer a search: edit distances keep neither records nor predictions waiting."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart_server.api import knowledge_base
from headstart_server.api.blocking import BlockingWork


def test_edit_distances_keep_no_other_call_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def search(_: Any, request: pb2.SearchArchitecturesRequest) -> pb2.SearchArchitecturesResponse:
        if request.measure == pb2.ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE:
            assert enough.wait(20)
        return pb2.SearchArchitecturesResponse()

    monkeypatch.setattr(knowledge_base, "search_architectures", search)
    monkeypatch.setattr(knowledge_base.task_similarity, "list_task_clusters", lambda *_: pb2.ListTaskClustersResponse())
    database, models, edits = (BlockingWork(1, name) for name in ("database", "models", "edits"))
    rooms: Any = SimpleNamespace()
    context: Any = SimpleNamespace(time_remaining=lambda: None)
    servicer = knowledge_base.KnowledgeBaseServicer(rooms, database, models, edits)

    async def calls() -> None:
        measure = pb2.ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE
        asked = pb2.SearchArchitecturesRequest(measure=measure)
        slow = [asyncio.create_task(servicer.SearchArchitectures(asked, context)) for _ in range(3)]
        await asyncio.sleep(0.1)
        quick = asyncio.gather(
            servicer.SearchArchitectures(pb2.SearchArchitecturesRequest(), context),
            servicer.ListTaskClusters(pb2.ListTaskClustersRequest(), context),
        )
        try:
            await asyncio.wait_for(quick, timeout=5)
        finally:
            enough.set()
            await asyncio.gather(*slow)

    asyncio.run(calls())
    for work in (database, models, edits):
        work.close()
