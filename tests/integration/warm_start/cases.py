"""A memory with past tasks and a new one: how to fill it, query it, and judge its answers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import headstart
from benchmarks.warm_start.everyday_problems import (
    ADULT,
    Described,
    Past,
    Problem,
    Quality,
    measured,
    record_pasts,
    searched,
    task,
)
from headstart import Objective
from headstart.spaces import canonicalize
from headstart.values import Suggestion

# Names rather than members: a service may know an origin that this client does not.
FOLLOWED = {"TRANSFERRED", "DEFAULT"}


@dataclass(frozen=True)
class Trial:
    """The first suggestions for a new task, and what measuring them gave when they were requested one by one."""

    pasts: tuple[Past, ...]
    batch: tuple[Suggestion, ...]
    suggestions: tuple[Suggestion, ...]
    values: tuple[float, ...]

    @property
    def known_count(self) -> int:
        """Candidates of the alike past tasks."""
        return sum(len(past.results) for past in self.pasts)


@dataclass(frozen=True)
class Memory:
    """What one user has recorded on one problem."""

    client: headstart.Client
    problem: Problem
    token: str

    @property
    def space_id(self) -> str:
        return self.problem.space.search_space_id

    def past(
        self,
        task_id: str,
        count: int,
        seed: int,
        described: Described = ADULT,
        quality: Quality | None = None,
        objective: Objective | None = None,
        scale=float,
    ) -> Past:
        """A past of random candidates, not recorded yet."""
        made = task(task_id, described, objective or Objective("accuracy"))
        return searched(made, self.problem.space, quality or self.problem.quality, count, seed, scale)

    def record(self, *pasts: Past) -> None:
        record_pasts(self.client, self.space_id, pasts)

    def new_task(self, task_id: str, described: Described = ADULT, objective: Objective | None = None) -> str:
        return self.client.create_task(task(task_id, described, objective or Objective("accuracy"))).task_id

    def random_results(self, task_id: str, count: int, seed: int) -> None:
        """Of a task that exists."""
        generator = random.Random(f"results {task_id} {seed}")
        for _ in range(count):
            candidate = headstart.spaces.sample(self.problem.space, generator)
            self.tell(task_id, candidate, measured(self.problem.quality, candidate, generator))

    def tell(self, task_id: str, candidate: headstart.spaces.Candidate, value: float) -> None:
        self.client.record(task_id, self.space_id, candidate, headstart.completed(value))

    def one_by_one(
        self, task_id: str, count: int, seed: int, quality: Quality | None = None
    ) -> tuple[tuple[Suggestion, ...], tuple[float, ...]]:
        """Ask for one, measure and record it, and so on."""
        generator = random.Random(f"measured {task_id} {seed}")
        suggestions, values = [], []
        for step in range(count):
            answer = self.client.warm_start(task_id, self.space_id, 1, seed=1_000 * seed + step)
            [suggestion] = answer.suggestions
            value = measured(quality or self.problem.quality, suggestion.candidate, generator)
            self.tell(task_id, suggestion.candidate, value)
            suggestions.append(suggestion)
            values.append(value)
        return tuple(suggestions), tuple(values)

    def try_first_eight(self, alike: Sequence[Past], seed: int, described: Described = ADULT) -> Trial:
        """A batch of eight for one new task, then one by one for another: the first has no results to teach."""
        batch = self.client.warm_start(self.new_task("new-batch", described), self.space_id, 8, seed=seed).suggestions
        suggestions, values = self.one_by_one(self.new_task("new", described), 8, seed)
        return Trial(tuple(alike), tuple(batch), suggestions, values)


def best_names(problem: Problem, pasts: Iterable[Past], count: int) -> set[str]:
    """Fingerprints of the best of each past task, by what was measured there."""
    return {canonicalize(problem.space, candidate).fingerprint for past in pasts for candidate, _ in past.best(count)}


def origins(suggestions: Sequence[Suggestion]) -> list[str]:
    return [suggestion.origin.name for suggestion in suggestions]


def followed_count(suggestions: Sequence[Suggestion]) -> int:
    return sum(origin in FOLLOWED for origin in origins(suggestions))


def to_follow(known_count: int) -> int:
    """Of eight: six, but nobody copies the worse half of a past of a few results."""
    return min(6, (known_count + 1) // 2)


def third_best(pasts: Sequence[Past]) -> float:
    """Of all that was measured on the past tasks, which are of the new task's unit and maximised."""
    return sorted((value for past in pasts for _, value in past.results), reverse=True)[2]


def area(values: Sequence[float], best: float, span: float) -> float:
    """Under the curve of best-so-far regret, 0 to 1 as a share of the range ``span`` below the ``best``."""
    highest = -float("inf")
    regrets = []
    for value in values:
        highest = max(highest, value)
        regrets.append((best - highest) / span)
    return fmean(regrets)


def holds(outcomes: Sequence[bool], share: float = 0.9) -> bool:
    """In at least this share of the draws."""
    return sum(outcomes) >= share * len(outcomes) - 1e-9
