"""The searches that are compared: each from its own history, until it has found one of the best of its table.

A search that asks the service does nothing else: it evaluates what WarmStart proposes, records it, and asks again.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import headstart
from benchmarks.history import EVALUATIONS, POPULATION, SAMPLE, Evaluation, cold_search, fitness, history_records
from benchmarks.service import ServiceProblem, wait_for_predictor
from benchmarks.tables import Table
from headstart.spaces import Candidate, SearchSpace, mutate, sample
from headstart.values import Record, Suggestion, Task

_CHUNK = 2_048
_TRAINING_SECONDS = 600.0


@dataclass(frozen=True)
class Found:
    """``evaluations`` until the goal, one more than allowed where it was not reached; best regret after each.

    After the goal the best regret is carried on: the search ends there.
    """

    evaluations: int
    regrets: tuple[float, ...]
    repeated: int = 0


class Goal:
    """Watches one search of a table: an architecture among the best ``share`` of its distinct ones."""

    def __init__(self, table: Table, share: float, budget: int) -> None:
        self._table = table
        self._threshold = table.threshold(share)
        self._budget = budget
        self._regrets: list[float] = []
        self.reached = False

    def see(self, candidate: Candidate) -> bool:
        """After an evaluation: whether the search is over."""
        value = self._table.value(candidate)
        before = self._regrets[-1] if self._regrets else 1.0
        self._regrets.append(before if value is None else min(before, max(0.0, self._table.regret(value))))
        self.reached = self.reached or (value is not None and self._table.at_least(value, self._threshold))
        return self.reached or len(self._regrets) >= self._budget

    def found(self, repeated: int = 0) -> Found:
        evaluations = len(self._regrets) if self.reached else self._budget + 1
        rest = self._budget - len(self._regrets)
        return Found(evaluations, tuple(self._regrets + [self._regrets[-1]] * rest), repeated)


class _Over(Exception):
    """A search has reached its goal."""


def cold(table: Table, seed: int, goal: Goal) -> Found:
    """Regularized evolution without any advice."""

    def watch(evaluation: Evaluation) -> None:
        if goal.see(evaluation.candidate):
            raise _Over

    with suppress(_Over):
        cold_search(table, seed, EVALUATIONS, evaluated=watch)
    return goal.found()


def naive(table: Table, sources: Sequence[Table], seed: int, goal: Goal) -> Found:
    """The same evolution, its first population made of the best that the other tasks found."""
    generator = random.Random(f"naive/{table.name}/{seed}")
    each = -(-POPULATION // max(1, len(sources)))
    first: list[Candidate] = []
    for source in sources:
        done = cold_search(source, seed)
        best = sorted(done, key=lambda one: fitness(source, one.outcome), reverse=True)
        first += list({str(one.candidate): one.candidate for one in best}.values())[:each]
    first = first[:POPULATION]
    if table.pool:
        first += [each for each in generator.sample(table.pool, len(table.pool)) if each not in first]
    population: deque[tuple[float, Candidate]] = deque(maxlen=POPULATION)
    for number in range(EVALUATIONS):
        if number < len(first):
            candidate = first[number]
        elif number < POPULATION:
            candidate = sample(table.space, generator)
        else:
            contestants = generator.sample(list(population), SAMPLE)
            candidate = mutate(table.space, max(contestants, key=lambda one: one[0])[1], generator)
        population.append((fitness(table, table.evaluate(candidate, generator)), candidate))
        if goal.see(candidate):
            break
    return goal.found()


@dataclass(frozen=True)
class Place:
    """A space and a task of their own in the service, so that no run learns from another."""

    client: headstart.Client
    table: Table
    space: SearchSpace
    task: Task
    sources: Mapping[str, Table]


@contextmanager
def place(client: headstart.Client, table: Table, sources: Sequence[Table]) -> Iterator[Place]:
    """``table`` is the new task, ``sources`` those with a history; all gone at the end."""
    run = uuid.uuid4().hex[:12]
    space = replace(table.space, search_space_id=f"{table.space.search_space_id}-{run}")
    task = replace(table.task, task_id=f"{table.task.task_id}-{run}")
    named = {f"{source.task.task_id}-{run}": source for source in sources}
    client.create_search_space(space)
    for task_id, source in named.items():
        client.create_task(replace(source.task, task_id=task_id))
    client.create_task(task)
    try:
        yield Place(client, table, space, task, named)
    finally:
        for task_id in (task.task_id, *named):
            client.delete_task(task_id)


def record_history(where: Place, seed: int, shuffled: bool, evaluations: int = EVALUATIONS) -> None:
    """One cold search of every source; ``shuffled``: with its results handed out to its candidates at random."""
    records: list[Record] = []
    for task_id, source in where.sources.items():
        own = history_records(source, seed, evaluations)
        if shuffled:
            outcomes = [record.outcome for record in own]
            random.Random(f"shuffled/{source.name}/{seed}").shuffle(outcomes)
            own = [replace(record, outcome=outcome) for record, outcome in zip(own, outcomes, strict=True)]
        records += [
            replace(
                record,
                task_id=task_id,
                search_space_id=where.space.search_space_id,
                request_id=str(uuid.uuid4()),
            )
            for record in own
        ]
    where.client.record_many(records, chunk_size=_CHUNK)


def wait_for_model(where: Place) -> None:
    """Until the worker has trained on all of the history. Raises ServiceProblem where it does not."""
    size = 1
    if wait_for_predictor(where.client, where.space.search_space_id, size, _TRAINING_SECONDS) is None:
        raise ServiceProblem(f"no model was trained within {_TRAINING_SECONDS:.0f} seconds: is a worker running?")


def asking(where: Place, seed: int, batch: int, goal: Goal) -> Found:
    """A search that evaluates what WarmStart proposes, ``batch`` at a time, until the goal."""
    tried: set[str] = set()
    repeated = 0
    for suggestion in evaluated_suggestions(where, seed, batch):
        repeated += suggestion.fingerprint in tried
        tried.add(suggestion.fingerprint)
        if goal.see(suggestion.candidate):
            break
    return goal.found(repeated)


def evaluated_suggestions(where: Place, seed: int, batch: int) -> Iterator[Suggestion]:
    """What WarmStart proposes, ``batch`` at a time: evaluated and recorded when it is given; ends when it has none."""
    generator = random.Random(f"asking/{where.table.name}/{seed}")
    while True:
        answer = where.client.warm_start(
            where.task.task_id,
            where.space.search_space_id,
            batch,
            seed=generator.getrandbits(62),
            pool=where.table.pool,
        )
        if not answer.suggestions:
            return
        for suggestion in answer.suggestions:
            outcome = where.table.evaluate(suggestion.candidate, generator)
            where.client.record(where.task.task_id, where.space.search_space_id, suggestion.candidate, outcome)
            yield suggestion
