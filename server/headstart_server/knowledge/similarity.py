"""How alike two tasks are: by their words, by their numbers, and by what was measured on both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.tasks import Task

# Evidence on this many architectures weighs as much as words and numbers together.
_PRIOR_STRENGTH = 10.0

# Weight of a task of which nothing is known.
_UNKNOWN = 0.5


class Basis(IntEnum):
    DESCRIPTOR = 1
    META_FEATURES = 2
    MEASURED_AGREEMENT = 3


@dataclass(frozen=True)
class Evidence:
    """``value`` is 0 to 1 for words and numbers, Kendall's tau for agreement; ``count`` is what it rests on."""

    basis: Basis
    value: float
    count: int


@dataclass(frozen=True)
class SimilarTask:
    task_id: str
    weight: float
    evidence: tuple[Evidence, ...]


def compare(target: Task, source: Task, spreads: Mapping[str, float], agreement: Evidence | None) -> SimilarTask:
    """Everything that tells how alike two tasks are, and the weight (0 to 1) that follows from it.

    Words and numbers make a prior; the agreement of measured results takes over as it rests on more architectures.
    Tasks that disagree get no weight, never a negative one.
    """
    evidence = [found for found in (by_descriptor(target, source), by_meta_features(target, source, spreads)) if found]
    prior = sum(found.value for found in evidence) / len(evidence) if evidence else _UNKNOWN
    weight = prior
    if agreement is not None:
        evidence.append(agreement)
        trust = agreement.count / (agreement.count + _PRIOR_STRENGTH)
        weight = (1 - trust) * prior + trust * agreement.value
    return SimilarTask(source.task_id, max(0.0, weight), tuple(evidence))


def by_descriptor(target: Task, source: Task) -> Evidence | None:
    """The share of the words of either task that both have."""
    keys = target.descriptor.keys() | source.descriptor.keys()
    if not keys:
        return None
    shared = sum(target.descriptor.get(key) == source.descriptor.get(key) for key in keys)
    return Evidence(Basis.DESCRIPTOR, shared / len(keys), len(keys))


def by_meta_features(target: Task, source: Task, spreads: Mapping[str, float]) -> Evidence | None:
    """Mean closeness of the numbers that both tasks have, each on its own logarithmic scale and spread."""
    shared = sorted(target.meta_features.keys() & source.meta_features.keys() & spreads.keys())
    if not shared:
        return None
    distances = [
        abs(_scale(target.meta_features[name]) - _scale(source.meta_features[name])) / spreads[name] for name in shared
    ]
    return Evidence(Basis.META_FEATURES, float(np.mean(np.exp(-np.array(distances)))), len(shared))


def meta_feature_spreads(tasks: Iterable[Task]) -> Mapping[str, float]:
    """For each number that differs between tasks, the standard deviation of its scaled values."""
    values: dict[str, list[float]] = {}
    for task in tasks:
        for name, number in task.meta_features.items():
            values.setdefault(name, []).append(_scale(number))
    spreads = {name: float(np.std(numbers)) for name, numbers in values.items() if len(numbers) > 1}
    return {name: spread for name, spread in spreads.items() if spread > 0}


def measured_agreement(target: Observations, source: Observations) -> Evidence | None:
    """Kendall's tau over the architectures measured on both tasks; None below two of them."""
    first, second = mean_by_fingerprint(target), mean_by_fingerprint(source)
    shared = [fingerprint for fingerprint in first if fingerprint in second]
    return agreement(
        np.array([first[fingerprint] for fingerprint in shared]),
        np.array([second[fingerprint] for fingerprint in shared]),
    )


def agreement(target: NDArray[np.float64], source: NDArray[np.float64]) -> Evidence | None:
    """Kendall's tau between two score vectors [n], higher better in both; None where it is not defined."""
    if len(target) < 2:
        return None
    tau = float(kendalltau(target, source).statistic)
    return None if math.isnan(tau) else Evidence(Basis.MEASURED_AGREEMENT, tau, len(target))


def mean_by_fingerprint(observations: Observations) -> dict[str, float]:
    """Mean completed value of each architecture, signed so that higher is better."""
    sign = 1.0 if observations.task.maximize else -1.0
    sums: dict[str, tuple[float, int]] = {}
    for index in np.flatnonzero(observations.completed):
        fingerprint = observations.fingerprints[index]
        total, count = sums.get(fingerprint, (0.0, 0))
        sums[fingerprint] = (total + sign * float(observations.values[index]), count + 1)
    return {fingerprint: total / count for fingerprint, (total, count) in sums.items()}


def _scale(number: float) -> float:
    return math.copysign(math.log1p(abs(number)), number)
