"""Transferability: the agreement of two tasks' rankings of architectures, Kendall's tau with an interval.

It is measured on architectures tried on both tasks, or on those of the target as a model of the source ranks them. It
is also expected from the similarity of the tasks, by what similarity has meant for other pairs of tasks of the space.
The two are combined by the number of architectures that each is worth (shrinkage).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from headstart_server.knowledge.similarity.tasks import SimilarityEvidence

# Worth of an expectation from similarity, in architectures measured on both tasks.
_WORTH = 10.0
# Without other pairs of tasks: tau is about half the similarity, with this standard deviation.
_SLOPE, _SPREAD = 0.5, 0.35
# Pairs of tasks that this prior counts as.
_PRIOR_PAIRS = 4.0


@dataclass(frozen=True)
class Transferability:
    """Kendall's tau with its standard deviation and interval, within -1 and 1; ``basis``: the evidence in words."""

    tau: float
    deviation: float
    lower: float
    upper: float
    basis: str


@dataclass(frozen=True)
class TaskSimilarity:
    """Similarity of two tasks, 0 to 1, by descriptors and meta-features; None if they share none."""

    value: float | None
    basis: str


def transferability(
    measured: SimilarityEvidence | None,
    similarity: TaskSimilarity,
    known_pairs: Sequence[tuple[float, float]],
    level: float,
) -> Transferability:
    """Combine the ``measured`` agreement with the one expected from similarity; interval at ``level``.

    ``known_pairs``: similarity and measured tau of other pairs of tasks.
    """
    expected, deviation, source = _expected(similarity, known_pairs)
    if measured is None or measured.count < 3:
        return _within(expected, deviation, level, f"expected from {source}")
    count = measured.count
    error = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    share = count / (count + _WORTH)
    tau = share * measured.value + (1 - share) * expected
    combined = math.sqrt((share * error) ** 2 + ((1 - share) * deviation) ** 2)
    method = "; ".join(measured.details[1:]) or "measured on both tasks"
    basis = f"Kendall tau {measured.value:.2f} on {count} architectures ({method})"
    return _within(tau, combined, level, f"{basis}; {expected:.2f} would be expected from {source}")


def _expected(similarity: TaskSimilarity, known_pairs: Sequence[tuple[float, float]]) -> tuple[float, float, str]:
    """Mean and standard deviation of tau expected from the similarity of two tasks, and the source of it in words."""
    if similarity.value is None:
        if not known_pairs:
            return 0.0, _SPREAD + _SLOPE / 2, "nothing that tells how alike the tasks are"
        taus = np.array([tau for _, tau in known_pairs])
        return float(taus.mean()), _spread(taus - taus.mean(), 1), f"{len(known_pairs)} other pairs of tasks"
    similarities, taus = np.array(known_pairs, np.float64).reshape(-1, 2).T
    # Regression through the origin, with the prior as a few more pairs: dissimilar tasks do not agree.
    weight = _PRIOR_PAIRS / 4
    slope = float((similarities @ taus + weight * _SLOPE) / (similarities @ similarities + weight))
    spread = _spread(taus - slope * similarities, 1)
    source = f"{similarity.basis} ({similarity.value:.0%} alike)"
    if len(known_pairs):
        source += f" and {len(known_pairs)} other pairs of tasks"
    return slope * similarity.value, spread, source


def _spread(errors: NDArray[np.float64], fitted: int) -> float:
    total = float(np.square(errors).sum()) + _PRIOR_PAIRS * _SPREAD**2
    return math.sqrt(total / (max(len(errors) - fitted, 0) + _PRIOR_PAIRS))


def _within(tau: float, deviation: float, level: float, basis: str) -> Transferability:
    half = float(ndtri(0.5 + level / 2)) * deviation
    mean = min(1.0, max(-1.0, tau))
    return Transferability(mean, deviation, max(-1.0, mean - half), min(1.0, mean + half), basis)
