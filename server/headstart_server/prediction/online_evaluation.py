"""Online evaluation of predictions, as metrics: each prediction is compared with the first result that follows it.

A process knows its own predictions and the results recorded through it, so each of several replicas evaluates a
sample. No prediction depends on it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from headstart.values import is_full_training
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.outcomes import NewExperiment, Status
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.types import Answer, Prediction, Query
from headstart_server.runtime.observability import metrics

# About 10 MB. A search may ask for some hundred predictions before it tries the best of them.
_MOST_PREDICTIONS = 32_768
_MOST_TASKS = 1024

K = TypeVar("K")
V = TypeVar("V")


class LatestValues(Generic[K, V]):
    """The ``most`` latest values by key; the one written longest ago is dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def put(self, key: K, value: V) -> V | None:
        """Store a value, and return the value before."""
        before = self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]
        return before

    def get(self, key: K) -> V | None:
        return self._entries.get(key)


def full_result(task: Task, record: NewExperiment) -> float | None:
    """The value of a full training of the task; None for a shortened or failed one."""
    outcome = record.outcome
    value = outcome.objective_value
    if outcome.status is not Status.COMPLETED or value is None or not math.isfinite(value):
        return None
    return value if is_full_training(outcome.fidelity, task.max_fidelity) else None


@dataclass(frozen=True)
class _AwaitedResult:
    """A prediction whose result is not recorded yet."""

    task: Task
    prediction: Prediction
    level: float
    basis: str


class OnlineEvaluation:
    """Compares predictions with the results that follow. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By namespace, task, space and fingerprint. None: the result is known, so later predictions do not count.
        self._awaited: LatestValues[tuple[str, str, str, str], _AwaitedResult | None] = LatestValues(_MOST_PREDICTIONS)
        # The last predicted result and its prediction, by namespace, task, space and basis.
        self._last: LatestValues[tuple[str, str, str, str], tuple[float, float]] = LatestValues(_MOST_TASKS)

    def remember(
        self, namespace: str, observations: Observations, queries: Sequence[Query], answer: Answer, level: float
    ) -> None:
        """Remember predictions of full trainings that have no result yet; a candidate's newest prediction counts."""
        task, space = observations.task, observations.search_space_id
        with self._lock:
            for query, prediction in zip(queries, answer.predictions, strict=True):
                key = (namespace, task.task_id, space, query.canonical.fingerprint)
                known = key in self._awaited and self._awaited.get(key) is None
                if not (known or query.learning_curve or query.fidelity is not None):
                    self._awaited.put(key, _AwaitedResult(task, prediction, level, answer.basis_of(prediction)))

    def settle(self, namespace: str, records: Iterable[NewExperiment]) -> None:
        """Compare newly recorded results with their predictions."""
        for record in records:
            candidate = (namespace, record.task_id, record.search_space_id)
            with self._lock:
                made = self._awaited.put((*candidate, record.canonical.fingerprint), None)
                value = None if made is None else full_result(made.task, record)
                if made is None or value is None:
                    continue
                pair = (made.prediction.mean, value)
                before = self._last.put((*candidate, made.basis), pair)
            _count(made, value)
            if before is not None:
                _count_pair(made.basis, before, pair)


def _count(made: _AwaitedResult, value: float) -> None:
    prediction = made.prediction
    metrics.PREDICTED_RESULTS.labels(made.basis).inc()
    metrics.RESULTS_PROMISED.labels(made.basis).inc(made.level)
    metrics.RESULTS_INSIDE.labels(made.basis).inc(prediction.lower <= value <= prediction.upper)
    if prediction.standard_deviation > 0:
        error = abs(value - prediction.mean) / prediction.standard_deviation
        metrics.PREDICTION_ERROR.labels(made.basis).observe(error)


def _count_pair(basis: str, before: tuple[float, float], now: tuple[float, float]) -> None:
    """Count a pair as ranked right or wrong; ties do not count."""
    agreement = (now[0] - before[0]) * (now[1] - before[1])
    if agreement:
        metrics.PREDICTED_PAIRS.labels(basis, "right").inc(agreement > 0)
        metrics.PREDICTED_PAIRS.labels(basis, "wrong").inc(agreement < 0)
