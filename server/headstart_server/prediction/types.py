"""Queries and answers of the prediction domain: plain values for the API layer and for other domains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.prediction.task.predictor import GAUSSIAN_PROCESS, K_NEAREST, Estimates

# The member of predictions that a candidate's learning curve makes.
LEARNING_CURVE = "learning_curve"


@dataclass(frozen=True)
class Query:
    """``learning_curve`` is (fidelity, value) in the task's units; ``fidelity`` None is a full training."""

    candidate: Candidate
    canonical: CanonicalCandidate
    learning_curve: tuple[tuple[float, float], ...] = ()
    proxies: Mapping[str, float] = field(default_factory=dict)
    fidelity: float | None = None


class MemberPrediction(NamedTuple):
    member: str
    mean: float
    standard_deviation: float
    weight: float


@dataclass(frozen=True)
class CurveForecast:
    """Points (fidelity, value) that are expected, and whether to stop."""

    curve: tuple[tuple[float, float], ...]
    stop: bool
    reason: str


@dataclass(frozen=True)
class Prediction:
    """In the task's unit; ``probability_of_improvement`` is None while the task has no incumbent."""

    mean: float
    standard_deviation: float
    lower: float
    upper: float
    probability_of_improvement: float | None
    members: tuple[MemberPrediction, ...]
    out_of_distribution: bool
    forecast: CurveForecast | None = None


@dataclass(frozen=True)
class Answer:
    """Predictions in the order of the queries; ``model_version`` is empty where no model took part."""

    predictions: list[Prediction]
    model_version: str
    basis: str
    degraded: bool

    def basis_of(self, prediction: Prediction) -> str:
        """What one of the predictions rests on, for metrics: one of ``BASES``."""
        members = {member.member for member in prediction.members}
        if members == {LEARNING_CURVE}:
            return LEARNING_CURVE
        if self.model_version:
            return "model"
        return GAUSSIAN_PROCESS if GAUSSIAN_PROCESS in members else K_NEAREST


# A trained model; the task's own results; the nearest of what other tasks recorded; the candidate's curve alone.
BASES = ("model", GAUSSIAN_PROCESS, K_NEAREST, LEARNING_CURVE)


def left_aside(queries: Sequence[Query], told: Collection[int]) -> str:
    """What the queries brought that the predictions do not use, in words to follow the basis.

    ``told`` are the places of queries that were answered for the fidelity they asked for.
    """
    if any(query.fidelity is not None and place not in told for place, query in enumerate(queries)):
        return "; predicted for a full training: other fidelities are told only of candidates with a learning curve"
    return ""


def predictions_of(estimates: Estimates) -> list[Prediction]:
    """One prediction for each row of arrays."""
    members = [
        (each.member, each.means.tolist(), each.deviations.tolist(), each.weights.tolist())
        for each in estimates.members
    ]
    rows = zip(
        estimates.means.tolist(),
        estimates.deviations.tolist(),
        estimates.lower.tolist(),
        estimates.upper.tolist(),
        [None] * len(estimates.means) if estimates.improvement is None else estimates.improvement.tolist(),
        estimates.out_of_distribution.tolist(),
        strict=True,
    )
    return [
        Prediction(
            mean,
            deviation,
            lower,
            upper,
            improvement,
            tuple(
                MemberPrediction(name, means[row], deviations[row], weights[row])
                for name, means, deviations, weights in members
                if weights[row] > 0.0
            ),
            strange,
        )
        for row, (mean, deviation, lower, upper, improvement, strange) in enumerate(rows)
    ]
