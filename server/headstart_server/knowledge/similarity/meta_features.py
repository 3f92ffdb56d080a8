"""The numbers of all tasks on common scales, robust against a few extreme ones, and how close two tasks are by them.

A number that is skewed over the tasks is taken by its logarithm; each is then centred on its median, scaled by its
interquartile range and clipped, so that one giant data set does not make all others alike. What a task does not have
is missing, never zero. Numbers count by weights that are learned elsewhere; one without a weight counts 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.tasks import Task

_CLIP = 3.0
_SKEWED = 1.0
_WIDE = 50.0
_TOLD = 3

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Scale:
    logarithmic: bool
    centre: float
    spread: float

    def of(self, number: float) -> float:
        taken = _logarithm(number) if self.logarithmic else number
        return float(np.clip((taken - self.centre) / self.spread, -_CLIP, _CLIP))


@dataclass(frozen=True, eq=False)
class MetaFeatures:
    """Scales and weights of the meta-features that differ between tasks. ``scaled`` caches scaled values by task
    content.
    """

    scales: Mapping[str, _Scale] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    _cache: dict[str, tuple[Mapping[str, float], Numbers]] = field(default_factory=dict)

    @classmethod
    def of(cls, tasks: Iterable[Task], weights: Mapping[str, float] | None = None) -> MetaFeatures:
        numbers: dict[str, list[float]] = {}
        for task in tasks:
            for name, number in task.meta_features.items():
                numbers.setdefault(name, []).append(number)
        scales = {name: _scale_of(np.array(values)) for name, values in sorted(numbers.items()) if len(values) > 1}
        return cls({name: scale for name, scale in scales.items() if scale is not None}, weights or {})

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.scales)

    def scaled(self, task: Task) -> Numbers:
        """The meta-features of a task on their scales [names], NaN where one is missing."""
        cached = self._cache.get(task.task_id)
        if cached is not None and cached[0] is task.meta_features:
            return cached[1]
        of_task = task.meta_features
        scaled = np.array(
            [scale.of(of_task[name]) if name in of_task else np.nan for name, scale in self.scales.items()],
            dtype=np.float64,
        )
        self._cache[task.task_id] = (task.meta_features, scaled)
        return scaled

    def scaled_all(self, tasks: Sequence[Task]) -> Numbers:
        """The same for several tasks [tasks, names]."""
        return np.stack([self.scaled(task) for task in tasks]) if tasks else np.empty((0, len(self.scales)))

    def closeness(self, target: Task, sources: Sequence[Task]) -> list[tuple[float, int, tuple[str, ...]] | None]:
        """For each source: weighted mean closeness (0 to 1), number of shared meta-features, and the weightiest of
        them.
        """
        if not sources or not self.scales:
            return [None] * len(sources)
        weights = self.weight_vector()
        each = np.exp(-np.abs(self.scaled_all(sources) - self.scaled(target)))
        both = ~np.isnan(each)
        counts = both.sum(axis=1)
        totals = np.where(both, weights, 0.0).sum(axis=1)
        weighted = np.where(both, each * weights, 0.0).sum(axis=1) / np.maximum(totals, 1e-12)
        plain = np.where(both, each, 0.0).sum(axis=1) / np.maximum(counts, 1)
        names, heaviest = self.names, np.argsort(-weights, kind="stable")
        results: list[tuple[float, int, tuple[str, ...]] | None] = []
        for row in range(len(sources)):
            if not counts[row]:
                results.append(None)
                continue
            value = weighted[row] if totals[row] > 0 else plain[row]
            details = tuple([names[index] for index in heaviest[both[row][heaviest]][:_TOLD]])
            results.append((float(value), int(counts[row]), details))
        return results

    def weight_vector(self) -> Numbers:
        """Weights [names]."""
        return np.array([self.weights.get(name, 1.0) for name in self.scales], dtype=np.float64)


def _scale_of(values: Numbers) -> _Scale | None:
    """None for a meta-feature that is the same for all tasks."""
    logarithmic = _skewed(values)
    taken = np.array([_logarithm(value) for value in values]) if logarithmic else values
    lower, centre, upper = np.percentile(taken, [25, 50, 75])
    spread = float(upper - lower)
    if spread <= 0:
        spread = float(taken.std())
    return _Scale(logarithmic, float(centre), spread) if spread > 0 else None


def _skewed(values: Numbers) -> bool:
    """Whether values have a long tail, or have one sign and span orders of magnitude."""
    deviation = float(values.std())
    if not np.isfinite(deviation) or deviation <= 0:
        return not np.isfinite(deviation)
    smallest, largest = sorted((abs(float(values.min())), abs(float(values.max()))))
    if (values > 0).all() and largest > _WIDE * smallest:
        return True
    return bool(abs(np.mean(((values - values.mean()) / deviation) ** 3)) > _SKEWED)


def _logarithm(number: float) -> float:
    return float(np.copysign(np.log1p(abs(number)), number))
