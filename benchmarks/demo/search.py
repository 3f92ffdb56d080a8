"""The two searches of the demo: the same loop in the same number of processes, with the service's advice and without.

Both share their results through the service. The one without advice is recorded in a copy of the space, because in the
same space the service would take its results for those of a similar task.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import headstart
from benchmarks.tables import Table, nas_bench_graph_table
from headstart.search import Advice
from headstart.spaces import SearchSpace
from headstart.values import Task

_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Arm:
    """One of the two searches of one seed; ``dataset`` names the table that stands in for training."""

    dataset: str
    task: Task
    space: SearchSpace
    advised: bool
    seed: int


@dataclass(frozen=True)
class Trace:
    """What a search found: objective values in the order of recording (None where it failed), who proposed how many."""

    values: tuple[float | None, ...]
    proposed_by: Counter[str]
    seconds: float


def arms(dataset: str, seed: int, run: str) -> tuple[Arm, Arm]:
    """With the service's advice, and without, on tasks that are new to the service."""
    table = nas_bench_graph_table(dataset)
    advised = replace(table.task, task_id=f"{task_prefix(table)}{seed}-{run}")
    alone = replace(table.task, task_id=f"{task_prefix(table)}{seed}-{run}-alone")
    copy = replace(table.space, search_space_id=f"{table.space.search_space_id}-alone")
    return Arm(dataset, advised, table.space, True, seed), Arm(dataset, alone, copy, False, seed)


def task_prefix(table: Table) -> str:
    """How the ids of the demo's own tasks begin."""
    return f"{table.name}-demo-"


def run_arms(
    executor: Executor,
    client: headstart.Client,
    both: tuple[Arm, ...],
    workers: int,
    budget: int,
    watch: Callable[[Arm, int, float | None], None],
) -> list[Trace]:
    """Search with all arms side by side; ``watch`` is told the evaluations and the best value of each as they come.

    The tasks are removed at the end: what this seed found must not advise the next.
    """
    for arm in both:
        client.create_search_space(arm.space)
        client.create_task(arm.task)
    begin = time.monotonic()
    try:
        futures = [
            [executor.submit(_work, client.address, arm, budget, f"worker-{number}") for number in range(workers)]
            for arm in both
        ]
        watchers = [_Watcher(client, arm) for arm in both]
        finished: dict[int, float] = {}
        while len(finished) < len(both):
            time.sleep(_POLL_SECONDS)
            for index, (arm, watcher) in enumerate(zip(both, watchers, strict=True)):
                done = all(future.done() for future in futures[index])
                watcher.read()
                watch(arm, min(budget, len(watcher.values)), watcher.best)
                if done:
                    finished.setdefault(index, time.monotonic() - begin)
        return [
            Trace(tuple(watcher.values[:budget]), _proposals(futures[index]), finished[index])
            for index, watcher in enumerate(watchers)
        ]
    finally:
        for arm in both:
            client.delete_task(arm.task.task_id)


class _Watcher:
    """Reads the experiments of an arm as they are recorded."""

    def __init__(self, client: headstart.Client, arm: Arm) -> None:
        self._client = client
        self._arm = arm
        self._table = nas_bench_graph_table(arm.dataset)
        self._last_sequence = 0
        self.values: list[float | None] = []
        self.best: float | None = None

    def read(self) -> None:
        for experiment in self._client.list_experiments(
            self._arm.task.task_id, self._arm.space.search_space_id, after_sequence=self._last_sequence
        ):
            self._last_sequence = experiment.sequence
            value = experiment.outcome.objective_value
            self.values.append(value)
            if value is not None and (self.best is None or self._table.at_least(value, self.best)):
                self.best = value


def _work(address: str, arm: Arm, budget: int, worker_id: str) -> Counter[str]:
    """One worker process of a search: how many candidates each strategy proposed."""
    table = nas_bench_graph_table(arm.dataset)
    generator = random.Random(f"{arm.seed}/{worker_id}")
    with headstart.connect(address) as client:
        result = headstart.search(
            client,
            arm.task.task_id,
            arm.space,
            lambda candidate: table.evaluate(candidate, generator),
            budget,
            advice=Advice() if arm.advised else None,
            seed=arm.seed,
            worker_id=worker_id,
        )
    return Counter(step.proposed_by for step in result.steps)


def _proposals(futures: list[Future[Counter[str]]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for future in futures:
        total += future.result()
    return total


def best_so_far(table: Table, values: tuple[float | None, ...]) -> list[float]:
    """The best value after each evaluation; the median architecture's before the first that worked."""
    best = None
    curve = []
    for value in values:
        if value is not None and (best is None or table.at_least(value, best)):
            best = value
        curve.append(table.median if best is None else best)
    return curve


def evaluations_to(table: Table, values: tuple[float | None, ...], goal: float) -> int:
    """How many evaluations it took to reach a value; one more than there were where it was not reached."""
    for number, value in enumerate(values, start=1):
        if value is not None and table.at_least(value, goal):
            return number
    return len(values) + 1
