"""The three measurements: by number of labels, with another task's results, and with zero-cost proxies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import headstart
from benchmarks.prediction.asking import Labelled, place
from benchmarks.prediction.ranking import (
    Ranking,
    Vector,
    coverage,
    extra_trees,
    graph_columns,
    nearest,
    one_hot,
    proxy_columns,
    rank,
)
from benchmarks.tables import ProxySample, Table
from headstart.spaces import SearchSpace, canonicalize, enumerate_space

HEADSTART = "headstart"
NEW = "headstart, no equivalent recorded"
WITH_PROXIES = "headstart, with proxies"
WITHOUT_TRANSFER = "headstart, without the other task"

# Results of a space from which on the service trains a model.
LEAST_FOR_MODEL = 32

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """True and predicted values of one seed, for a picture; coverage by level of the intervals."""

    title: str
    truth: Vector
    predicted: Vector
    calibration: Mapping[float, float]


@dataclass
class Measured:
    """Of one setting, over seeds: rankings by method, and figures of the service."""

    setting: str
    labels: int
    rankings: dict[str, list[Ranking]] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)
    sample: Sample | None = None

    def add(self, method: str, truth: Vector, predicted: Vector) -> None:
        self.rankings.setdefault(method, []).append(rank(truth, predicted))

    def note(self, **figures: float) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)


def everything(table: Table) -> Labelled:
    """Every assignment of a table's space that it holds, with its mean value."""
    pairs = [(candidate, table.value(candidate)) for candidate in enumerate_space(table.space)]
    present = [(candidate, value) for candidate, value in pairs if value is not None]
    return Labelled([candidate for candidate, _ in present], np.array([value for _, value in present], dtype=float))


def split(count: int, labels: int, held_out: int | None, seed: object) -> tuple[list[int], list[int]]:
    """``labels`` random rows of ``count``, and ``held_out`` of the others (all where None)."""
    order = list(range(count))
    random.Random(f"prediction/{seed}").shuffle(order)
    return order[:labels], order[labels:] if held_out is None else order[labels : labels + held_out]


def new_ones(space: SearchSpace, recorded: Labelled, held_out: Labelled) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of the held-out candidates are no equivalents of recorded ones: [held out]."""
    known = {canonicalize(space, candidate).fingerprint for candidate in recorded.candidates}
    return np.array([canonicalize(space, candidate).fingerprint not in known for candidate in held_out.candidates])


def by_labels(
    client: headstart.Client, table: Table, counts: Sequence[int], seeds: int, held_out: int | None, say: Say
) -> Iterator[Measured]:
    """Protocol of PINAT (Lu et al., AAAI 2023, table 1): n random labels, tau on all other assignments."""
    rows = everything(table)
    for labels in counts:
        measured = Measured("CIFAR-10", labels)
        for seed in range(seeds):
            say(f"{labels} labels, seed {seed}")
            known, unknown = split(len(rows.candidates), labels, held_out, seed)
            recorded, asked = rows.rows(known), rows.rows(unknown)
            with place(client, table.space, {"target": table.task}, f"labels-{labels}-{seed}") as own:
                own.record("target", recorded)
                predictor = own.wait()
                told = own.ask("target", asked.candidates)
                truth, new = asked.values, new_ones(table.space, recorded, asked)
                measured.add(HEADSTART, truth, told.means)
                measured.add(NEW, truth[new], told.means[new])
                measured.note(
                    coverage=coverage(truth, told.lower, told.upper),
                    coverage_new=coverage(truth[new], told.lower[new], told.upper[new]),
                    share_new=float(new.mean()),
                    training_seconds=predictor.training_seconds,
                    candidates_per_second=len(truth) / told.seconds,
                )
                if seed == 0:
                    shares = own.calibration("target", asked)
                    measured.sample = Sample(f"NAS-Bench-201, {labels} labels", truth, told.means, shares)
            columns = [graph_columns(table.space, each.candidates) for each in (recorded, asked)]
            measured.add(
                "extra trees, graph columns", truth, extra_trees(columns[0], recorded.values, columns[1], seed)
            )
            plain = [one_hot(table.space, each.candidates) for each in (recorded, asked)]
            measured.add("extra trees, one-hot", truth, extra_trees(plain[0], recorded.values, plain[1], seed))
            measured.add("5 nearest, one-hot", truth, nearest(plain[0], recorded.values, plain[1]))
        yield measured


def from_other_task(
    client: headstart.Client,
    source: Table,
    target: Table,
    recorded_on_source: int,
    counts: Sequence[int],
    seeds: int,
    held_out: int | None,
    say: Say,
) -> Iterator[Measured]:
    """With results of another task in the same space, n labels of the target."""
    of_source, of_target = everything(source), everything(target)
    tasks = {"source": source.task, "target": target.task}
    for labels in counts:
        measured = Measured("ImageNet16-120 after 1,000 of CIFAR-10", labels)
        for seed in range(seeds):
            say(f"{labels} labels after another task, seed {seed}")
            theirs, _ = split(len(of_source.candidates), recorded_on_source, 0, f"source/{seed}")
            known, unknown = split(len(of_target.candidates), labels, held_out, f"target/{seed}")
            recorded, asked = of_target.rows(known), of_target.rows(unknown)
            with place(client, source.space, tasks, f"other-{labels}-{seed}") as own:
                own.record("source", of_source.rows(theirs))
                first = own.wait()
                own.record("target", recorded)
                # A space is trained again when it has grown by a fifth.
                if labels > 0.25 * recorded_on_source:
                    own.wait(first)
                told = own.ask("target", asked.candidates)
                truth = asked.values
                measured.add(HEADSTART, truth, told.means)
                measured.note(coverage=coverage(truth, told.lower, told.upper))
                if seed == 0:
                    shares = own.calibration("target", asked)
                    measured.sample = Sample(f"ImageNet16-120, {labels} labels", truth, told.means, shares)
            with place(client, target.space, {"target": target.task}, f"alone-{labels}-{seed}") as own:
                own.record("target", recorded)
                # Fewer results have no model.
                if labels >= LEAST_FOR_MODEL:
                    own.wait()
                measured.add(WITHOUT_TRANSFER, truth, own.ask("target", asked.candidates).means)
            columns = [graph_columns(target.space, each.candidates) for each in (recorded, asked)]
            measured.add(
                "extra trees, graph columns", truth, extra_trees(columns[0], recorded.values, columns[1], seed)
            )
        yield measured


def with_proxies(
    client: headstart.Client, sample: ProxySample, counts: Sequence[int], seeds: int, say: Say
) -> Iterator[Measured]:
    """Distinct architectures of a sample, n of them recorded with their proxies; asked with and without."""
    rows = distinct(sample)
    for labels in counts:
        measured = Measured(sample.name, labels)
        for seed in range(seeds):
            say(f"{sample.name}: {labels} labels, seed {seed}")
            known, unknown = split(len(rows.candidates), labels, None, f"{sample.name}/{seed}")
            recorded, asked = rows.rows(known), rows.rows(unknown)
            truth = asked.values
            with place(client, sample.space, {"target": sample.task}, f"proxies-{labels}-{seed}") as own:
                own.record("target", recorded)
                own.wait()
                without = own.ask("target", asked.candidates)
                told = own.ask("target", asked.candidates, asked.proxies)
                measured.add(HEADSTART, truth, without.means)
                measured.add(WITH_PROXIES, truth, told.means)
                measured.note(
                    coverage=coverage(truth, without.lower, without.upper),
                    coverage_with_proxies=coverage(truth, told.lower, told.upper),
                )
                if seed == 0:
                    shares = own.calibration("target", asked, with_proxies=True)
                    measured.sample = Sample(f"{sample.name}, {labels} labels, proxies", truth, told.means, shares)
            graphs = [graph_columns(sample.space, each.candidates) for each in (recorded, asked)]
            proxies = [proxy_columns(each.proxies) for each in (recorded, asked)]
            both = [np.hstack(pair) for pair in zip(graphs, proxies, strict=True)]
            for method, (left, right) in (
                ("extra trees, graph columns", graphs),
                ("extra trees, proxies", proxies),
                ("extra trees, both", both),
            ):
                measured.add(method, truth, extra_trees(left, recorded.values, right, seed))
        yield measured


def distinct(sample: ProxySample) -> Labelled:
    """One row for each network, the mean over its equivalents."""
    together: dict[str, list[int]] = {}
    for row, candidate in enumerate(sample.candidates):
        together.setdefault(canonicalize(sample.space, candidate).fingerprint, []).append(row)
    groups = list(together.values())
    return Labelled(
        [sample.candidates[rows[0]] for rows in groups],
        np.array([sample.values[rows].mean() for rows in groups]),
        [_mean([sample.proxies[row] for row in rows]) for rows in groups],
    )


def _mean(proxies: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = {name for one in proxies for name in one}
    return {name: float(np.mean([one[name] for one in proxies if name in one])) for name in sorted(names)}
