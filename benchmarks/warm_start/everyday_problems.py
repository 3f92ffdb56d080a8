"""Made-up objectives on small search spaces, and past tasks recorded on them: what a user's memory looks like.

Each objective is smooth, has one region of good candidates and a range of about 0.15, so that a result is good or bad
by more than its noise. How they are asked about is decided by the everyday benchmark and the tests beside it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import headstart
from headstart import Direction, Objective, Task
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    Parameter,
    SearchSpace,
    mlp_classifier,
    nas_bench_201,
    sample,
)
from headstart.values import Record

Quality = Callable[[Candidate], float]

NOISE = 0.003
ACCURACY = Objective("accuracy")
_OP_WORTH = {"none": -1.0, "skip_connect": 0.2, "nor_conv_1x1": 0.5, "nor_conv_3x3": 1.0, "avg_pool_3x3": 0.0}


@dataclass(frozen=True)
class Problem:
    """A search space and the accuracy that each of its candidates truly has."""

    space: SearchSpace
    quality: Quality


@dataclass(frozen=True)
class Described:
    """How a task's data are described: words and numbers."""

    descriptor: Mapping[str, str] = field(default_factory=dict)
    meta_features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Past:
    """A past task with its results in the order of recording, the values as they were recorded."""

    task: Task
    results: tuple[tuple[Candidate, float], ...]

    def best(self, count: int) -> list[tuple[Candidate, float]]:
        """The best by the past's own direction, the best first."""
        downwards = self.task.objective.direction is Direction.MAXIMIZE
        return sorted(self.results, key=lambda result: result[1], reverse=downwards)[:count]


UNDESCRIBED = Described()
ADULT = Described(
    {"dataset": "adult", "domain": "tabular", "goal": "classification"},
    {"rows": 48_842.0, "columns": 14.0, "classes": 2.0, "missing_share": 0.07},
)


def mixed() -> Problem:
    """The ready-made multilayer perceptron: categorical, conditional and numeric parameters."""

    def quality(candidate: Candidate) -> float:
        values = candidate.values
        rate = -0.05 * (math.log10(float(values["learning_rate"])) + 2.5) ** 2
        return 0.9 + rate - 0.02 * abs(int(values["depth"]) - 3) + 0.02 * (values["activation"] == "gelu")

    return Problem(mlp_classifier(), quality)


def numeric() -> Problem:
    """Floats and integers only."""
    space = SearchSpace(
        "boosting",
        parameters=(
            Parameter("learning_rate", Float(1e-4, 1e-1, logarithmic=True)),
            Parameter("subsample", Float(0.3, 1.0)),
            Parameter("depth", Integer(1, 8)),
            Parameter("leaves", Integer(8, 512, logarithmic=True)),
        ),
    )

    def quality(candidate: Candidate) -> float:
        values = candidate.values
        rate = -0.05 * (math.log10(float(values["learning_rate"])) + 2.5) ** 2
        return 0.9 + rate - 0.01 * abs(int(values["depth"]) - 5) - 0.1 * (float(values["subsample"]) - 0.8) ** 2

    return Problem(space, quality)


def graph() -> Problem:
    """Cells of NAS-Bench-201, in which convolutions help, those near the output most."""

    def quality(candidate: Candidate) -> float:
        worth = sum(_OP_WORTH[str(candidate.values[f"op{i}"])] * (1 + 0.1 * i) for i in range(6))
        return 0.8 + 0.015 * worth

    return Problem(nas_bench_201(), quality)


def conditional() -> Problem:
    """Two learners, each with a setting of its own that decides how good it is."""
    space = SearchSpace(
        "two-learners",
        parameters=(
            Parameter("learner", Categorical(("forest", "kernel"))),
            Parameter("trees", Integer(10, 1_000, logarithmic=True), Condition("learner", ("forest",))),
            Parameter("cost", Float(1e-3, 1e3, logarithmic=True), Condition("learner", ("kernel",))),
            Parameter("features", Float(0.1, 1.0)),
        ),
    )

    def quality(candidate: Candidate) -> float:
        values = candidate.values
        if values["learner"] == "forest":
            own = 0.82 - 0.03 * (3.0 - math.log10(int(values["trees"])))
        else:
            own = 0.9 - 0.02 * (math.log10(float(values["cost"])) - 1.0) ** 2
        return own - 0.05 * (float(values["features"]) - 0.6) ** 2

    return Problem(space, quality)


PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "numeric": numeric,
    "mixed": mixed,
    "conditional": conditional,
    "graph": graph,
}


def reversed_quality(quality: Quality) -> Quality:
    """What is good is bad, over about the same range."""
    return lambda candidate: 1.7 - quality(candidate)


def other_optimum(centre: float, activation: str = "tanh", depth: int = 1) -> Quality:
    """Of the mixed problem, with the best elsewhere; ``centre`` is a decimal logarithm of the learning rate."""

    def quality(candidate: Candidate) -> float:
        values = candidate.values
        rate = -0.05 * (math.log10(float(values["learning_rate"])) - centre) ** 2
        return 0.9 + rate - 0.02 * abs(int(values["depth"]) - depth) + 0.02 * (values["activation"] == activation)

    return quality


def unlike(number: int) -> Described:
    """Words and numbers that no other task shares."""
    generator = random.Random(f"unlike {number}")
    return Described(
        {"dataset": f"set-{number}", "domain": f"domain-{number}", "goal": f"goal-{number}"},
        {
            "rows": 10 ** generator.uniform(1, 7),
            "columns": 10 ** generator.uniform(1.5, 4),
            "classes": float(generator.randint(3, 1_000)),
            "missing_share": generator.uniform(0.2, 0.9),
        },
    )


def task(task_id: str, described: Described = UNDESCRIBED, objective: Objective = ACCURACY) -> Task:
    return Task(task_id, objective, descriptor=described.descriptor, meta_features=described.meta_features)


def measured(quality: Quality, candidate: Candidate, generator: random.Random) -> float:
    return quality(candidate) + generator.gauss(0.0, NOISE)


def searched(
    of: Task, space: SearchSpace, quality: Quality, count: int, seed: int, scale: Callable[[float], float] = float
) -> Past:
    """A past of ``count`` random candidates; ``scale`` turns an accuracy into the value that was recorded."""
    generator = random.Random(f"{of.task_id} {seed}")
    results = []
    for _ in range(count):
        candidate = sample(space, generator)
        results.append((candidate, scale(measured(quality, candidate, generator))))
    return Past(of, tuple(results))


def record_pasts(client: headstart.Client, space_id: str, pasts: Sequence[Past]) -> None:
    """Make the tasks, and record all their results in one stream."""
    for past in pasts:
        client.create_task(past.task)
    client.record_many(_records(space_id, pasts))


def _records(space_id: str, pasts: Sequence[Past]) -> Iterator[Record]:
    for past in pasts:
        for candidate, value in past.results:
            yield Record(past.task.task_id, space_id, candidate, headstart.completed(value))


def in_space(problem: Problem, space_id: str) -> Problem:
    """The same under another id, so that its tasks are not sources of each other's."""
    return replace(problem, space=replace(problem.space, search_space_id=space_id))
