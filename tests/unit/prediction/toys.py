"""A small search space with values that follow from its graphs, for tests that train and predict in seconds."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import Candidate, CanonicalCandidate, canonicalize, nas_bench_201, sample
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.task.labels import Labels, TaskLabels

SPACE = nas_bench_201()


@cache
def toy_candidates(count: int, seed: int = 0) -> tuple[tuple[Candidate, CanonicalCandidate], ...]:
    """Candidates with distinct fingerprints."""
    generator = random.Random(seed)
    found: dict[str, tuple[Candidate, CanonicalCandidate]] = {}
    while len(found) < count:
        candidate = sample(SPACE, generator)
        canonical = canonicalize(SPACE, candidate)
        found.setdefault(canonical.fingerprint, (candidate, canonical))
    return tuple(found.values())


def toy_canonicals(count: int, seed: int = 0) -> list[CanonicalCandidate]:
    return [canonical for _, canonical in toy_candidates(count, seed)]


def toy_accuracy(canonical: CanonicalCandidate, other_task: bool = False) -> float:
    """Percent: more convolutions are better, with diminishing returns; large ones count less on the other task."""
    assert canonical.graph is not None
    worth = {"nor_conv_3x3": 0.4 if other_task else 1.0, "nor_conv_1x1": 0.6, "avg_pool_3x3": 0.15}
    total = sum(worth.get(op, 0.0) for op in canonical.graph.ops) + 0.05 * len(canonical.graph.edges)
    return 90.0 - 60.0 * float(np.exp(-0.6 * total))


def toy_values(
    canonicals: list[CanonicalCandidate], other_task: bool = False, noise: float = 0.2
) -> NDArray[np.float64]:
    generator = np.random.default_rng(1)
    exact = np.array([toy_accuracy(canonical, other_task) for canonical in canonicals])
    return exact + generator.normal(0.0, noise, len(exact))


def toy_task(task_id: str, maximize: bool = True, metric: str = "accuracy") -> Task:
    return Task(task_id, "", metric, maximize, {}, {}, "epoch", 100.0)


def toy_labels(
    task_id: str, canonicals: list[CanonicalCandidate], values: NDArray[np.float64], maximize: bool = True
) -> TaskLabels:
    return TaskLabels(
        toy_task(task_id, maximize), Labels(tuple(canonical.fingerprint for canonical in canonicals), values)
    )
