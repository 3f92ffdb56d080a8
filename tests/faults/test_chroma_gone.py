"""Chroma gone: every call answers, marked degraded, nothing is lost, and all is well again without anybody's help."""

from __future__ import annotations

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex, IndexUnavailable
from tests.conftest import Service
from tests.own_chroma import OwnChroma
from tests.waiting import wait_until

SPACE = nas_bench_201()
SPACE_ID = SPACE.search_space_id


def records(task_id: str, count: int, seed: int) -> list[Record]:
    generator = random.Random(seed)
    return [
        Record(task_id, SPACE_ID, sample(SPACE, generator), headstart.completed(generator.random()))
        for _ in range(count)
    ]


@pytest.mark.timeout(240)
def test_without_chroma_every_call_answers_and_says_so(settings, tmp_path: Path) -> None:
    chroma = OwnChroma(tmp_path / "chroma")
    chroma.start()
    # Without a model, so that the index and what stands in for it measure by the same features.
    changes = {"chroma_url": chroma.url, "training_min_experiments": 1_000}
    service = Service(settings.model_copy(update=changes), tmp_path / "serve.log").start()
    try:
        with headstart.connect(service.address, timeout=30) as client:
            client.create_search_space(SPACE)
            for task_id in ("source", "target"):
                client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
            client.record_many(records("source", 60, seed=1) + records("target", 12, seed=2))
            service.run_worker()
            candidate = sample(SPACE, random.Random(3))

            def degraded() -> list[bool]:
                return [
                    client.warm_start("target", SPACE_ID, 4).degraded,
                    client.predict("target", SPACE_ID, [candidate]).degraded,
                    client.search_architectures(SPACE_ID, candidate).degraded,
                ]

            assert degraded() == [False, False, False]
            nearest = client.search_architectures(SPACE_ID, candidate)
            chroma.stop()
            # The search notices at once, the others when the watch has looked.
            assert client.search_architectures(SPACE_ID, candidate).degraded
            wait_until(lambda: degraded() == [True, True, True], what="noticing that Chroma is gone")
            assert len(client.warm_start("target", SPACE_ID, 4).suggestions) == 4
            without = client.search_architectures(SPACE_ID, candidate)
            assert [match.distance for match in without.matches] == pytest.approx(
                [match.distance for match in nearest.matches], abs=1e-4
            )
            # Health stays as it is: the service answers.
            client.record_many(records("source", 30, seed=4))
            chroma.empty()
            chroma.start()
            service.run_worker()
            wait_until(lambda: degraded() == [False, False, False], what="healing")
    finally:
        service.kill()
        chroma.stop()


@pytest.mark.timeout(60)
def test_chroma_that_accepts_and_never_answers_is_out_of_reach_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        index = ArchitectureIndex(f"http://127.0.0.1:{silent.getsockname()[1]}")

        def asked(*question: str) -> float:
            begin = time.monotonic()
            with pytest.raises(IndexUnavailable):
                index.size(*question) if question else index.check()
            return time.monotonic() - begin

        with ThreadPoolExecutor(5) as threads:
            searches = [threads.submit(asked, "default.space.structural-1.1") for _ in range(4)]
            time.sleep(0.2)
            watch = threads.submit(asked)
            assert max(call.result(timeout=20) for call in [*searches, watch]) < 6.0
