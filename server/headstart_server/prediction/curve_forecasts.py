"""What partial learning curves say: how each training ends, whether to stop it, and what that does to its prediction.

Curves of the same task are the history where there are enough of them, those of other tasks that measure the same
otherwise; without any, a curve is carried on by parametric families alone. Queries that were trained as far share one
model, which is kept until the history has grown by a tenth.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from headstart_server.knowledge.curves import RecordedCurve
from headstart_server.prediction import early_stopping
from headstart_server.prediction.answers import CurveForecast, MemberPrediction, Prediction, Query
from headstart_server.prediction.curve_families import mmf4, pow4
from headstart_server.prediction.curve_model import LEAST_HISTORY, CurveModel, History, Outlook
from headstart_server.prediction.gaussian_process import Numbers

LEARNING_CURVE = "learning_curve"

# Points that a curve is read at, evenly over what was seen, and points of the forecast.
_MOST_POINTS = 24
_PATH = 12
_MOST_HISTORY = 512
_KEPT_MODELS = 128
_GROWTH = 1.1
# A finished training counts where its curve comes as near to the target as this.
_ALMOST = 0.98


@dataclass(frozen=True)
class CurveTask:
    """What curves of a task mean: their direction, where a full training ends (0: unknown), and the best to beat."""

    key: tuple[str, str, str]
    maximize: bool
    max_fidelity: float
    incumbent: float | None


@dataclass(frozen=True)
class _Kept:
    model: CurveModel | None
    made_from: int


class CurveForecasts:
    """Thread-safe; models of histories are kept."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def joined(
        self,
        task: CurveTask,
        history: Sequence[RecordedCurve],
        queries: Sequence[Query],
        predictions: Sequence[Prediction | None],
        level: float,
    ) -> list[Prediction | None]:
        """Predictions of queries with a curve joined with what it says, with a forecast; others as they are.

        Where a query has a curve there need be no prediction yet.
        """
        answers = list(predictions)
        together: dict[tuple[tuple[float, ...], float], list[int]] = {}
        for index, query in enumerate(queries):
            if query.learning_curve:
                points = tuple(fidelity for fidelity, _ in query.learning_curve)
                target = query.fidelity or task.max_fidelity or _longest(history)
                together.setdefault((points, max(target, points[-1])), []).append(index)
        sign = -1.0 if task.maximize else 1.0
        for (fidelities, target), rows in together.items():
            values = np.array([[value for _, value in queries[row].learning_curve] for row in rows]) * sign
            outlook, path, finished = self._outlook(task, history, np.array(fidelities), values, target, level)
            best = None if task.incumbent is None else sign * task.incumbent
            for place, row in enumerate(rows):
                own = _row(outlook, place)
                whole = queries[row].fidelity is None
                answers[row] = _join(answers[row] if whole else None, own, sign, best, level)
                answers[row] = _with_forecast(answers[row], own, sign, path, finished)
        return answers

    def _outlook(
        self,
        task: CurveTask,
        history: Sequence[RecordedCurve],
        fidelities: Numbers,
        values: Numbers,
        target: float,
        level: float,
    ) -> tuple[Outlook, Numbers, int]:
        """Of trainings seen at ``fidelities`` [m], lower is better; with the path, and what finished ones it had."""
        count = min(len(fidelities), _MOST_POINTS)
        points = np.linspace(fidelities[0], fidelities[-1], count)
        seen = np.stack([np.interp(points, fidelities, each) for each in values])
        path = np.linspace(fidelities[-1], target, _PATH + 1)[1:]
        model = self._model(task, history, points, path)
        if model is None:
            return _alone(points, seen, path, level), path, 0
        return model.expect(seen, level), path, len(model.history.seen)

    def _model(
        self, task: CurveTask, history: Sequence[RecordedCurve], points: Numbers, path: Numbers
    ) -> CurveModel | None:
        if len(history) < LEAST_HISTORY:
            return None
        key = (*task.key, len(points), float(points[0]), float(points[-1]), float(path[-1]))
        with self._lock:
            kept = self._models.get(key)
        if kept is not None and kept.made_from <= len(history) <= _GROWTH * kept.made_from:
            return kept.model
        gathered = gather(history[-_MOST_HISTORY:], points, path, task.maximize, task.max_fidelity)
        model = None if gathered is None else CurveModel(gathered)
        with self._lock:
            self._models[key] = _Kept(model, len(history))
            self._models.move_to_end(key)
            if len(self._models) > _KEPT_MODELS:
                self._models.popitem(last=False)
        return model


def gather(
    curves: Sequence[RecordedCurve], points: Numbers, path: Numbers, maximize: bool, max_fidelity: float
) -> History | None:
    """Recorded curves at the points seen and on the path, lower is better; None where too few went as far.

    A failed run counts as diverged from where it failed, at the worst value that any curve has shown.
    """
    sign = -1.0 if maximize else 1.0
    worst = max(
        (float(np.max(sign * curve.values, where=np.isfinite(curve.values), initial=-np.inf)) for curve in curves),
        default=-np.inf,
    )
    if not np.isfinite(worst):
        return None
    seen, rest, diverged = [], [], []
    target = float(path[-1])
    for curve in curves:
        finite = np.isfinite(curve.values)
        last = float(curve.fidelities[finite][-1]) if finite.any() else -np.inf
        failed = curve.final is None or not np.isfinite(curve.final)
        if last < points[-1] or (not failed and last < _ALMOST * target):
            continue
        known, values = curve.fidelities[finite], sign * curve.values[finite]
        follow = np.interp(path, known, values)
        if failed:
            follow[path > last] = worst
        elif max_fidelity and target >= max_fidelity:
            assert curve.final is not None
            follow[-1] = sign * curve.final
        seen.append(np.interp(points, known, values))
        rest.append(follow)
        diverged.append(failed and last < target)
    if len(seen) < LEAST_HISTORY:
        return None
    return History(points, path, np.stack(seen), np.stack(rest), np.array(diverged, np.float64))


def _alone(points: Numbers, seen: Numbers, path: Numbers, level: float) -> Outlook:
    """Without history: halfway between a power law and the last value, as unsure as the two and the curve disagree."""
    last = seen[:, -1]
    expected = (pow4(points, seen, path[-1]) + mmf4(points, seen, path[-1])) / 2
    median = (expected + last) / 2
    half_way = seen[:, seen.shape[1] // 2 :]
    deviation = np.abs(expected - last) + np.ptp(half_way, axis=1) + 0.01 * np.abs(last) + 1e-12
    half = float(ndtri(0.5 + level / 2)) * deviation
    share = (path - points[-1]) / max(path[-1] - points[-1], 1e-12)
    quantiles = ndtri((np.arange(64) + 0.5) / 64)
    return Outlook(
        median,
        median - half,
        median + half,
        deviation,
        np.zeros(len(seen)),
        last[:, None] + (median - last)[:, None] * share,
        median[:, None] + deviation[:, None] * quantiles,
        np.full((len(seen), 64), 1 / 64),
    )


def _join(prediction: Prediction | None, own: Outlook, sign: float, best: float | None, level: float) -> Prediction:
    """Both, weighed by how sure they are; the interval is the curve's, moved and narrowed."""
    median, deviation = float(own.median[0]), float(own.deviation[0])
    share, shift, ratio = 1.0, 0.0, 1.0
    members: tuple[MemberPrediction, ...] = ()
    strange = False
    if prediction is not None:
        spread = max(prediction.standard_deviation, 1e-12)
        share = 1.0 / (1.0 + (deviation / spread) ** 2)
        shift = (1.0 - share) * (sign * prediction.mean - median)
        ratio = float(np.sqrt(share))
        members = tuple(replace(each, weight=each.weight * (1.0 - share)) for each in prediction.members)
        strange = prediction.out_of_distribution
    mean = median + shift
    ends = sorted((sign * (mean - ratio * (median - own.lower[0])), sign * (mean + ratio * (own.upper[0] - median))))
    chance = None if best is None else float(own.chance_below(best, np.array([shift]))[0])
    half = float(ndtri(0.5 + level / 2))
    calibrated = max((ends[1] - ends[0]) / (2 * half), 1e-12)
    return Prediction(
        mean=sign * mean,
        standard_deviation=calibrated,
        lower=float(ends[0]),
        upper=float(ends[1]),
        probability_of_improvement=chance,
        members=(*members, MemberPrediction(LEARNING_CURVE, sign * median, deviation, share)),
        out_of_distribution=strange,
    )


def _with_forecast(
    prediction: Prediction | None, own: Outlook, sign: float, path: Numbers, finished: int
) -> Prediction:
    assert prediction is not None
    stop, reason = early_stopping.advice(prediction.probability_of_improvement, float(own.divergence[0]), finished)
    curve = tuple(zip(path.tolist(), (sign * own.path[0]).tolist(), strict=True))
    return replace(prediction, forecast=CurveForecast(curve, stop, reason))


def _row(outlook: Outlook, row: int) -> Outlook:
    return Outlook(*(values[row : row + 1] for values in vars(outlook).values()))


def _longest(history: Sequence[RecordedCurve]) -> float:
    return max((float(curve.fidelities[-1]) for curve in history if curve.final is not None), default=0.0)
