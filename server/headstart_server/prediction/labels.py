"""What a task's experiments say of each architecture: one value for each, whatever was repeated, failed or cut short.

Full trainings of one architecture are averaged. A run that ended without any value teaches that its architecture
fails, unless another run of it completed. A value of a shortened training says nothing comparable and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.observations import Observations

# Of longer histories, so many of the best and the rest of the newest are kept: cost grows with the cube of the count.
MAX_LABELS = 1000
_KEPT_BEST = 100


@dataclass(frozen=True)
class Labels:
    """Distinct architectures [n] in the order of their last record; ``values`` [n] in the task's unit, NaN: failed."""

    fingerprints: tuple[str, ...]
    values: NDArray[np.float64]

    @property
    def completed_count(self) -> int:
        return int(np.isfinite(self.values).sum())


def labels_of(observations: Observations) -> Labels:
    totals: dict[str, tuple[float, int]] = {}
    for fingerprint, value, completed in zip(
        observations.fingerprints, observations.values.tolist(), observations.completed.tolist(), strict=True
    ):
        if not completed and np.isfinite(value):
            continue
        total, count = totals.pop(fingerprint, (0.0, 0))
        totals[fingerprint] = (total + value, count + 1) if completed else (total, count)
    values = [total / count if count else np.nan for total, count in totals.values()]
    return Labels(tuple(totals), np.array(values, dtype=np.float64))


def most_telling(labels: Labels, maximize: bool) -> Labels:
    """At most MAX_LABELS of them: the best, and the newest of the others."""
    if len(labels.fingerprints) <= MAX_LABELS:
        return labels
    worst_first = np.argsort(
        np.where(np.isfinite(labels.values), labels.values if maximize else -labels.values, -np.inf)
    )
    best = set(worst_first[-_KEPT_BEST:].tolist())
    others = [index for index in range(len(labels.fingerprints)) if index not in best]
    kept = sorted([*best, *others[-(MAX_LABELS - _KEPT_BEST) :]])
    return Labels(tuple(labels.fingerprints[index] for index in kept), labels.values[kept])
