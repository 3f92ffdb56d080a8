"""Queries and answers of the prediction domain: plain values for the API layer and for other domains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from headstart.spaces import Candidate, CanonicalCandidate
from headstart_server.prediction.learners.members.nearest import K_NEAREST
from headstart_server.prediction.learners.members.processes import GAUSSIAN_PROCESS

# The name of the member that continues a candidate's learning curve.
LEARNING_CURVE = "learning_curve"


@dataclass(frozen=True)
class Query:
    """A candidate to predict, with the client's measurements of it.

    ``learning_curve`` has points (fidelity, value) in the task's units. ``fidelity`` is the one to predict for; None
    means a full training.
    """

    candidate: Candidate
    canonical: CanonicalCandidate
    learning_curve: tuple[tuple[float, float], ...] = ()
    proxies: Mapping[str, float] = field(default_factory=dict)
    fidelity: float | None = None


class MemberPrediction(NamedTuple):
    """The prediction of one member of the ensemble, in the task's unit, and its weight, 0 to 1."""

    member: str
    mean: float
    standard_deviation: float
    weight: float


@dataclass(frozen=True)
class CurveForecast:
    """Expected points (fidelity, value) of a learning curve, and whether to stop the run."""

    curve: tuple[tuple[float, float], ...]
    stop: bool
    reason: str


@dataclass(frozen=True)
class Prediction:
    """A predicted result, in the task's unit; ``probability_of_improvement`` is None if the task has no incumbent."""

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
    """Predictions in the order of the queries; ``model_version`` is empty if no model took part."""

    predictions: list[Prediction]
    model_version: str
    basis: str
    degraded: bool

    def basis_of(self, prediction: Prediction) -> str:
        """The basis of one prediction, for metrics: one of ``BASES``."""
        members = {member.member for member in prediction.members}
        if members == {LEARNING_CURVE}:
            return LEARNING_CURVE
        if self.model_version:
            return "model"
        return GAUSSIAN_PROCESS if GAUSSIAN_PROCESS in members else K_NEAREST


# The bases: a trained model; the task's own results; nearest neighbours in other tasks; the candidate's curve alone.
BASES = ("model", GAUSSIAN_PROCESS, K_NEAREST, LEARNING_CURVE)


def unused_inputs(queries: Sequence[Query], at_fidelity: Collection[int]) -> str:
    """The inputs of the queries that the predictions do not use, as a sentence after the basis.

    ``at_fidelity`` are the indices of the queries that are predicted at their own fidelity.
    """
    if any(query.fidelity is not None and index not in at_fidelity for index, query in enumerate(queries)):
        return (
            "; predicted for a full training: other fidelities are predicted only for candidates with a learning curve"
        )
    return ""
