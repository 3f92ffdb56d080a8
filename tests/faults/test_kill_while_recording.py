"""kill -9 of the server in the middle of an import: what was acknowledged is there, once, and the import goes on."""

from __future__ import annotations

import random
import threading
import uuid

import headstart
from headstart import Record
from headstart.spaces import nas_bench_201, sample

SPACE = nas_bench_201()
COUNT = 1000


def test_a_thousand_records_survive_a_kill_exactly_once(service):
    generator = random.Random(0)
    records = [
        Record(
            "cifar",
            SPACE.search_space_id,
            sample(SPACE, generator),
            headstart.completed(generator.random()),
            request_id=str(uuid.UUID(int=index)),
        )
        for index in range(COUNT)
    ]
    acknowledged: list[int] = []
    killed = threading.Event()

    def progress(done: int) -> None:
        acknowledged.append(done)
        if done >= 300 and not killed.is_set():
            killed.set()
            service.kill()
            threading.Thread(target=service.start).start()

    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        client.create_task(headstart.Task("cifar", headstart.Objective("accuracy")))
        client.record_many(iter(records), chunk_size=20, progress=progress)
        assert killed.is_set()
        kept = list(client.list_experiments("cifar", SPACE.search_space_id))
        assert len(kept) == COUNT
        assert [experiment.sequence for experiment in kept] == list(range(1, COUNT + 1))
        assert [e.outcome.objective_value for e in kept] == [r.outcome.objective_value for r in records]
        again = client.record_many(iter(records), chunk_size=100)
        assert again.already_known_count == COUNT
