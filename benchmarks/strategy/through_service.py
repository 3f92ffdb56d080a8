"""Selection by the service: every run of the past is a decision with a result, every question a SelectStrategy.

A fold is asked for while all others are recorded. From one fold to the next only two change places, so that the
service never sees a result of a task that it is asked about.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import headstart
from benchmarks.service import own_service, short_directory
from benchmarks.strategy.scenarios import Scenario
from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace
from headstart.values import Record, completed
from headstart_server.runtime.database.engine import create_engine
from headstart_server.runtime.local.databases import EmbeddedPostgres
from headstart_server.runtime.settings import load_settings
from headstart_server.strategy.learning import StrategyLearner

_CALLERS = 8
# The predictor of architectures has nothing to learn from these runs.
_NEVER = 1_000_000_000
_SETTINGS = {"HEADSTART_WORKER_POLL_SECONDS": "100000", "HEADSTART_TRAINING_MIN_EXPERIMENTS": str(_NEVER)}


class Selection:
    """A scenario in a service of its own, which learns when it is told to."""

    def __init__(self, scenario: Scenario, client: headstart.Client, work: Callable[[], object]) -> None:
        self._scenario = scenario
        self._client = client
        self._work = work
        self._names = [f"arm{place}" for place in range(len(scenario.algorithms))]
        self._space = SearchSpace("algorithms", (Parameter("algorithm", Categorical(tuple(self._names))),))
        client.create_search_space(self._space)
        self.latencies: list[float] = []
        self.training_seconds: list[float] = []

    def record(self, rows: Sequence[int]) -> None:
        """Tasks with the results of all algorithms, each under a decision that had no other arm."""
        self._create(rows)
        with ThreadPoolExecutor(_CALLERS) as callers:
            for records in callers.map(self._records, rows):
                self._client.record_many(records)

    def forget(self, rows: Sequence[int]) -> None:
        with ThreadPoolExecutor(_CALLERS) as callers:
            list(callers.map(lambda row: self._client.delete_task(_task_id(row)), rows))

    def learn(self) -> None:
        """What the worker would learn now."""
        start = time.monotonic()
        self._work()
        self.training_seconds.append(time.monotonic() - start)

    def ask(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """The algorithm chosen for each of these tasks, without any result of it."""
        self._create(rows)
        chosen = np.array([self._ask(row) for row in rows])
        self.forget(rows)
        return chosen

    def _ask(self, row: int) -> int:
        start = time.perf_counter()
        (decision,) = self._client.select_strategy(_task_id(row), self._names)
        self.latencies.append(time.perf_counter() - start)
        return self._names.index(decision.arm)

    def _create(self, rows: Sequence[int]) -> None:
        with ThreadPoolExecutor(_CALLERS) as callers:
            list(callers.map(self._client.create_task, map(self._task, rows)))

    def _task(self, row: int) -> headstart.Task:
        features = zip(self._scenario.columns, self._scenario.features[row].tolist(), strict=True)
        numbers = {name: value for name, value in features if math.isfinite(value)}
        objective = headstart.Objective("loss", headstart.Direction.MINIMIZE)
        return headstart.Task(_task_id(row), objective, meta_features=numbers)

    def _records(self, row: int) -> list[Record]:
        records = []
        for name, loss in zip(self._names, self._scenario.losses[row].tolist(), strict=True):
            (decision,) = self._client.select_strategy(_task_id(row), [name])
            candidate = Candidate({"algorithm": name})
            records.append(
                Record(_task_id(row), self._space.search_space_id, candidate, completed(loss), decision.decision_id)
            )
        return records


@contextmanager
def selection(scenario: Scenario, say: Callable[[str], None]) -> Iterator[Selection]:
    """An empty service, gone at the end. Raises ServiceProblem."""
    with (
        short_directory() as directory,
        own_service(say, {**_SETTINGS, "HEADSTART_DATA_DIRECTORY": str(directory / "data")}) as address,
        headstart.connect(address, timeout=60.0) as client,
    ):
        yield Selection(scenario, client, _learner(directory / "data"))


def _learner(directory: Path) -> Callable[[], object]:
    """The worker's job of learning from decisions, in this process: the worker of the service sleeps."""
    learner = StrategyLearner(
        create_engine(load_settings(database_url=EmbeddedPostgres(directory / "postgresql").url()))
    )

    # Always: as many results as went with one fold may have come with another, and the worker would see no change.
    return lambda: learner.refresh("default")


def _task_id(row: int) -> str:
    return f"task-{row}"
