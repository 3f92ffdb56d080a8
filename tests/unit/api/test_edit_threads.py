"""Which threads answer a search: edit distances keep neither records nor predictions waiting."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headstart.v1 import knowledge_base_service_pb2 as pb2
from headstart.v1 import meta_learning_service_pb2 as pb2_meta
from headstart_server.api.blocking import BlockingWork
from headstart_server.api.handlers import knowledge_base, meta_learning


def test_edit_distances_keep_no_other_call_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def search(
        _: Any, request: pb2.SearchArchitecturesRequest, quick: float | None = None
    ) -> pb2.SearchArchitecturesResponse:
        if request.measure == pb2.ARCHITECTURE_MEASURE_GRAPH_EDIT_DISTANCE:
            assert enough.wait(20)
        return pb2.SearchArchitecturesResponse()

    monkeypatch.setattr(knowledge_base, "search_architectures", search)
    monkeypatch.setattr(knowledge_base.task_similarity, "list_task_clusters", lambda *_: pb2.ListTaskClustersResponse())
    database, models, edits = (BlockingWork(ThreadPoolExecutor(1)) for _ in range(3))
    domains: Any = SimpleNamespace()
    context: Any = SimpleNamespace(time_remaining=lambda: None)
    servicer = knowledge_base.KnowledgeBaseServicer(domains, database, models, edits, models)

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


def test_what_takes_seconds_keeps_no_question_of_milliseconds_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Event()

    def slow(*_: Any) -> Any:
        assert enough.wait(20)
        return pb2.ExplainTaskResponse()

    monkeypatch.setattr(knowledge_base.task_similarity, "explain_task", slow)
    monkeypatch.setattr(knowledge_base.task_similarity, "search_tasks", slow)
    monkeypatch.setattr(knowledge_base, "search_architectures", lambda *_: pb2.SearchArchitecturesResponse())
    pools = [BlockingWork(ThreadPoolExecutor(1)) for _ in range(4)]
    database, models, edits, for_slow = pools
    domains: Any = SimpleNamespace()
    context: Any = SimpleNamespace(time_remaining=lambda: None)
    knowledge = knowledge_base.KnowledgeBaseServicer(domains, database, models, edits, for_slow)
    meta = meta_learning.MetaLearningServicer(domains, database, models, cast(Any, None), for_slow)
    for name, work in (("_predict", pb2_meta.PredictPerformanceResponse()), ("_warm_start", None), ("_transfer", None)):
        small = work

        def answer(request: Any, small: Any = small) -> Any:
            few = len(getattr(request, "queries", ())) <= 1 and len(getattr(request, "target_task_ids", ())) <= 1
            return small if few and getattr(request, "count", 1) <= 1 else slow()

        monkeypatch.setattr(meta, name, answer)

    async def calls() -> None:
        many = pb2_meta.PredictPerformanceRequest(queries=[pb2_meta.PredictionQuery()] * 4096)
        begun = [
            asyncio.create_task(call)
            for call in (
                knowledge.ExplainTask(pb2.ExplainTaskRequest(), context),
                knowledge.SearchTasks(pb2.SearchTasksRequest(), context),
                meta.TransferArchitecture(
                    pb2_meta.TransferArchitectureRequest(target_task_ids=[str(n) for n in range(64)]), context
                ),
                meta.WarmStart(pb2_meta.WarmStartRequest(count=4096), context),
                meta.PredictPerformance(many, context),
            )
        ]
        await asyncio.sleep(0.1)
        quick = asyncio.gather(
            knowledge.SearchArchitectures(pb2.SearchArchitecturesRequest(), context),
            meta.PredictPerformance(pb2_meta.PredictPerformanceRequest(), context),
            meta.WarmStart(pb2_meta.WarmStartRequest(count=1), context),
        )
        try:
            await asyncio.wait_for(quick, timeout=5)
        finally:
            enough.set()
            await asyncio.gather(*begun)

    asyncio.run(calls())
    for pool in pools:
        pool.close()
