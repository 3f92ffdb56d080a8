"""Learning curves resampled at common fidelities: the part observed so far, and the part ahead.

Values are oriented so that lower is better; ``sign`` is -1 for a metric that is maximised. Fidelities are relative to
the truncation (the last observed fidelity), so that curves with neighbouring truncations can share a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Numbers of fidelities at which the observed part and the part ahead are resampled.
SEEN = 20
AHEAD = 8
# Values are clipped to this number of spreads around the final values of the history, because one diverged run would
# outweigh all others.
_SPREADS = 10.0


@dataclass(frozen=True)
class Curve:
    """A learning curve: increasing fidelities [k], and values [k] in the task's unit.

    Values are NaN or infinite where the run had diverged. ``final`` is the result of the full training: None for a
    truncated run, NaN for a failed one.
    """

    fidelities: Numbers
    values: Numbers
    final: float | None = None

    @staticmethod
    def of(points: Sequence[tuple[float, float]], final: float | None = None) -> Curve:
        """The curve of points (fidelity, value)."""
        columns = np.array(points, np.float64).reshape(-1, 2)
        return Curve(columns[:, 0], columns[:, 1], final)

    @property
    def last(self) -> float:
        """The last fidelity."""
        return float(self.fidelities[-1])


@dataclass(frozen=True)
class Clip:
    """The range of clipped values, lower is better; NaN becomes its upper end."""

    lower: float
    upper: float

    @staticmethod
    def of(finals: Numbers) -> Clip:
        """The range around oriented final values, which may be NaN; unbounded below two finite ones."""
        finite = finals[np.isfinite(finals)]
        if len(finite) < 2:
            return Clip(-1e30, 1e30)
        middle, reach = float(np.median(finite)), _SPREADS * spread(finite)
        return Clip(middle - reach, middle + reach)

    def __call__(self, values: Numbers) -> Numbers:
        return np.clip(np.where(np.isfinite(values), values, self.upper), self.lower, self.upper)


def spread(finals: Numbers) -> float:
    """The spread of oriented final values: from the first to the last decile.

    If most values are equal, it is the distance from the best to the median.
    """
    tenth, middle, last_tenth = np.quantile(finals, (0.1, 0.5, 0.9))
    return max(float(last_tenth - tenth), float(middle - finals.min()), 1e-3 * abs(float(middle)), 1e-12)


def observed_values(curves: Sequence[Curve], truncations: Sequence[float], sign: float, clip: Clip) -> Numbers:
    """Oriented values [n, SEEN] at even steps, the last one at each curve's truncation.

    Steps before the first point have its value.
    """
    steps = np.arange(1, SEEN + 1) / SEEN
    parts = [
        np.interp(truncation * steps, curve.fidelities, clip(sign * curve.values))
        for curve, truncation in zip(curves, truncations, strict=True)
    ]
    return np.array(parts).reshape(len(parts), SEEN)


def part_ahead(curves: Sequence[Curve], fidelities: Numbers, sign: float, clip: Clip) -> Numbers:
    """Oriented values [n, k] of full curves at ``fidelities`` [k]; the last is the final result."""
    parts = np.array([np.interp(fidelities, curve.fidelities, clip(sign * curve.values)) for curve in curves])
    finals = np.array([np.nan if curve.final is None else curve.final for curve in curves])
    parts = parts.reshape(len(curves), len(fidelities))
    parts[:, -1] = clip(sign * finals)
    return parts


def fidelities_ahead(truncation: float, horizon: float) -> Numbers:
    """Fidelities [AHEAD] at even steps after the truncation, the last one at the horizon."""
    return np.asarray(truncation + (horizon - truncation) * np.arange(1, AHEAD + 1) / AHEAD)


def features(seen: Numbers, unit: float) -> Numbers:
    """Features [n, d] of the end of observed values [n, SEEN]: level, decreases, distance to best, slope, noise, bend.

    They are in units of the spread, linear near zero and logarithmic far out, so that a steep start does not outweigh
    the rest.
    """
    last = seen[:, -1]
    third = seen[:, -max(SEEN // 3, 3) :]
    steps = np.arange(third.shape[1]) - (third.shape[1] - 1) / 2
    slope = third @ steps / float(steps @ steps)
    residuals = third - third.mean(axis=1, keepdims=True) - slope[:, None] * steps
    decreases = [last - seen[:, step] for step in (-2, -3, -5, -9, SEEN // 4, 0)]
    bends = seen[:, SEEN // 2 :].mean(axis=1) - seen[:, : SEEN // 2].mean(axis=1)
    columns = [last, *decreases, seen.min(axis=1) - last, slope, residuals.std(axis=1), bends]
    features_ = np.stack(columns, axis=1) / unit
    features_[:, 1:] = signed_log(features_[:, 1:])
    return np.asarray(features_)


_KNEE = 0.02


def signed_log(values: Numbers) -> Numbers:
    """Symmetric logarithm: linear near zero, logarithmic beyond the knee."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / _KNEE))


def signed_exp(values: Numbers) -> Numbers:
    """The inverse of ``signed_log``."""
    return np.asarray(np.sign(values) * np.expm1(np.abs(values)) * _KNEE)
