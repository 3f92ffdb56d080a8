"""Curves of any fidelities on common places: the part seen so far, and what is still to come.

Everything here is oriented so that lower is better, whatever the metric: a rising metric is the mirror of a falling
one. Fidelities are relative to the cut (the last fidelity seen), so that curves cut nearby share one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SEEN = 20
AHEAD = 8
# Values are clipped to this number of spreads of the history's final values, because a diverged run would outweigh
# all others.
_SPREADS = 10.0


@dataclass(frozen=True)
class Curve:
    """fidelities [k], increasing; values [k] in the task's unit, NaN or infinite where the run had diverged.

    ``final`` is the result of the full training: None for a truncated run, NaN for a failed one.
    """

    fidelities: Numbers
    values: Numbers
    final: float | None = None

    @staticmethod
    def of(points: Sequence[tuple[float, float]], final: float | None = None) -> Curve:
        together = np.array(points, np.float64).reshape(-1, 2)
        return Curve(together[:, 0], together[:, 1], final)

    @property
    def last(self) -> float:
        return float(self.fidelities[-1])


@dataclass(frozen=True)
class Clip:
    """The range that values are clipped to, lower is better; NaN counts as its upper end."""

    lower: float
    upper: float

    @staticmethod
    def of(finals: Numbers) -> Clip:
        """The range of oriented final values, NaN among them; without any finite value, the range of all values."""
        finite = finals[np.isfinite(finals)]
        if len(finite) < 2:
            return Clip(-1e30, 1e30)
        middle, reach = float(np.median(finite)), _SPREADS * spread(finite)
        return Clip(middle - reach, middle + reach)

    def __call__(self, values: Numbers) -> Numbers:
        return np.clip(np.where(np.isfinite(values), values, self.upper), self.lower, self.upper)


def spread(finals: Numbers) -> float:
    """The spread of oriented final values: that of most of them, or the distance of the best from the median where
    most are equal.
    """
    tenth, middle, last_tenth = np.quantile(finals, (0.1, 0.5, 0.9))
    return max(float(last_tenth - tenth), float(middle - finals.min()), 1e-3 * abs(float(middle)), 1e-12)


def observed_values(curves: Sequence[Curve], cuts: Sequence[float], sign: float, clip: Clip) -> Numbers:
    """Values [n, SEEN] at even steps up to each curve's truncation, the last one at the truncation; before the first
    point, its value.
    """
    steps = np.arange(1, SEEN + 1) / SEEN
    parts = [
        np.interp(cut * steps, curve.fidelities, clip(sign * curve.values))
        for curve, cut in zip(curves, cuts, strict=True)
    ]
    return np.array(parts).reshape(len(parts), SEEN)


def part_ahead(curves: Sequence[Curve], indices: Numbers, sign: float, clip: Clip) -> Numbers:
    """Values [n, places] of full curves at fidelities ``indices``; the last is the final result."""
    parts = np.array([np.interp(indices, curve.fidelities, clip(sign * curve.values)) for curve in curves])
    finals = np.array([np.nan if curve.final is None else curve.final for curve in curves])
    parts = parts.reshape(len(curves), len(indices))
    parts[:, -1] = clip(sign * finals)
    return parts


def fidelities_ahead(cut: float, horizon: float) -> Numbers:
    """Fidelities [AHEAD], evenly from the truncation, exclusive, to the full training."""
    return np.asarray(cut + (horizon - cut) * np.arange(1, AHEAD + 1) / AHEAD)


def features(seen: Numbers, unit: float) -> Numbers:
    """Features [n, d] of observed values [n, SEEN] near their end: level, decrease, slope, noise, distance to the
    best.

    They are in units of the spread, linear near zero and logarithmic far out, so that a steep start does not outweigh
    the rest.
    """
    last = seen[:, -1]
    third = seen[:, -max(SEEN // 3, 3) :]
    steps = np.arange(third.shape[1]) - (third.shape[1] - 1) / 2
    slope = third @ steps / float(steps @ steps)
    rest = third - third.mean(axis=1, keepdims=True) - slope[:, None] * steps
    falls = [last - seen[:, step] for step in (-2, -3, -5, -9, SEEN // 4, 0)]
    bends = seen[:, SEEN // 2 :].mean(axis=1) - seen[:, : SEEN // 2].mean(axis=1)
    columns = [last, *falls, seen.min(axis=1) - last, slope, rest.std(axis=1), bends]
    features_ = np.stack(columns, axis=1) / unit
    features_[:, 1:] = signed_log(features_[:, 1:])
    return np.asarray(features_)


_KNEE = 0.02


def signed_log(values: Numbers) -> Numbers:
    """An odd function, linear below the knee and logarithmic above."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / _KNEE))


def signed_exp(values: Numbers) -> Numbers:
    """The inverse of ``signed_log``."""
    return np.asarray(np.sign(values) * np.expm1(np.abs(values)) * _KNEE)
