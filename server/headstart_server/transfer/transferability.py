"""How far the ranking of architectures on one task is that on another: Kendall's tau, with an interval.

Measured where both tasks tell enough: on architectures tried on both, or on those of the target as a model of the
source sees them. Otherwise expected from how alike the tasks are, by what likeness has meant between other tasks of the
space. The two are joined by the number of architectures that each is worth (shrinkage).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from headstart_server.knowledge.similarity.tasks import SimilarityEvidence

# What an expectation from likeness is worth, in architectures measured on both tasks.
_WORTH = 10.0
# Without other pairs of tasks: tau is about half the likeness, give or take.
_SLOPE, _SPREAD = 0.5, 0.35
# Pairs that the slope is believed to rest on already.
_BELIEVED_PAIRS = 4.0


@dataclass(frozen=True)
class Transferability:
    """Kendall's tau with its standard deviation and interval, all within -1 and 1; ``basis`` says what it rests on."""

    tau: float
    deviation: float
    lower: float
    upper: float
    basis: str


@dataclass(frozen=True)
class Likeness:
    """Of a pair of tasks, 0 to 1, by words and numbers; None where neither tells."""

    value: float | None
    told_by: str


def transferability(
    measured: SimilarityEvidence | None, likeness: Likeness, known_pairs: Sequence[tuple[float, float]], level: float
) -> Transferability:
    """``measured``: the agreement of both tasks; ``known_pairs``: likeness and measured tau of other pairs of tasks."""
    expected, spread, told = _expected(likeness, known_pairs)
    if measured is None or measured.count < 3:
        return _within(expected, spread, level, f"expected from {told}")
    count = measured.count
    error = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    share = count / (count + _WORTH)
    tau = share * measured.value + (1 - share) * expected
    deviation = math.sqrt((share * error) ** 2 + ((1 - share) * spread) ** 2)
    seen = "; ".join(measured.details[1:]) or "measured on both tasks"
    basis = f"Kendall tau {measured.value:.2f} on {count} architectures ({seen})"
    return _within(tau, deviation, level, f"{basis}; {expected:.2f} would be expected from {told}")


def _expected(likeness: Likeness, known_pairs: Sequence[tuple[float, float]]) -> tuple[float, float, str]:
    """Mean and standard deviation of tau by the likeness of two tasks, and what that is taken from."""
    if likeness.value is None:
        if not known_pairs:
            return 0.0, _SPREAD + _SLOPE / 2, "nothing that tells how alike the tasks are"
        taus = np.array([tau for _, tau in known_pairs])
        return float(taus.mean()), _spread(taus - taus.mean(), 1), f"{len(known_pairs)} other pairs of tasks"
    alike, taus = np.array(known_pairs, np.float64).reshape(-1, 2).T
    # Through the origin, with the belief as a few pairs more: tasks that have nothing in common agree on nothing.
    weight = _BELIEVED_PAIRS / 4
    slope = float((alike @ taus + weight * _SLOPE) / (alike @ alike + weight))
    spread = _spread(taus - slope * alike, 1)
    told = f"{likeness.told_by} ({likeness.value:.0%} alike)"
    if len(known_pairs):
        told += f" and {len(known_pairs)} other pairs of tasks"
    return slope * likeness.value, spread, told


def _spread(errors: NDArray[np.float64], fitted: int) -> float:
    total = float(np.square(errors).sum()) + _BELIEVED_PAIRS * _SPREAD**2
    return math.sqrt(total / (max(len(errors) - fitted, 0) + _BELIEVED_PAIRS))


def _within(tau: float, deviation: float, level: float, basis: str) -> Transferability:
    half = float(ndtri(0.5 + level / 2)) * deviation
    mean = min(1.0, max(-1.0, tau))
    return Transferability(mean, deviation, max(-1.0, mean - half), min(1.0, mean + half), basis)
