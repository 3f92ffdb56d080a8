"""A search whose service is away goes on soon, with its results kept."""

from __future__ import annotations

import time

import headstart
from headstart.search.history import History
from headstart.search.memory import ServiceMemory
from headstart.spaces import Candidate, Float, Parameter, SearchSpace

LINE = SearchSpace("line", (Parameter("x", Float(-1.0, 1.0)),))


def test_service_that_is_away_holds_a_search_up_for_seconds_and_not_for_the_timeout() -> None:
    history = History(LINE)
    with headstart.connect("127.0.0.1:1", timeout=60) as client:
        memory = ServiceMemory(client, "task", "line", "worker", 0)
        begin = time.monotonic()
        memory.record(history.trial(Candidate({"x": 0.5}), headstart.completed(0.5)), "")
        assert memory.refresh(history) == 1
        assert time.monotonic() - begin < 10
    assert [trial.score for trial in history.trials] == [0.5]
