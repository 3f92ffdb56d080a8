"""Forecast of the end of partial learning curves: an ensemble with weights and intervals from the history's curves.

The full curves of the history are truncated at the same fidelity as the query and predicted without themselves.
Members are "last_value", the laws "pow4" and "mmf4", and the history models "curve_prior" and "similar_curves". The
weights minimise the absolute error on the history. Intervals are quantiles among similar curves, widened or narrowed
until they cover the history (conformalized quantile regression: Romano et al., NeurIPS 2019). Without enough full
curves only the laws and the last value answer, with a wide interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from headstart_server.prediction.learning_curves.curve import (
    Clip,
    Curve,
    features,
    fidelities_ahead,
    observed_values,
    part_ahead,
    spread,
)
from headstart_server.prediction.learning_curves.history_models import (
    CURVE_PRIOR,
    SIMILAR_CURVES,
    GaussianPrior,
    SimilarCurves,
    weighted_quantiles,
)
from headstart_server.prediction.learning_curves.parametric import MMF4, POW4, extrapolate
from headstart_server.runtime.lru import Lru

Numbers = NDArray[np.float64]

LAST_VALUE = "last_value"
LEAST_HISTORY = 10

_REFERENCE_LEVEL = 0.9
_REFERENCE_DEVIATIONS = float(ndtri(0.5 + _REFERENCE_LEVEL / 2))
# Predictions of a law are clipped to this number of spreads beyond the best of the history and the curve itself.
_BEYOND_BEST = 0.25
# A run has diverged if it ends this number of spreads of the final results above its start.
_RUIN = 0.25
_TAIL_FREEDOM = 4.0
# The best member's error counts as at least this share of the worst member's.
_LEAST_ERROR = 0.05
_STEPS = 300
_RATE = 0.5
# Without history only the members' disagreement indicates the error; it is multiplied by this factor.
_CAUTION = 3.0
# Above this number of truncations in a call, those near one another share a fit; this number of fits is cached.
_MOST_CUTS = 12
_CACHED_CUTS = 16
_CACHED_LEVELS = 8


@dataclass(frozen=True)
class CurveForecasts:
    """Forecasts of m curves, in the task's unit. ``below`` and ``above`` are standard deviations to either side of
    ``finals``.

    ``diverges`` [m] is the probability to end worse than runs begin, None without history. ``members`` are names,
    ``told`` [members, m] their predictions and ``weights`` [members, m]. ``places`` and ``paths`` [m, AHEAD] are the
    expected curve.
    """

    finals: Numbers
    below: Numbers
    above: Numbers
    lower: Numbers
    upper: Numbers
    diverges: Numbers | None
    members: tuple[str, ...]
    told: Numbers
    weights: Numbers
    places: Numbers
    paths: Numbers
    history: int

    def beats(self, value: float | Numbers, maximize: bool) -> Numbers:
        """Probability [m] that the final result beats a value, by Student's t with a width for each side.

        Its tails are heavy, as those of forecast errors are.
        """
        gap = self.finals - value if maximize else value - self.finals
        side = np.where((gap > 0) == maximize, self.below, self.above)
        return np.asarray(stdtr(_TAIL_FREEDOM, gap / np.maximum(side, 1e-12)))


class CurveForecaster:
    """Forecaster from the full curves of a history, for a full training of ``horizon``; caches its fit for each
    truncation.

    ``without`` leaves members out, for ablations. Thread-safe.
    """

    def __init__(self, history: Sequence[Curve], maximize: bool, horizon: float, without: Sequence[str] = ()) -> None:
        self._sign = -1.0 if maximize else 1.0
        self._history = [curve for curve in history if curve.final is not None and len(curve.fidelities)]
        self._clip = Clip.of(self._sign * np.array([curve.final for curve in self._history], np.float64))
        self._horizon = horizon
        self._without = frozenset(without)
        self._cuts: Lru[float, _Learned] = Lru(_CACHED_CUTS)

    def forecast(self, curves: Sequence[Curve], level: float = _REFERENCE_LEVEL) -> CurveForecasts:
        """Raises ValueError for a curve without points."""
        if any(not len(curve.fidelities) for curve in curves):
            raise ValueError("a curve without points has nothing to go on from")
        cuts = np.minimum([curve.last for curve in curves], self._horizon)
        groups = _shared_cuts(cuts)
        rows_by_curve: dict[int, _Row] = {}
        for cut in np.unique(groups):
            rows = np.flatnonzero(groups == cut)
            observed = observed_values(
                [curves[row] for row in rows.tolist()], cuts[rows].tolist(), self._sign, self._clip
            )
            for row, answer in zip(rows, self._rows(float(cut), observed, level), strict=True):
                rows_by_curve[int(row)] = answer
        return self._assembled([rows_by_curve[row] for row in range(len(curves))], cuts)

    def _rows(self, cut: float, observed: Numbers, level: float) -> list[_Row]:
        learned = self._at(cut)
        if learned is None:
            return _without_history(observed, cut, self._horizon, level)
        return learned.rows(observed, level)

    def _at(self, cut: float) -> _Learned | None:
        """The fit for a truncation; None where too few full curves reach it."""
        known = self._cuts.get(cut)
        if known is None:
            usable = [
                curve for curve in self._history if curve.fidelities[0] <= cut and curve.last >= min(cut, self._horizon)
            ]
            if len(usable) < LEAST_HISTORY:
                return None
            known = _Learned(usable, cut, self._horizon, self._sign, self._clip, self._without)
            self._cuts.put(cut, known)
        return known

    def _assembled(self, rows: list[_Row], cuts: Numbers) -> CurveForecasts:
        finals, good, bad = (np.array([getattr(row, name) for row in rows]) for name in ("final", "good", "bad"))
        reach_good, reach_bad = (np.array([getattr(row, name) for row in rows]) for name in ("best", "worst"))
        names = tuple(dict.fromkeys(name for row in rows for name in row.members))
        predicted, weights = np.zeros((len(names), len(rows))), np.zeros((len(names), len(rows)))
        for column, row in enumerate(rows):
            for name, (value, weight) in row.members.items():
                predicted[names.index(name), column] = self._sign * value
                weights[names.index(name), column] = weight
        ends = np.sort(np.stack([self._sign * reach_good, self._sign * reach_bad]), axis=0)
        mirrored = self._sign < 0
        chances = [row.diverges for row in rows]
        known = [chance for chance in chances if chance is not None]
        return CurveForecasts(
            finals=self._sign * finals,
            below=bad if mirrored else good,
            above=good if mirrored else bad,
            lower=ends[0],
            upper=ends[1],
            diverges=np.array([chance or 0.0 for chance in chances]) if known else None,
            members=names,
            told=predicted,
            weights=weights,
            places=np.array([fidelities_ahead(float(cut), self._horizon) for cut in cuts]),
            paths=self._sign * np.array([row.path for row in rows]),
            history=max(row.history for row in rows),
        )


@dataclass(frozen=True)
class _Row:
    """One curve, lower is better: deviations to the good and to the bad side, ends of the interval."""

    final: float
    good: float
    bad: float
    best: float
    worst: float
    diverges: float | None
    members: dict[str, tuple[float, float]]
    path: Numbers
    history: int


class _Learned:
    """The fit to the full curves at one truncation."""

    def __init__(
        self, curves: Sequence[Curve], cut: float, horizon: float, sign: float, clip: Clip, without: frozenset[str]
    ) -> None:
        seen = observed_values(curves, [cut] * len(curves), sign, clip)
        ahead = part_ahead(curves, fidelities_ahead(cut, horizon), sign, clip)
        finals = ahead[:, -1]
        self._unit = spread(finals)
        self._cut, self._horizon, self._clip = cut, horizon, clip
        self._size = len(curves)
        self._changes = (ahead - seen[:, -1:]) / self._unit
        self._centre, self._best = float(np.median(finals)), float(finals.min())
        known = self._features(seen)
        self._prior = GaussianPrior(known, self._changes)
        self._similar = SimilarCurves(known, self._changes[:, -1])
        self._ruined = _ruined(seen, finals, self._unit)
        alike = self._similar.unseen()
        predicted = self._members(seen, alike, self._prior.unseen())
        self.names = tuple(name for name in predicted if name not in without)
        by_member = np.stack([predicted[name][:, -1] for name in self.names])
        truth = self._changes[:, -1]
        low, high = weighted_quantiles(alike, truth, (0.1, 0.9))
        quiet = high - low + 0.1 * float(np.median(high - low)) + 1e-9
        self.weights = least_error_weights(by_member, truth, 1 / quiet)
        mean = self.weights @ by_member
        self._floor = 0.1 * float(np.median(np.abs(truth - mean))) + 1e-9
        self._own = (mean, by_member)
        self._largest = float(np.abs(truth - mean).max())
        self._margins = {_REFERENCE_LEVEL: self._margin(alike, _REFERENCE_LEVEL)}

    def _features(self, seen: Numbers) -> Numbers:
        return features(seen - self._centre, self._unit)

    def _members(self, seen: Numbers, alike: Numbers, prior: Numbers) -> dict[str, Numbers]:
        """The members' predicted changes [n, places] from the last value, in units of the spread."""
        last = seen[:, -1:]
        fidelities = (
            fidelities_ahead(self._cut, self._horizon) / self._cut if self._cut > 0 else np.ones(prior.shape[1])
        )
        predictions = {LAST_VALUE: np.zeros_like(prior)}
        for law in (POW4, MMF4):
            least = np.minimum(last, self._best) - _BEYOND_BEST * self._unit
            predictions[law] = (np.maximum(self._clip(extrapolate(law, seen, fidelities)), least) - last) / self._unit
        predictions[CURVE_PRIOR] = prior
        medians = [weighted_quantiles(alike, column, (0.5,))[0] for column in self._changes.T]
        predictions[SIMILAR_CURVES] = np.stack(medians, axis=1)
        return predictions

    def _ends(self, alike: Numbers, mean: Numbers, by_member: Numbers, level: float) -> tuple[Numbers, Numbers]:
        """Distances [n] from the mean to the ends of the uncalibrated interval."""
        tail = (1 - level) / 2
        low, high = weighted_quantiles(alike, self._changes[:, -1], (tail, 1 - tail))
        apart = 0.5 * by_member.std(axis=0)
        return np.maximum(mean - low, 0) + apart + self._floor, np.maximum(high - mean, 0) + apart + self._floor

    def _margin(self, alike: Numbers, level: float) -> float:
        """The stretch of both ends that makes ``level`` of the history lie within."""
        mean, by_member = self._own
        low, high = self._ends(alike, mean, by_member, level)
        error = self._changes[:, -1] - mean
        stretched = np.where(error < 0, -error / low, error / high)
        rank = min(1.0, level * (len(error) + 1) / len(error))
        return max(float(np.quantile(stretched, rank)), 1e-3)

    def _stretched(self, ends: Numbers, margin: float) -> Numbers:
        """Calibrated distances.

        The stretch ends where it covers the largest error of the history: a margin from an error on an all but
        certain curve would stretch other intervals beyond everything observed.
        """
        return np.asarray(np.minimum(margin * ends, np.maximum(ends, self._largest)))

    def rows(self, observed: Numbers, level: float) -> list[_Row]:
        if level not in self._margins:
            if len(self._margins) > _CACHED_LEVELS:
                self._margins = {_REFERENCE_LEVEL: self._margins[_REFERENCE_LEVEL]}
            self._margins = {**self._margins, level: self._margin(self._similar.unseen(), level)}
        margins = self._margins
        known = self._features(observed)
        alike = self._similar.weights(known)
        predicted = self._members(observed, alike, self._prior.predict(known))
        paths = np.stack([predicted[name] for name in self.names])
        by_member = paths[:, :, -1]
        mean = self.weights @ by_member
        path = np.tensordot(self.weights, paths, axes=1)
        good, bad = (self._stretched(end, margins[level]) for end in self._ends(alike, mean, by_member, level))
        usual = self._ends(alike, mean, by_member, _REFERENCE_LEVEL)
        spread_good, spread_bad = (
            self._stretched(end, margins[_REFERENCE_LEVEL]) / _REFERENCE_DEVIATIONS for end in usual
        )
        chances = alike @ self._ruined.astype(np.float64)
        last, unit = observed[:, -1], self._unit
        return [
            _Row(
                final=float(last[i] + unit * mean[i]),
                good=float(unit * spread_good[i]),
                bad=float(unit * spread_bad[i]),
                best=float(last[i] + unit * (mean[i] - good[i])),
                worst=float(last[i] + unit * (mean[i] + bad[i])),
                diverges=float(chances[i]),
                members={
                    name: (float(last[i] + unit * by_member[j, i]), float(self.weights[j]))
                    for j, name in enumerate(self.names)
                },
                path=last[i] + unit * path[i],
                history=self._size,
            )
            for i in range(len(observed))
        ]


def least_error_weights(predicted: Numbers, truth: Numbers, importance: Numbers) -> Numbers:
    """Non-negative weights [members] of sum 1 with the least mean absolute error of predictions [members, n].

    Half of an error's weight is the same for all, half goes by ``importance`` [n], so that noisy curves do not decide
    alone. Solved by exponentiated gradient (Kivinen and Warmuth, 1997) from equal weights; the result is the average
    of the steps.
    """
    errors = np.abs(predicted - truth)
    share = np.zeros(len(truth))
    for each in (np.ones(len(truth)), importance):
        by_member = errors @ each
        # A nearly exact member cannot be the yardstick: the errors of others would count infinitely.
        share += each / max(float(by_member.min()), _LEAST_ERROR * float(by_member.max()), 1e-12) / 2
    # As logarithms, a weight that nearly vanished can recover; one of them is always 1 before they are normalised.
    logarithms = np.zeros(len(predicted))
    total = np.zeros(len(predicted))
    for step in range(_STEPS):
        weights = _normalised(logarithms)
        gradient = predicted @ (share * np.sign(weights @ predicted - truth))
        logarithms = logarithms - _RATE * (gradient - gradient.min()) / np.sqrt(1 + step)
        if step >= _STEPS // 2:
            total += _normalised(logarithms)
    return np.asarray(total / total.sum())


def _normalised(logarithms: Numbers) -> Numbers:
    weights = np.exp(logarithms - logarithms.max())
    return np.asarray(weights / weights.sum())


def _ruined(seen: Numbers, finals: Numbers, unit: float) -> NDArray[np.bool_]:
    """The curves that ended clearly worse than they, and most others, began."""
    starts = np.maximum(seen[:, 0], np.median(seen[:, 0]))
    return np.asarray(finals > starts + _RUIN * unit)


def _shared_cuts(cuts: Numbers) -> Numbers:
    """The truncation whose fit serves each curve: its own, or the lowest of those nearby where a call has many."""
    shared, apart = np.array(cuts), 1.05
    while len(np.unique(shared)) > _MOST_CUTS:
        at = -np.inf
        for row in np.argsort(cuts):
            if not 0 < cuts[row] <= apart * at:
                at = cuts[row]
            shared[row] = at
        apart = apart**2
    return shared


def _without_history(seen: Numbers, cut: float, horizon: float, level: float) -> list[_Row]:
    last = seen[:, -1]
    fidelities = fidelities_ahead(cut, horizon) / cut if cut > 0 else np.ones(1)
    laws = {law: extrapolate(law, seen, fidelities) for law in (POW4, MMF4)}
    fallen = seen.max(axis=1) - seen.min(axis=1)
    # An extrapolation further than the curve has come so far is clipped.
    laws = {
        law: np.clip(predicted, (last - fallen)[:, None], (last + fallen)[:, None]) for law, predicted in laws.items()
    }
    shares = {LAST_VALUE: 0.5, POW4: 0.25, MMF4: 0.25}
    paths = {LAST_VALUE: np.repeat(last[:, None], len(fidelities), axis=1), **laws}
    path = np.sum([shares[name] * predicted for name, predicted in paths.items()], axis=0)
    mean = path[:, -1]
    apart = np.max([np.abs(predicted[:, -1] - last) for predicted in laws.values()], axis=0)
    tail = np.ptp(seen[:, -seen.shape[1] // 4 :], axis=1)
    unsure = _CAUTION * (apart + tail + 0.05 * fallen) + 1e-3 * np.abs(last) + 1e-12
    half = unsure * float(ndtri(0.5 + level / 2))
    return [
        _Row(
            final=float(mean[i]),
            good=float(unsure[i]),
            bad=float(unsure[i]),
            best=float(mean[i] - half[i]),
            worst=float(mean[i] + half[i]),
            diverges=None,
            members={name: (float(predicted[i, -1]), shares[name]) for name, predicted in paths.items()},
            path=path[i],
            history=0,
        )
        for i in range(len(seen))
    ]
