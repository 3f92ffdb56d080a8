"""Makes an outcome recordable: what the service would refuse is left out and noted.

The rules are those of the service, applied before anything is sent, so that one odd number loses neither the result nor
what comes after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from headstart.accepting import pairs_of
from headstart.text import is_unicode
from headstart.values import CurvePoint, ExperimentStatus, Outcome

MAX_NUMBERS = 256
MAX_CURVE_POINTS = 10_000
MAX_VALUE = 1e100
MAX_NAME = 255


def recordable(outcome: Outcome) -> tuple[Outcome, tuple[str, ...]]:
    """The outcome as it can be recorded, and a description of what was left out. A completed one without a value has
    failed.
    """
    notes: list[str] = []
    value = None if outcome.objective_value is None else float(outcome.objective_value)
    status = outcome.status
    if status is ExperimentStatus.COMPLETED and (value is None or not abs(value) <= MAX_VALUE):
        status = ExperimentStatus.FAILED
        notes.append(f"completed with the value {value}, which must be a finite number: it counts as failed")
    completed = status is ExperimentStatus.COMPLETED
    return (
        replace(
            outcome,
            status=status,
            objective_value=value,
            metrics=_numbers(outcome.metrics, "metric", notes),
            learning_curve=_curve(outcome.learning_curve, completed, notes),
            fidelity=_amount(outcome.fidelity, "fidelity", notes),
            cost_seconds=_amount(outcome.cost_seconds, "cost", notes),
            proxies=_numbers(outcome.proxies, "proxy", notes),
            seed=_seed(outcome.seed, notes),
        ),
        tuple(notes),
    )


def _numbers(numbers: Mapping[str, float], kind: str, notes: list[str]) -> dict[str, float]:
    finite = {}
    for name, number in numbers.items():
        if not math.isfinite(number):
            notes.append(f"{kind} {name!r} is {number}: left out")
        elif not 0 < len(name) <= MAX_NAME or "\0" in name or not is_unicode(name):
            notes.append(f"{kind} {name[:40]!r} has no name of 1 to {MAX_NAME} characters of Unicode: left out")
        else:
            finite[name] = float(number)
    if len(finite) > MAX_NUMBERS:
        notes.append(f"{len(finite)} numbers of kind {kind}: only the first {MAX_NUMBERS} by name are kept")
        finite = dict(sorted(finite.items())[:MAX_NUMBERS])
    return finite


def _curve(points: Iterable[CurvePoint], completed: bool, notes: list[str]) -> tuple[CurvePoint, ...]:
    given = [CurvePoint(*point) for point in pairs_of(points, "learning_curve")]
    finite = {
        float(point.fidelity): CurvePoint(float(point.fidelity), float(point.value))
        for point in given
        if math.isfinite(point.fidelity) and point.fidelity >= 0 and (not completed or abs(point.value) <= MAX_VALUE)
    }
    if len(finite) < len(given):
        notes.append(f"{len(given) - len(finite)} points of the learning curve are no numbers or repeated: left out")
    curve = tuple(finite[fidelity] for fidelity in sorted(finite))
    if len(curve) <= MAX_CURVE_POINTS:
        return curve
    notes.append(f"the learning curve has {len(curve)} points: {MAX_CURVE_POINTS} of them are kept, evenly spread")
    last = len(curve) - 1
    return tuple(curve[round(index * last / (MAX_CURVE_POINTS - 1))] for index in range(MAX_CURVE_POINTS))


def _amount(amount: float | None, kind: str, notes: list[str]) -> float | None:
    if amount is None or (math.isfinite(amount) and amount >= 0):
        return None if amount is None else float(amount)
    notes.append(f"{kind} is {amount}: left out")
    return None


def _seed(seed: int | None, notes: list[str]) -> int | None:
    if seed is None or -(2**63) <= seed < 2**63:
        return seed
    notes.append("the seed has more than 64 bits: left out")
    return None
