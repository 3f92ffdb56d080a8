"""Conversion of estimates (arrays) into predictions (one value for each candidate)."""

from __future__ import annotations

from headstart_server.prediction.task.predictor import Estimates
from headstart_server.prediction.types import MemberPrediction, Prediction


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
            out_of_distribution,
        )
        for row, (mean, deviation, lower, upper, improvement, out_of_distribution) in enumerate(rows)
    ]
