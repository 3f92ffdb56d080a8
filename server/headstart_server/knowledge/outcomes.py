"""Outcomes of experiments, and their validation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, literal, or_

from headstart import values
from headstart.spaces import Candidate, CanonicalCandidate, Violation
from headstart.spaces.validation import text_violations
from headstart_server.knowledge.tables import experiments
from headstart_server.knowledge.tasks import MAX_NAME, Task

MAX_METRICS = 256
MAX_CURVE_POINTS = 10_000
# So that means and spreads of values are finite numbers too.
MAX_VALUE = 1e100


class Status(IntEnum):
    COMPLETED = 1
    FAILED = 2
    STOPPED = 3


@dataclass(frozen=True)
class Outcome:
    """``objective_value`` and curve values are in the task's metric, fidelities in its fidelity unit, cost in
    seconds.
    """

    status: Status
    objective_value: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    fidelity: float | None = None
    cost_seconds: float | None = None
    proxies: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True)
class NewExperiment:
    """A validated result before its insertion."""

    request_id: UUID
    task_id: str
    search_space_id: str
    candidate: Candidate
    canonical: CanonicalCandidate
    outcome: Outcome
    decision_id: UUID | None = None
    worker_id: str = ""

    def content_hash(self) -> bytes:
        """Distinguishes a repeated request from another request with the same id."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> bytes:
        graph = self.candidate.graph
        content = (
            sorted(self.candidate.values.items()),
            None if graph is None else ([(n.op, sorted(n.attributes.items())) for n in graph.nodes], graph.edges),
            self.outcome.status.value,
            self.outcome.objective_value,
            sorted(self.outcome.metrics.items()),
            self.outcome.curve,
            self.outcome.fidelity,
            self.outcome.cost_seconds,
            sorted(self.outcome.proxies.items()),
            self.outcome.seed,
            self.search_space_id,
            self.decision_id,
            self.worker_id,
        )
        return hashlib.sha256(repr(content).encode()).digest()[:16]


def is_full_training(task: Task, fidelity: float | None) -> bool:
    """Whether a value at a fidelity is a final one."""
    return values.is_full_training(fidelity, task.max_fidelity)


def full_trainings(fidelities: NDArray[np.float64], max_fidelity: float) -> NDArray[np.bool_]:
    """The same for many values [n], NaN without a fidelity."""
    return np.asarray(np.isnan(fidelities) | (max_fidelity == 0) | (fidelities >= max_fidelity))


def full_training_clause(
    max_fidelity: float | ColumnElement[float], fidelity: ColumnElement[float | None] = experiments.c.fidelity
) -> ColumnElement[bool]:
    """The same as an SQL clause on ``experiments``; ``max_fidelity`` is a number or the column of tasks."""
    return or_(fidelity.is_(None), literal(0.0) == max_fidelity, fidelity >= max_fidelity)


def outcome_violations(outcome: Outcome, field: str = "outcome") -> Iterator[Violation]:
    """All violations of an outcome."""
    ended_well = outcome.status is Status.COMPLETED
    value = outcome.objective_value
    if ended_well and value is None:
        yield Violation(f"{field}.objective_value", "missing: a COMPLETED outcome has a value")
    elif ended_well and value is not None and not math.isfinite(value):
        yield Violation(f"{field}.objective_value", f"{value} is only allowed where the status is FAILED or STOPPED")
    elif ended_well and value is not None and abs(value) > MAX_VALUE:
        yield Violation(f"{field}.objective_value", f"must lie within {-MAX_VALUE:g} and {MAX_VALUE:g}, got {value:g}")
    for name, numbers in (("metrics", outcome.metrics), ("proxies", outcome.proxies)):
        if len(numbers) > MAX_METRICS:
            yield Violation(f"{field}.{name}", f"at most {MAX_METRICS} entries, got {len(numbers)}")
        for key, number in numbers.items():
            yield from text_violations(key, f"{field}.{name}[{key[:63]}]", MAX_NAME, minimum=1)
            if not math.isfinite(number):
                yield Violation(f"{field}.{name}[{key[:63]}]", "must be finite; leave out what is missing")
    for name, amount in (("fidelity", outcome.fidelity), ("cost_seconds", outcome.cost_seconds)):
        if amount is not None and not (math.isfinite(amount) and amount >= 0):
            yield Violation(f"{field}.{name}", f"must be finite and not negative, got {amount}")
    yield from curve_violations(outcome.curve, f"{field}.learning_curve", finite=ended_well)


def curve_violations(
    curve: tuple[tuple[float, float], ...], field: str = "learning_curve", finite: bool = True
) -> Iterator[Violation]:
    """All violations of a learning curve; ``finite`` forbids NaN and infinite values."""
    if len(curve) > MAX_CURVE_POINTS:
        yield Violation(field, f"at most {MAX_CURVE_POINTS} points, got {len(curve)}")
        return
    previous = -math.inf
    for index, (fidelity, value) in enumerate(curve):
        if not (math.isfinite(fidelity) and fidelity >= 0):
            yield Violation(f"{field}[{index}].fidelity", f"must be finite and not negative, got {fidelity}")
        elif fidelity <= previous:
            yield Violation(f"{field}[{index}].fidelity", f"must increase, got {fidelity} after {previous}")
        previous = fidelity
        if finite and not math.isfinite(value):
            yield Violation(f"{field}[{index}].value", f"{value} is only allowed where the status is FAILED or STOPPED")
        elif finite and abs(value) > MAX_VALUE:
            limits = f"{-MAX_VALUE:g} and {MAX_VALUE:g}"
            yield Violation(f"{field}[{index}].value", f"must lie within {limits}, got {value:g}")
