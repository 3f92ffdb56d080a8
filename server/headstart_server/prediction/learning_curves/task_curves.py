"""Curve predictions for candidates of a task: the choice of recorded curves, and cached forecasters.

The history is the full curves of the task itself and, while these are few, curves of other tasks of the space with the
same metric. A query without a curve uses the curve of its candidate's truncated run, if one is recorded. A forecaster
is fitted again when its history has grown by a tenth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart.spaces import Violation
from headstart.spaces.validation import require
from headstart_server.knowledge.observations.learning_curves import RecordedCurve
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.learning_curves.combination import CurveEstimate, combined, from_curve_alone
from headstart_server.prediction.learning_curves.curve import Curve
from headstart_server.prediction.learning_curves.early_stopping import StoppingAdvice, advise
from headstart_server.prediction.learning_curves.forecast import LEAST_HISTORY, CurveForecaster, CurveForecasts
from headstart_server.prediction.types import CurveForecast, Prediction, Query
from headstart_server.runtime.lru import Lru

# From this number of its own full curves on, a task uses no others.
_ENOUGH_OWN = 50
# Full curves behind a fit that uses other tasks.
_MOST_CURVES = 300
_MOST_SOURCES = 32
_GROWTH_BEFORE_REFIT = 1.1
_CACHED_FORECASTERS = 16
# The most different fidelities that one call predicts at.
_MOST_FIDELITIES = 8


@dataclass(frozen=True)
class CurvePredictions:
    """Estimates from curves, by index of the query.

    ``shortened`` are the indices of queries for a shorter training than the full one. ``spread`` is the standard
    deviation of the results of the history, None if they are too few.
    """

    estimates: Mapping[int, CurveEstimate]
    shortened: frozenset[int]
    incumbent: float | None
    maximize: bool
    basis: str
    spread: float | None = None

    def covers(self, count: int) -> bool:
        """Whether each of ``count`` queries has an estimate."""
        return len(self.estimates) == count

    def predictions(self, priors: Sequence[Prediction] | None, count: int) -> list[Prediction]:
        """One prediction for each of ``count`` queries: ``priors`` combined with the estimates from curves.

        Without ``priors`` the estimates stand alone; all queries must then have one.
        """
        predictions = []
        for index in range(count):
            estimate = self.estimates.get(index)
            if estimate is None:
                assert priors is not None
                predictions.append(priors[index])
            elif index in self.shortened:
                # Models predict full trainings only, and the incumbent is one.
                predictions.append(from_curve_alone(estimate, None, self.maximize))
            elif priors is None:
                predictions.append(from_curve_alone(estimate, self.incumbent, self.maximize))
            else:
                predictions.append(combined(priors[index], estimate, self.spread, self.incumbent, self.maximize))
        return predictions


NO_CURVES = CurvePredictions({}, frozenset(), None, True, "")


@dataclass(frozen=True, eq=False)
class _CachedForecaster:
    """A forecaster with its history: ``count`` curves, ``own`` of them of the task; ``newest`` is the task's newest."""

    newest: RecordedCurve | None
    task: Task
    count: int
    own: int
    forecaster: CurveForecaster


class TaskCurves:
    """Curve predictions with forecasters cached by namespace, task, space and fidelity. Thread-safe."""

    def __init__(self, knowledge: KnowledgeService) -> None:
        self._knowledge = knowledge
        self._cache: Lru[tuple[str, str, str, float], _CachedForecaster] = Lru(_CACHED_FORECASTERS)

    def predict(
        self,
        namespace: str,
        observations: Observations,
        queries: Sequence[Query],
        level: float,
        incumbent: float | None,
    ) -> CurvePredictions:
        """Estimates from the queries' curves, with intervals of ``level``.

        Raises InvalidInput for a curve that exceeds the task's full training.
        """
        if observations.task.max_fidelity:
            require(_violations(queries, observations.task.max_fidelity))
        [recorded] = self._knowledge.curves(namespace, [observations])
        curves = _curves_of(queries, observations, recorded)
        if not curves:
            return NO_CURVES
        task = observations.task
        history, own = self._history(namespace, observations, recorded)
        full = task.max_fidelity or max([curve.last for curve in history], default=0.0)
        estimates: dict[int, CurveEstimate] = {}
        shortened: set[int] = set()
        for horizon, indices in _by_horizon(queries, curves, full).items():
            chosen = [curves[index] for index in indices]
            newest = recorded[-1] if recorded else None
            key = (namespace, task.task_id, observations.search_space_id, horizon)
            forecaster = self._forecaster(key, task, newest, recorded, history, own, horizon, horizon >= full)
            forecasts = forecaster.forecast(chosen, level)
            advice = advise(forecasts, incumbent, task.maximize) if horizon >= full else None
            estimates.update(zip(indices, _estimates(forecasts, advice), strict=True))
            if horizon < full:
                shortened.update(indices)
        basis = _basis(len(curves), own, len(history))
        return CurvePredictions(estimates, frozenset(shortened), incumbent, task.maximize, basis, _spread(history))

    def _history(
        self, namespace: str, observations: Observations, recorded: Sequence[RecordedCurve]
    ) -> tuple[list[Curve], int]:
        """Full curves, those of the task first, and the number of the task's own."""
        own = [_curve(each) for each in recorded if each.final is not None]
        task = observations.task
        if len(own) >= _ENOUGH_OWN:
            return own, len(own)
        observed = [
            other
            for other in self._knowledge.tasks_observed(namespace, observations.search_space_id)
            if other.task.task_id != task.task_id and _comparable(other.task, task)
        ]
        observed = sorted(observed, key=lambda other: -other.count)[:_MOST_SOURCES]
        by_task = [
            [_curve(each, _stretch(other.task, task)) for each in curves if each.final is not None]
            for other, curves in zip(observed, self._knowledge.curves(namespace, observed), strict=True)
        ]
        by_task = [curves for curves in by_task if curves]
        share = (_MOST_CURVES - len(own)) // max(len(by_task), 1)
        return own + [curve for curves in by_task for curve in curves[-share:]], len(own)

    def _forecaster(
        self,
        key: tuple[str, str, str, float],
        task: Task,
        newest: RecordedCurve | None,
        recorded: Sequence[RecordedCurve],
        history: Sequence[Curve],
        own: int,
        horizon: float,
        full: bool,
    ) -> CurveForecaster:
        cached = self._cache.get(key)
        if (
            cached is not None
            and cached.task == task
            and cached.count <= len(history) <= _GROWTH_BEFORE_REFIT * cached.count
            and cached.own <= own <= _GROWTH_BEFORE_REFIT * cached.own
            and (cached.newest is None or any(each is cached.newest for each in recorded))
        ):
            return cached.forecaster
        curves = history if full else [_until(curve, horizon) for curve in history]
        forecaster = CurveForecaster(curves, task.maximize, horizon)
        self._cache.put(key, _CachedForecaster(newest, task, len(history), own, forecaster))
        return forecaster


def _curves_of(
    queries: Sequence[Query], observations: Observations, recorded: Sequence[RecordedCurve]
) -> dict[int, Curve]:
    """Curves by index of the query: its own, or that of its candidate's truncated run."""
    truncated = {each.fingerprint: each for each in recorded if each.final is None}
    missing = {query.canonical.fingerprint for query in queries if not query.learning_curve} & truncated.keys()
    if missing:
        finished = observations.names.codes(sorted(missing))
        finished = finished[np.isin(finished, observations.codes[observations.completed])]
        missing -= set(observations.names.names(finished.tolist()))
    curves = {}
    for index, query in enumerate(queries):
        if query.learning_curve:
            curves[index] = Curve.of(query.learning_curve)
        elif query.canonical.fingerprint in missing:
            curves[index] = _curve(truncated[query.canonical.fingerprint])
    return curves


def _by_horizon(queries: Sequence[Query], curves: Mapping[int, Curve], full: float) -> dict[float, list[int]]:
    """Indices of queries by the fidelity to predict at.

    Queries beyond the limit of fidelities are predicted at the full one.
    """
    indices: dict[float, list[int]] = {}
    for index, curve in curves.items():
        horizon = full or curve.last
        requested = queries[index].fidelity
        if (
            requested is not None
            and 0 < requested < horizon
            and (requested in indices or len(indices) < _MOST_FIDELITIES)
        ):
            horizon = requested
        indices.setdefault(horizon, []).append(index)
    return indices


def _curve(recorded: RecordedCurve, stretch: float = 1.0) -> Curve:
    curve = Curve.of(recorded.points, recorded.final)
    return curve if stretch == 1.0 else replace(curve, fidelities=curve.fidelities * stretch)


def _until(curve: Curve, horizon: float) -> Curve:
    """The curve of a training that ends at ``horizon``; a truncated run if it does not reach that."""
    if curve.last < horizon:
        return replace(curve, final=curve.final if curve.final is not None and np.isnan(curve.final) else None)
    return replace(curve, final=float(np.interp(horizon, curve.fidelities, curve.values)))


def _comparable(other: Task, task: Task) -> bool:
    """Whether both tasks have the same metric over the same unit of fidelity."""
    return (other.metric, other.maximize, other.fidelity_unit) == (task.metric, task.maximize, task.fidelity_unit)


def _stretch(other: Task, task: Task) -> float:
    """The factor on fidelities by which the full trainings of both tasks become equally long."""
    return task.max_fidelity / other.max_fidelity if task.max_fidelity and other.max_fidelity else 1.0


def _estimates(forecasts: CurveForecasts, advice: Sequence[StoppingAdvice] | None) -> list[CurveEstimate]:
    """Estimates from forecasts; ``advice`` is None for shortened trainings."""
    columns = (forecasts.finals, forecasts.below, forecasts.above, forecasts.lower, forecasts.upper)
    estimates = []
    for row, (mean, below, above, lower, upper) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        points = tuple(zip(forecasts.fidelities[row].tolist(), forecasts.values[row].tolist(), strict=True))
        stopping = StoppingAdvice(False, "no advice for a shortened training") if advice is None else advice[row]
        forecast = CurveForecast(points, stopping.stop, stopping.reason)
        estimates.append(CurveEstimate(mean, below, above, lower, upper, forecast))
    return estimates


def _violations(queries: Sequence[Query], max_fidelity: float) -> Iterator[Violation]:
    """Yield violations for points of curves beyond the full training."""
    for position, query in enumerate(queries):
        for index, (fidelity, _) in enumerate(query.learning_curve):
            if fidelity > max_fidelity:
                field = f"queries[{position}].learning_curve[{index}].fidelity"
                yield Violation(field, f"must not exceed the full training of the task, {max_fidelity:g}")
                break


def _spread(history: Sequence[Curve]) -> float | None:
    """Robust standard deviation of the final results; None if there are too few."""
    finals = [curve.final for curve in history if curve.final is not None and np.isfinite(curve.final)]
    if len(finals) < LEAST_HISTORY:
        return None
    low, high = np.quantile(finals, (0.16, 0.84))
    return float(high - low) / 2


def _basis(count: int, own: int, history: int) -> str:
    basis = f"; {count} learning curve{'' if count == 1 else 's'} continued by "
    if history < LEAST_HISTORY:
        return basis + "power laws and the last value alone, on a wide interval (few full curves are recorded)"
    others = f" and {history - own} of other tasks" if history > own else ""
    return basis + f"{own} full curves of this task{others}"
