"""Forecasts of the end of partial learning curves by an ensemble, fitted to full curves: the history.

The curves of the history are truncated at the fidelity of the query, and each is predicted by models fitted without it.
Members are "last_value", the laws "pow4" and "mmf4", and the history models "curve_prior" and "similar_curves". Their
weights minimise the absolute error on the history. Intervals are quantiles among similar curves, stretched so that they
cover the history at their level (conformalized quantile regression: Romano et al., NeurIPS 2019). Without enough full
curves the forecast rests on the laws and the last value alone, with a wide interval.
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
# The least number of full curves that a fit needs.
LEAST_HISTORY = 10

_REFERENCE_LEVEL = 0.9
_REFERENCE_DEVIATIONS = float(ndtri(0.5 + _REFERENCE_LEVEL / 2))
# A law predicts at most this number of spreads beyond the best of the history and of the curve itself.
_BEYOND_BEST = 0.25
# A run has diverged if its end is this number of spreads of the final results worse than its start.
_DIVERGENCE = 0.25
_TAIL_FREEDOM = 4.0
# In the weights' objective the best member's error is at least this share of the worst member's.
_LEAST_ERROR = 0.05
_STEPS = 300
_RATE = 0.5
# Without history the deviation is the disagreement of the members times this factor, as nothing else indicates it.
_DISAGREEMENT_FACTOR = 3.0
# Beyond this number of truncations in a call, neighbouring ones share a fit.
_MOST_TRUNCATIONS = 12
_CACHED_FITS = 16
_CACHED_LEVELS = 8


@dataclass(frozen=True)
class CurveForecasts:
    """Forecasts of m curves, in the task's unit.

    ``below`` and ``above`` [m] are standard deviations to either side of ``finals`` [m]; ``lower`` and ``upper`` [m]
    are the intervals. ``diverges`` [m] is the probability of divergence, None without history. ``weights`` [members, m]
    are those of the named ``members``. ``fidelities`` and ``values`` [m, AHEAD] are the expected curves. ``history`` is
    the number of full curves behind the forecasts.
    """

    finals: Numbers
    below: Numbers
    above: Numbers
    lower: Numbers
    upper: Numbers
    diverges: Numbers | None
    members: tuple[str, ...]
    weights: Numbers
    fidelities: Numbers
    values: Numbers
    history: int

    def beats(self, value: float | Numbers, maximize: bool) -> Numbers:
        """Probability [m] that the final result beats a value.

        The distribution is a Student's t with a width for each side, because forecast errors have heavy tails.
        """
        gap = self.finals - value if maximize else value - self.finals
        side = np.where((gap > 0) == maximize, self.below, self.above)
        return np.asarray(stdtr(_TAIL_FREEDOM, gap / np.maximum(side, 1e-12)))


class CurveForecaster:
    """Forecaster from the full curves of a history, with a cached fit for each truncation. Thread-safe.

    ``horizon`` is the fidelity of the full training. ``without`` leaves members out, for ablations.
    """

    def __init__(self, history: Sequence[Curve], maximize: bool, horizon: float, without: Sequence[str] = ()) -> None:
        self._sign = -1.0 if maximize else 1.0
        self._history = [curve for curve in history if curve.final is not None and len(curve.fidelities)]
        self._clip = Clip.of(self._sign * np.array([curve.final for curve in self._history], np.float64))
        self._horizon = horizon
        self._without = frozenset(without)
        self._fits: Lru[float, _TruncationFit] = Lru(_CACHED_FITS)

    def forecast(self, curves: Sequence[Curve], level: float = _REFERENCE_LEVEL) -> CurveForecasts:
        """Forecasts with intervals of ``level``. Raises ValueError for a curve without points."""
        if any(not len(curve.fidelities) for curve in curves):
            raise ValueError("a curve without points cannot be forecast")
        truncations = np.minimum([curve.last for curve in curves], self._horizon)
        groups = _shared_truncations(truncations)
        by_curve: dict[int, _SingleForecast] = {}
        for truncation in np.unique(groups):
            rows = np.flatnonzero(groups == truncation)
            observed = observed_values(
                [curves[row] for row in rows.tolist()], truncations[rows].tolist(), self._sign, self._clip
            )
            for row, forecast in zip(rows, self._forecasts(float(truncation), observed, level), strict=True):
                by_curve[int(row)] = forecast
        return self._assembled([by_curve[row] for row in range(len(curves))], truncations)

    def _forecasts(self, truncation: float, observed: Numbers, level: float) -> list[_SingleForecast]:
        fit = self._fit_at(truncation)
        if fit is None:
            return _without_history(observed, truncation, self._horizon, level)
        return fit.forecasts(observed, level)

    def _fit_at(self, truncation: float) -> _TruncationFit | None:
        """The fit for a truncation; None if too few full curves reach it."""
        fit = self._fits.get(truncation)
        if fit is None:
            usable = [
                curve
                for curve in self._history
                if curve.fidelities[0] <= truncation and curve.last >= min(truncation, self._horizon)
            ]
            if len(usable) < LEAST_HISTORY:
                return None
            fit = _TruncationFit(usable, truncation, self._horizon, self._sign, self._clip, self._without)
            self._fits.put(truncation, fit)
        return fit

    def _assembled(self, rows: list[_SingleForecast], truncations: Numbers) -> CurveForecasts:
        finals, good, bad = (np.array([getattr(row, name) for row in rows]) for name in ("final", "good", "bad"))
        reach_good, reach_bad = (np.array([getattr(row, name) for row in rows]) for name in ("best", "worst"))
        names = tuple(dict.fromkeys(name for row in rows for name in row.members))
        weights = np.array([[row.members.get(name, 0.0) for row in rows] for name in names])
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
            weights=weights,
            fidelities=np.array([fidelities_ahead(float(truncation), self._horizon) for truncation in truncations]),
            values=self._sign * np.array([row.values for row in rows]),
            history=max(row.history for row in rows),
        )


@dataclass(frozen=True)
class _SingleForecast:
    """The forecast of one curve, lower is better.

    ``good`` and ``bad`` are the deviations to either side, ``best`` and ``worst`` the ends of the interval, ``members``
    the weights by name, ``values`` the expected curve.
    """

    final: float
    good: float
    bad: float
    best: float
    worst: float
    diverges: float | None
    members: dict[str, float]
    values: Numbers
    history: int


class _TruncationFit:
    """The fit to the full curves of the history, truncated at one fidelity; lower is better."""

    def __init__(
        self,
        curves: Sequence[Curve],
        truncation: float,
        horizon: float,
        sign: float,
        clip: Clip,
        without: frozenset[str],
    ) -> None:
        seen = observed_values(curves, [truncation] * len(curves), sign, clip)
        ahead = part_ahead(curves, fidelities_ahead(truncation, horizon), sign, clip)
        finals = ahead[:, -1]
        self._unit = spread(finals)
        self._truncation, self._horizon, self._clip = truncation, horizon, clip
        self._size = len(curves)
        self._changes = (ahead - seen[:, -1:]) / self._unit
        self._centre, self._best = float(np.median(finals)), float(finals.min())
        inputs = self._features(seen)
        self._prior = GaussianPrior(inputs, self._changes)
        self._similar = SimilarCurves(inputs, self._changes[:, -1])
        self._diverged = _diverged(seen, finals, self._unit)
        similarity = self._similar.unseen()
        predicted = self._members(seen, similarity, self._prior.unseen())
        self.names = tuple(name for name in predicted if name not in without)
        by_member = np.stack([predicted[name][:, -1] for name in self.names])
        truth = self._changes[:, -1]
        low, high = weighted_quantiles(similarity, truth, (0.1, 0.9))
        quiet = high - low + 0.1 * float(np.median(high - low)) + 1e-9
        self.weights = least_error_weights(by_member, truth, 1 / quiet)
        mean = self.weights @ by_member
        self._floor = 0.1 * float(np.median(np.abs(truth - mean))) + 1e-9
        self._history_predictions = (mean, by_member)
        self._largest = float(np.abs(truth - mean).max())
        self._margins: Lru[float, float] = Lru(_CACHED_LEVELS)
        self._margins.put(_REFERENCE_LEVEL, self._calibrated(similarity, _REFERENCE_LEVEL))

    def _features(self, seen: Numbers) -> Numbers:
        return features(seen - self._centre, self._unit)

    def _members(self, seen: Numbers, similarity: Numbers, prior: Numbers) -> dict[str, Numbers]:
        """Changes [n, AHEAD] from the last value as each member predicts them, in units of the spread.

        ``prior`` [n, AHEAD] are those of the Gaussian prior; ``similarity`` [n, history] are weights.
        """
        last = seen[:, -1:]
        fidelities = (
            fidelities_ahead(self._truncation, self._horizon) / self._truncation
            if self._truncation > 0
            else np.ones(prior.shape[1])
        )
        predictions = {LAST_VALUE: np.zeros_like(prior)}
        for law in (POW4, MMF4):
            lowest = np.minimum(last, self._best) - _BEYOND_BEST * self._unit
            predictions[law] = (np.maximum(self._clip(extrapolate(law, seen, fidelities)), lowest) - last) / self._unit
        predictions[CURVE_PRIOR] = prior
        medians = [weighted_quantiles(similarity, column, (0.5,))[0] for column in self._changes.T]
        predictions[SIMILAR_CURVES] = np.stack(medians, axis=1)
        return predictions

    def _ends(self, similarity: Numbers, mean: Numbers, by_member: Numbers, level: float) -> tuple[Numbers, Numbers]:
        """Distances [n] from the mean to both ends of the uncalibrated interval."""
        tail = (1 - level) / 2
        low, high = weighted_quantiles(similarity, self._changes[:, -1], (tail, 1 - tail))
        disagreement = 0.5 * by_member.std(axis=0)
        below, above = np.maximum(mean - low, 0), np.maximum(high - mean, 0)
        return below + disagreement + self._floor, above + disagreement + self._floor

    def _margin(self, level: float) -> float:
        """The factor on both distances with which the intervals cover ``level`` of the history."""
        margin = self._margins.get(level)
        if margin is None:
            margin = self._calibrated(self._similar.unseen(), level)
            self._margins.put(level, margin)
        return margin

    def _calibrated(self, similarity: Numbers, level: float) -> float:
        mean, by_member = self._history_predictions
        low, high = self._ends(similarity, mean, by_member, level)
        error = self._changes[:, -1] - mean
        stretched = np.where(error < 0, -error / low, error / high)
        rank = min(1.0, level * (len(error) + 1) / len(error))
        return max(float(np.quantile(stretched, rank)), 1e-3)

    def _stretched(self, ends: Numbers, margin: float) -> Numbers:
        """Calibrated distances, stretched at most to the largest error of the history.

        Without that bound, an error on an almost certain curve would stretch other intervals beyond all observed
        errors.
        """
        return np.asarray(np.minimum(margin * ends, np.maximum(ends, self._largest)))

    def forecasts(self, observed: Numbers, level: float) -> list[_SingleForecast]:
        """Forecasts of curves observed up to the truncation, [n, SEEN]."""
        inputs = self._features(observed)
        similarity = self._similar.weights(inputs)
        predicted = self._members(observed, similarity, self._prior.predict(inputs))
        paths = np.stack([predicted[name] for name in self.names])
        by_member = paths[:, :, -1]
        mean = self.weights @ by_member
        path = np.tensordot(self.weights, paths, axes=1)
        good, bad = (
            self._stretched(end, self._margin(level)) for end in self._ends(similarity, mean, by_member, level)
        )
        reference = self._ends(similarity, mean, by_member, _REFERENCE_LEVEL)
        spread_good, spread_bad = (
            self._stretched(end, self._margin(_REFERENCE_LEVEL)) / _REFERENCE_DEVIATIONS for end in reference
        )
        chances = similarity @ self._diverged.astype(np.float64)
        last, unit = observed[:, -1], self._unit
        return [
            _SingleForecast(
                final=float(last[i] + unit * mean[i]),
                good=float(unit * spread_good[i]),
                bad=float(unit * spread_bad[i]),
                best=float(last[i] + unit * (mean[i] - good[i])),
                worst=float(last[i] + unit * (mean[i] + bad[i])),
                diverges=float(chances[i]),
                members=dict(zip(self.names, self.weights.tolist(), strict=True)),
                values=last[i] + unit * path[i],
                history=self._size,
            )
            for i in range(len(observed))
        ]


def least_error_weights(predicted: Numbers, truth: Numbers, importance: Numbers) -> Numbers:
    """Non-negative weights [members] of sum 1 that minimise the mean absolute error of ``predicted`` [members, n].

    Half of an error's weight is equal for all n, the other half is proportional to ``importance`` [n], so that noisy
    curves do not decide alone. The method is exponentiated gradient (Kivinen and Warmuth, 1997) from equal weights; the
    result is the average of the later steps.
    """
    errors = np.abs(predicted - truth)
    share = np.zeros(len(truth))
    for each in (np.ones(len(truth)), importance):
        by_member = errors @ each
        # Relative to a nearly exact member, the errors of the others would be infinite.
        share += each / max(float(by_member.min()), _LEAST_ERROR * float(by_member.max()), 1e-12) / 2
    # As a logarithm, a weight that has nearly vanished can recover.
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


def _diverged(seen: Numbers, finals: Numbers, unit: float) -> NDArray[np.bool_]:
    """Whether each curve ended clearly worse than it, and most others, began."""
    starts = np.maximum(seen[:, 0], np.median(seen[:, 0]))
    return np.asarray(finals > starts + _DIVERGENCE * unit)


def _shared_truncations(truncations: Numbers) -> Numbers:
    """The truncation of each curve's fit: its own or, if a call has many, the lowest of neighbouring ones."""
    shared, ratio = np.array(truncations), 1.05
    while len(np.unique(shared)) > _MOST_TRUNCATIONS:
        at = -np.inf
        for row in np.argsort(truncations):
            if not 0 < truncations[row] <= ratio * at:
                at = truncations[row]
            shared[row] = at
        ratio = ratio**2
    return shared


def _without_history(seen: Numbers, truncation: float, horizon: float, level: float) -> list[_SingleForecast]:
    """Forecasts by the laws and the last value alone, lower is better."""
    last = seen[:, -1]
    fidelities = fidelities_ahead(truncation, horizon) / truncation if truncation > 0 else np.ones(1)
    laws = {law: extrapolate(law, seen, fidelities) for law in (POW4, MMF4)}
    observed_range = seen.max(axis=1) - seen.min(axis=1)
    # A law extrapolates at most by the range of the curve so far.
    laws = {
        law: np.clip(predicted, (last - observed_range)[:, None], (last + observed_range)[:, None])
        for law, predicted in laws.items()
    }
    shares = {LAST_VALUE: 0.5, POW4: 0.25, MMF4: 0.25}
    paths = {LAST_VALUE: np.repeat(last[:, None], len(fidelities), axis=1), **laws}
    path = np.sum([shares[name] * predicted for name, predicted in paths.items()], axis=0)
    mean = path[:, -1]
    disagreement = np.max([np.abs(predicted[:, -1] - last) for predicted in laws.values()], axis=0)
    tail = np.ptp(seen[:, -seen.shape[1] // 4 :], axis=1)
    deviation = _DISAGREEMENT_FACTOR * (disagreement + tail + 0.05 * observed_range) + 1e-3 * np.abs(last) + 1e-12
    half = deviation * float(ndtri(0.5 + level / 2))
    return [
        _SingleForecast(
            final=float(mean[i]),
            good=float(deviation[i]),
            bad=float(deviation[i]),
            best=float(mean[i] - half[i]),
            worst=float(mean[i] + half[i]),
            diverges=None,
            members=shares,
            values=path[i],
            history=0,
        )
        for i in range(len(seen))
    ]
