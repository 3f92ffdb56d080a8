"""One measurement through the public API: record, wait for the trained model, ask for everything held out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

import headstart
from benchmarks.prediction.ranking import Vector
from benchmarks.service import ServiceProblem, wait_for_predictor
from headstart.spaces import Candidate, SearchSpace
from headstart.values import Predictor, Query, Record, Task, completed

BATCH = 2_048
TRAINING_SECONDS = 300.0
LEVELS = (0.5, 0.8, 0.9, 0.95)
LEVEL = 0.9

Step = Callable[[str], None]


@dataclass(frozen=True)
class Labelled:
    """Candidates with their true values [n], and their proxies where there are any."""

    candidates: Sequence[Candidate]
    values: Vector
    proxies: Sequence[Mapping[str, float]] = ()

    def rows(self, chosen: Sequence[int]) -> Labelled:
        return Labelled(
            [self.candidates[row] for row in chosen],
            self.values[list(chosen)],
            [self.proxies[row] for row in chosen] if self.proxies else (),
        )


@dataclass(frozen=True)
class Told:
    """What the service answered: means and interval ends, one of each for a candidate."""

    means: Vector
    lower: Vector
    upper: Vector
    seconds: float
    basis: str


@dataclass(frozen=True)
class Place:
    """A space and tasks of their own in the service, so that nothing leaks from one seed to the next."""

    client: headstart.Client
    space: SearchSpace
    tasks: Mapping[str, Task]

    def record(self, task: str, labelled: Labelled) -> None:
        """In one chunk, which is one commit: the worker must not train on a part of the labels."""
        proxies = labelled.proxies or [{}] * len(labelled.candidates)
        records = [
            Record(
                self.tasks[task].task_id,
                self.space.search_space_id,
                candidate,
                replace(completed(float(value)), proxies=own),
            )
            for candidate, value, own in zip(labelled.candidates, labelled.values, proxies, strict=True)
        ]
        self.client.record_many(records, chunk_size=len(records))

    def wait(self, before: Predictor | None = None) -> Predictor:
        """For the first model, or for one after another."""
        size = 1 if before is None else before.training_size + 1
        predictor = wait_for_predictor(self.client, self.space.search_space_id, size, TRAINING_SECONDS)
        if predictor is None:
            raise ServiceProblem(
                f"no model of {self.space.search_space_id} after {TRAINING_SECONDS:.0f} seconds: is a worker running?"
            )
        # Servers look for versions once a second, and go on with the one before until the new one is loaded.
        time.sleep(1.2 if before is None else 3.0)
        return predictor

    def ask(
        self,
        task: str,
        candidates: Sequence[Candidate],
        proxies: Sequence[Mapping[str, float]] = (),
        level: float = LEVEL,
    ) -> Told:
        """Predictions of all candidates, in batches."""
        asked: Sequence[Query | Candidate] = candidates
        if proxies:
            asked = [Query(candidate, proxies=own) for candidate, own in zip(candidates, proxies, strict=True)]
        task_id, space_id = self.tasks[task].task_id, self.space.search_space_id
        # The first question adapts the model: a service that runs has done so long before.
        self.client.predict(task_id, space_id, asked[:1], timeout=120)
        estimates, basis = [], ""
        start = time.perf_counter()
        for first in range(0, len(asked), BATCH):
            answer = self.client.predict(
                task_id, space_id, asked[first : first + BATCH], interval_level=level, timeout=120
            )
            estimates += [prediction.estimate for prediction in answer.predictions]
            basis = answer.basis
        seconds = time.perf_counter() - start
        return Told(
            np.array([estimate.mean for estimate in estimates]),
            np.array([estimate.interval.lower for estimate in estimates]),
            np.array([estimate.interval.upper for estimate in estimates]),
            seconds,
            basis,
        )

    def calibration(self, task: str, labelled: Labelled, with_proxies: bool = False) -> dict[float, float]:
        """The share of true values inside intervals of each level."""
        shares = {}
        for level in LEVELS:
            told = self.ask(task, labelled.candidates, labelled.proxies if with_proxies else (), level)
            shares[level] = float(((told.lower <= labelled.values) & (labelled.values <= told.upper)).mean())
        return shares


@contextmanager
def place(client: headstart.Client, space: SearchSpace, tasks: Mapping[str, Task], run: str) -> Iterator[Place]:
    """A space and tasks under names of their own, gone again afterwards."""
    suffix = f"{run}-{uuid.uuid4().hex[:8]}"
    own_space = replace(space, search_space_id=f"{space.search_space_id}-{suffix}")
    own_tasks = {name: replace(task, task_id=f"{task.task_id}-{suffix}") for name, task in tasks.items()}
    client.create_search_space(own_space)
    for task in own_tasks.values():
        client.create_task(task)
    try:
        yield Place(client, own_space, own_tasks)
    finally:
        for task in own_tasks.values():
            client.delete_task(task.task_id)
