"""Each part of a running service is killed under load: what was acknowledged is there, once; the part comes back."""

from __future__ import annotations

import random
import uuid

import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

import headstart
from benchmarks.reliability.faults import PARTS, Promises, Sent, check, run
from headstart.spaces import nas_bench_201, sample


@pytest.mark.timeout(400)
def test_each_part_is_killed_and_one_stopped_and_no_promise_is_broken() -> None:
    verdict = run(len(PARTS), 1, 0, Console(quiet=True))
    assert verdict.problems == ()
    assert sorted(part for each in verdict.recoveries for part in each.parts) == sorted(PARTS)
    assert len(verdict.resumptions) == 1
    assert verdict.acknowledged > 50
    # The load was there while the parts were not.
    assert verdict.repeats > 0


def test_checker_sees_what_is_gone_changed_or_counted_wrongly(service) -> None:
    space = nas_bench_201()
    promises = Promises()
    with headstart.connect(service.address) as client:
        client.create_search_space(space)
        client.create_task(headstart.Task("first", headstart.Objective("accuracy")))
        for number in range(4):
            request_id = str(uuid.uuid4())
            decision_id = client.select_strategy("first", ["random", "evolution"])[0].decision_id
            answer = client.record(
                "first",
                space.search_space_id,
                sample(space, random.Random(number)),
                headstart.completed(number / 8),
                decision_id=decision_id,
                request_id=request_id,
            )
            promises.sent[request_id] = Sent("first", number / 8)
            promises.told[request_id] = answer.experiment_id
    url = service.settings.database_url
    assert check(url, promises) == []
    for statement, said in (
        ("UPDATE experiments SET objective_value = 9 WHERE sequence = 1", "is not what was sent"),
        ("UPDATE strategy_arms SET pulls = pulls + 1", "and arms"),
        ("DELETE FROM experiments WHERE sequence = 4", "is gone"),
        ("UPDATE task_summaries SET experiment_count = 2", "counts 2 of 3"),
        ("DELETE FROM experiments WHERE sequence = 2", "have holes"),
    ):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()
        assert any(said in problem for problem in check(url, promises)), said
