"""Predictions of candidates, and the models behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from headstart.spaces.declaration import Candidate
from headstart.values.experiments import CurvePoint


class StopAdvice(Enum):
    CONTINUE = 1
    STOP = 2


@dataclass(frozen=True)
class Interval:
    """``level`` is the share of true values that the interval should cover."""

    lower: float
    upper: float
    level: float


@dataclass(frozen=True)
class Estimate:
    """A value with its uncertainty, in the unit of the task's objective."""

    mean: float
    standard_deviation: float
    interval: Interval


@dataclass(frozen=True)
class Query:
    """One query of ``Client.predict``: a candidate and what is known about it."""

    candidate: Candidate
    learning_curve: tuple[CurvePoint, ...] = ()
    proxies: Mapping[str, float] = field(default_factory=dict)
    fidelity: float | None = None


@dataclass(frozen=True)
class MemberPrediction:
    """The prediction of one member of the ensemble; the weights of the members sum to 1."""

    member: str
    mean: float
    standard_deviation: float
    weight: float


@dataclass(frozen=True)
class CurveForecast:
    curve: tuple[CurvePoint, ...]
    advice: StopAdvice
    reason: str = ""


@dataclass(frozen=True)
class Prediction:
    """``probability_of_improvement`` is None while the task has no incumbent."""

    estimate: Estimate
    probability_of_improvement: float | None = None
    members: tuple[MemberPrediction, ...] = ()
    out_of_distribution: bool = False
    curve_forecast: CurveForecast | None = None


@dataclass(frozen=True)
class Predictions:
    """The answer of ``Client.predict``, in the order of the queries; ``basis`` describes its evidence for people."""

    predictions: tuple[Prediction, ...]
    model_version: str = ""
    basis: str = ""
    degraded: bool = False


@dataclass(frozen=True)
class ValidationFigures:
    """Figures on experiments that the training did not see; coverage is of the 90 % intervals, None without any.

    ``calibration`` is the measured coverage of intervals by their level.
    """

    task_id: str
    held_out_count: int
    kendall_tau: float
    interval_coverage: float | None = None
    calibration: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictor:
    """The serving model of a search space; ``device`` is where it runs, as far as the server knows."""

    model_version: str
    kind: str
    training_size: int
    parameter_count: int
    training_seconds: float
    create_time: datetime | None = None
    validation: tuple[ValidationFigures, ...] = ()
    device: str = ""
