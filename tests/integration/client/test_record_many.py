"""Imports into a real service: complete, exactly once, also when the server dies under them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import headstart
from headstart.spaces import nas_bench_graph, sample

SPACE = nas_bench_graph()


def records(task_id: str, count: int, pause: float = 0.0) -> Iterator[headstart.Record]:
    generator = random.Random(0)
    for index in range(count):
        time.sleep(pause)
        yield headstart.Record(
            task_id, SPACE.search_space_id, sample(SPACE, generator), headstart.completed(index / count)
        )


def test_killed_server_loses_nothing_of_an_import(service: Any) -> None:
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cora", headstart.Objective("accuracy")))
        acknowledged: list[int] = []
        halfway = threading.Event()

        def progress(count: int) -> None:
            acknowledged.append(count)
            if count >= 300:
                halfway.set()

        answers: list[headstart.RecordedMany] = []
        importing = threading.Thread(
            target=lambda: answers.append(
                client.record_many(records("cora", 1000, pause=0.002), chunk_size=20, progress=progress)
            )
        )
        importing.start()
        assert halfway.wait(60)
        service.kill()
        service.start()
        importing.join(90)
        assert not importing.is_alive()
        assert acknowledged[-1] == 1000
        assert answers[0].recorded_count + answers[0].already_known_count == 1000
        values = [
            experiment.outcome.objective_value for experiment in client.list_experiments("cora", SPACE.search_space_id)
        ]
        assert len(values) == len(set(values)) == 1000


def test_same_import_twice_is_kept_once(shared_service: Any, unique_id: Any) -> None:
    task_id = unique_id("cora")
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
        named = [
            headstart.Record(
                task_id,
                SPACE.search_space_id,
                record.candidate,
                record.outcome,
                request_id=f"00000000-0000-4000-8000-{index:012d}",
            )
            for index, record in enumerate(records(task_id, 50))
        ]
        assert client.record_many(named, chunk_size=7).recorded_count == 50
        again = client.record_many(named, chunk_size=11)
        assert (again.recorded_count, again.already_known_count) == (0, 50)
        assert sum(1 for _ in client.list_experiments(task_id, SPACE.search_space_id)) == 50


def test_refused_record_is_named(shared_service: Any, unique_id: Any) -> None:
    task_id = unique_id("cora")
    with headstart.connect(shared_service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task(task_id, headstart.Objective("accuracy")))
        wrong = list(records(task_id, 5))
        wrong[3] = headstart.Record(
            task_id, SPACE.search_space_id, headstart.Candidate({"link": "sideways"}), headstart.completed(0.5)
        )
        with pytest.raises(headstart.InvalidArgument) as caught:
            client.record_many(wrong)
        assert any("records[3].candidate" in violation.field for violation in caught.value.violations)
        assert sum(1 for _ in client.list_experiments(task_id, SPACE.search_space_id)) == 0
