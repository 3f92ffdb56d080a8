"""Labels of a task: one value for each architecture, from replicates, failed runs and truncated runs.

Full trainings of one architecture are averaged. A run that ended without a value marks its architecture as failing,
unless another run of it completed. The value of a truncated run is not comparable and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.task.replicates import NO_REPLICATES, Replicates

# Of longer histories, this number of the best and the newest of the rest are used: cost grows with the cube of the
# count.
MAX_LABELS = 1000
_BEST_LABELS = 100


@dataclass(frozen=True, eq=False)
class Labels:
    """Distinct architectures [n] in the order of their last record; ``values`` [n] are NaN for failed ones.

    ``proxies`` [n, p] are the means of the proxies ``proxy_names``, NaN where one was not measured.
    """

    fingerprints: tuple[str, ...]
    values: NDArray[np.float64]
    replicates: Replicates = NO_REPLICATES
    proxy_names: tuple[str, ...] = ()
    proxies: NDArray[np.float64] | None = None

    @cached_property
    def completed_count(self) -> int:
        return int(np.isfinite(self.values).sum())


@dataclass(frozen=True)
class TaskLabels:
    """A task and its labels."""

    task: Task
    labels: Labels


def labels_of(observations: Observations) -> Labels:
    """The labels of all records but those of truncated runs."""
    used = np.flatnonzero(observations.completed | ~np.isfinite(observations.values))
    codes, inverse = np.unique(observations.codes[used], return_inverse=True)
    completed = observations.completed[used]
    sums = np.bincount(inverse, weights=np.where(completed, observations.values[used], 0.0), minlength=len(codes))
    counts = np.bincount(inverse, weights=completed, minlength=len(codes))
    last = np.zeros(len(codes), dtype=np.int64)
    last[inverse] = used
    order = np.argsort(last)
    values = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[order]
    new_index = np.empty(len(order), dtype=np.int64)
    new_index[order] = np.arange(len(order))
    replicated = completed & (counts[inverse] > 1)
    return Labels(
        observations.names.names(codes[order].tolist()),
        values,
        Replicates(new_index[inverse[replicated]], observations.values[used[replicated]]),
        observations.proxy_names,
        _mean_proxies(observations.proxies[used], inverse, len(codes))[order] if observations.proxy_names else None,
    )


def most_informative(labels: Labels, maximize: bool, most: int = MAX_LABELS) -> Labels:
    """At most ``most`` labels: the best, and the newest of the others."""
    if len(labels.fingerprints) <= most:
        return labels
    worst_first = np.argsort(
        np.where(np.isfinite(labels.values), labels.values if maximize else -labels.values, -np.inf)
    )
    best = worst_first[-_BEST_LABELS:]
    others = np.setdiff1d(np.arange(len(labels.values)), best)
    return subset(labels, np.sort(np.concatenate([best, others[-(most - _BEST_LABELS) :]])))


def subset(labels: Labels, chosen: NDArray[np.int64]) -> Labels:
    """The labels at indices ``chosen``, in order."""
    new_index = np.full(len(labels.values), -1)
    new_index[chosen] = np.arange(len(chosen))
    inside = new_index[labels.replicates.indices] >= 0
    return Labels(
        tuple([labels.fingerprints[index] for index in chosen.tolist()]),
        labels.values[chosen],
        Replicates(new_index[labels.replicates.indices[inside]], labels.replicates.values[inside]),
        labels.proxy_names,
        None if labels.proxies is None else labels.proxies[chosen],
    )


def _mean_proxies(proxies: NDArray[np.float64], inverse: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Mean proxies of the records of each of ``count`` architectures, without records that lack one."""
    present = np.isfinite(proxies)
    sums, counts = np.zeros((count, proxies.shape[1])), np.zeros((count, proxies.shape[1]))
    np.add.at(sums, inverse, np.where(present, proxies, 0.0))
    np.add.at(counts, inverse, present)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
