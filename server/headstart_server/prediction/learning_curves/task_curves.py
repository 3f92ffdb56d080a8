"""Curve predictions for candidates of a task: selection of the recorded curves, and the cached forecasters.

The full curves of the task itself come first. While they are few, curves of other tasks of the space with the same
metric are added. A query without a curve uses the curve of its own truncated run, if one is recorded. A forecaster is
fitted again when there is a tenth more to learn from.
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
from headstart_server.prediction.learning_curves.combination import CurveEstimate, from_curve_alone, joined
from headstart_server.prediction.learning_curves.curve import Curve
from headstart_server.prediction.learning_curves.early_stopping import StoppingAdvice, advise
from headstart_server.prediction.learning_curves.forecast import LEAST_HISTORY, CurveForecaster, CurveForecasts
from headstart_server.prediction.types import CurveForecast, Prediction, Query
from headstart_server.runtime.lru import Lru

# From the first number of full curves on, a task uses no others; at most the second number is fitted.
_ENOUGH_OWN = 50
_MOST_CURVES = 300
_MOST_SOURCES = 32
_GROWTH_BEFORE_REFIT = 1.1
_CACHED_FORECASTERS = 16
# The number of different fidelities that one call may ask for.
_MOST_FIDELITIES = 8


@dataclass(frozen=True)
class CurvePredictions:
    """Predictions from curves, by index of the query. ``others`` are predicted at the query's fidelity instead of the
    full one.
    """

    estimates: Mapping[int, CurveEstimate]
    others: frozenset[int]
    incumbent: float | None
    maximize: bool
    basis: str
    spread: float | None = None

    def covers(self, count: int) -> bool:
        return len(self.estimates) == count

    def predictions(self, priors: Sequence[Prediction] | None, count: int) -> list[Prediction]:
        """One prediction for each of ``count`` queries, joined with ``priors``, or from the curves alone where that
        is None.
        """
        match = []
        for index in range(count):
            estimate = self.estimates.get(index)
            if estimate is None:
                assert priors is not None
                match.append(priors[index])
            elif index in self.others:
                # No model predicts a shortened training, and no full result compares with it.
                match.append(from_curve_alone(estimate, None, self.maximize))
            elif priors is None:
                match.append(from_curve_alone(estimate, self.incumbent, self.maximize))
            else:
                match.append(joined(priors[index], estimate, self.spread, self.incumbent, self.maximize))
        return match


NO_CURVES = CurvePredictions({}, frozenset(), None, True, "")


@dataclass(frozen=True, eq=False)
class _CachedTaskCurves:
    newest: RecordedCurve | None
    task: Task
    count: int
    own: int
    forecaster: CurveForecaster


class TaskCurves:
    """Forecasters cached by namespace, task, space and fidelity. Thread-safe."""

    def __init__(self, knowledge: KnowledgeService) -> None:
        self._knowledge = knowledge
        self._cache: Lru[tuple[str, str, str, float], _CachedTaskCurves] = Lru(_CACHED_FORECASTERS)

    def predict(
        self,
        namespace: str,
        observations: Observations,
        queries: Sequence[Query],
        level: float,
        incumbent: float | None,
    ) -> CurvePredictions:
        """Predictions from the queries' curves, with intervals of ``level``; a query without a curve gets none.

        Raises InvalidInput for a curve that goes beyond the task's full training.
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
        others: set[int] = set()
        for horizon, indices in _by_horizon(queries, curves, full).items():
            chosen = [curves[index] for index in indices]
            newest = recorded[-1] if recorded else None
            key = (namespace, task.task_id, observations.search_space_id, horizon)
            forecaster = self._forecaster(key, task, newest, recorded, history, own, horizon, horizon >= full)
            forecasts = forecaster.forecast(chosen, level)
            advice = advise(forecasts, incumbent, task.maximize) if horizon >= full else None
            estimates.update(zip(indices, _estimates(forecasts, advice), strict=True))
            if horizon < full:
                others.update(indices)
        basis = _basis(len(curves), own, len(history))
        return CurvePredictions(estimates, frozenset(others), incumbent, task.maximize, basis, _spread(history))

    def _history(
        self, namespace: str, observations: Observations, recorded: Sequence[RecordedCurve]
    ) -> tuple[list[Curve], int]:
        """Full curves, those of the task first, and the number of those."""
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
        full = [
            [_curve(each, _stretch(other.task, task)) for each in predicted if each.final is not None]
            for other, predicted in zip(observed, self._knowledge.curves(namespace, observed), strict=True)
        ]
        full = [each for each in full if each]
        share = (_MOST_CURVES - len(own)) // max(len(full), 1)
        return own + [curve for each in full for curve in each[-share:]], len(own)

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
        learned = history if full else [_until(curve, horizon) for curve in history]
        forecaster = CurveForecaster(learned, task.maximize, horizon)
        self._cache.put(key, _CachedTaskCurves(newest, task, len(history), own, forecaster))
        return forecaster


def _curves_of(
    queries: Sequence[Query], observations: Observations, recorded: Sequence[RecordedCurve]
) -> dict[int, Curve]:
    """Curves by index of the query: its own, or that of a truncated run of its candidate."""
    cut_short = {each.fingerprint: each for each in recorded if each.final is None}
    wanted = {query.canonical.fingerprint for query in queries if not query.learning_curve} & cut_short.keys()
    if wanted:
        finished = observations.names.codes(sorted(wanted))
        finished = finished[np.isin(finished, observations.codes[observations.completed])]
        wanted -= set(observations.names.names(finished.tolist()))
    curves = {}
    for position, query in enumerate(queries):
        if query.learning_curve:
            curves[position] = Curve.of(query.learning_curve)
        elif query.canonical.fingerprint in wanted:
            curves[position] = _curve(cut_short[query.canonical.fingerprint])
    return curves


def _by_horizon(queries: Sequence[Query], curves: Mapping[int, Curve], full: float) -> dict[float, list[int]]:
    """Indices of queries by the fidelity to predict at; a call may have a limited number of fidelities."""
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
    """The curve as if the training had been planned to end at ``horizon``; truncated where it does not reach that."""
    if curve.last < horizon:
        return replace(curve, final=curve.final if curve.final is not None and np.isnan(curve.final) else None)
    return replace(curve, final=float(np.interp(horizon, curve.fidelities, curve.values)))


def _comparable(other: Task, task: Task) -> bool:
    """Whether both tasks have the same metric over the same unit of fidelity."""
    return (other.metric, other.maximize, other.fidelity_unit) == (task.metric, task.maximize, task.fidelity_unit)


def _stretch(other: Task, task: Task) -> float:
    """The factor on fidelities that makes full trainings equally long."""
    return task.max_fidelity / other.max_fidelity if task.max_fidelity and other.max_fidelity else 1.0


def _estimates(forecasts: CurveForecasts, advice: Sequence[StoppingAdvice] | None) -> list[CurveEstimate]:
    """Estimates from forecasts; ``advice`` is None for shortened trainings, which no full one compares with."""
    columns = (forecasts.finals, forecasts.below, forecasts.above, forecasts.lower, forecasts.upper)
    estimates = []
    for row, numbers in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        points = tuple(zip(forecasts.places[row].tolist(), forecasts.paths[row].tolist(), strict=True))
        stopping = StoppingAdvice(False, "told for a shortened training: no advice") if advice is None else advice[row]
        mean, below, above, lower, upper = numbers
        forecast = CurveForecast(points, stopping.stop, stopping.reason)
        estimates.append(CurveEstimate(mean, below, above, lower, upper, forecast))
    return estimates


def _violations(queries: Sequence[Query], max_fidelity: float) -> Iterator[Violation]:
    """Violations for points of curves beyond the full training."""
    for position, query in enumerate(queries):
        for index, (fidelity, _) in enumerate(query.learning_curve):
            if fidelity > max_fidelity:
                field = f"queries[{position}].learning_curve[{index}].fidelity"
                yield Violation(field, f"must not exceed the full training of the task, {max_fidelity:g}")
                break


def _spread(history: Sequence[Curve]) -> float | None:
    """Robust standard deviation of the results of full trainings; None if there are too few."""
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
