"""A search in small, on made-up tasks that resemble each other: touches every call of the contract for clients."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import headstart
from headstart.errors import HeadstartError, NotFound
from headstart.spaces import Candidate, SearchSpace, sample
from headstart.spaces.ready_made import NAS_BENCH_201_OPS, nas_bench_201
from headstart.values import Arm, ExperimentStatus, Objective, Outcome, Record, Task, completed

PAST_TASKS, PAST_RESULTS = 2, 40
ARMS = ("random", "local_search", "regularized_evolution", "a strategy of my own")
TARGET = "made-up-target"
_SUGGESTED, _PREDICTED = 6, 48
_WORTH = dict(zip(NAS_BENCH_201_OPS, (0.0, 0.5, 0.8, 1.0, 0.2), strict=True))


def accuracy(candidate: Candidate, task: int, noise: random.Random) -> float:
    """In percent. Tasks differ in how much the last edges matter; runs in noise."""
    worth = [_WORTH[str(candidate.values[f"op{edge}"])] * (1.0 + 0.1 * edge * (task % 3)) for edge in range(6)]
    return 40.0 + 8.0 * sum(worth) + noise.gauss(0.0, 0.5)


def record_past(client: headstart.Client, seed: int = 0) -> SearchSpace:
    """The space, and tasks with enough results for a model."""
    space, noise = nas_bench_201(), random.Random(seed)
    client.create_search_space(space)
    for number in range(PAST_TASKS):
        client.create_task(_task(f"made-up-{number}"))
        candidates = [sample(space, noise) for _ in range(PAST_RESULTS)]
        client.record_many(
            [
                Record(
                    f"made-up-{number}",
                    space.search_space_id,
                    each,
                    completed(accuracy(each, number, noise)),
                )
                for each in candidates
            ],
            chunk_size=16,
        )
    client.create_task(_task(TARGET))
    return space


def search(client: headstart.Client, space: SearchSpace, until: Callable[[], bool], pause: float, seed: int = 1) -> int:
    """Rounds of a search, with a look at everything in each, until it is told to end; returns how many."""
    noise, rounds = random.Random(seed), 0
    looks = _looks(client, space, noise)
    while not until():
        rounds += 1
        suggested = client.warm_start(TARGET, space.search_space_id, _SUGGESTED, exploration_share=0.34)
        client.predict(TARGET, space.search_space_id, [sample(space, noise) for _ in range(_PREDICTED)])
        decisions = client.select_strategy(TARGET, [Arm(name) for name in ARMS], slots=len(suggested.suggestions))
        for suggestion, decision in zip(suggested.suggestions, decisions, strict=False):
            failed = noise.random() < 0.05
            value = accuracy(suggestion.candidate, PAST_TASKS, noise)
            client.record(
                TARGET,
                space.search_space_id,
                suggestion.candidate,
                Outcome(ExperimentStatus.FAILED) if failed else completed(value),
                decision_id=decision.decision_id,
            )
        next(looks)
        time.sleep(pause)
    return rounds


def _looks(client: headstart.Client, space: SearchSpace, noise: random.Random) -> Iterator[None]:
    """The calls for people, all of them each time; one names a task that is not there."""
    name = space.search_space_id
    while True:
        client.get_search_space(name)
        list(client.list_search_spaces())
        client.update_task(client.get_task(TARGET))
        newest = next(iter(client.list_experiments(TARGET, name, page_size=1)))
        client.get_experiment(newest.experiment_id)
        client.search_architectures(name, newest.candidate, count=3)
        client.search_tasks(TARGET, search_space_id=name)
        client.explain_task(TARGET, name)
        client.explain_strategies(TARGET)
        client.transfer_architecture(name, newest.candidate, "made-up-0", TARGET)
        list(client.list_tasks())
        list(client.list_decisions(TARGET))
        list(client.list_task_clusters())
        client.create_task(_task("made-up-short-lived"))
        client.delete_task("made-up-short-lived")
        with suppress(NotFound):
            client.get_task("not-there")
        with suppress(HeadstartError):
            client.get_predictor(name)
        yield


def _task(task_id: str) -> Task:
    return Task(task_id, Objective("accuracy"), descriptor={"modality": "image"}, meta_features={"classes": 10.0})
