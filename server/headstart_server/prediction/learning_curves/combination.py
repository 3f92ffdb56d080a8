"""A prediction and a forecast from the candidate's own curve become one: each counts by its own error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr

from headstart_server.prediction.types import LEARNING_CURVE, CurveForecast, MemberPrediction, Prediction

_TAIL_FREEDOM = 4.0


@dataclass(frozen=True)
class CurveEstimate:
    """The final result predicted from a curve, in the task's unit; ``below`` and ``above`` are deviations to either
    side.
    """

    mean: float
    below: float
    above: float
    lower: float
    upper: float
    forecast: CurveForecast | None

    @property
    def deviation(self) -> float:
        return math.hypot(self.below, self.above) / math.sqrt(2)


def from_curve_alone(predicted: CurveEstimate, incumbent: float | None, maximize: bool) -> Prediction:
    """The prediction of a candidate about which only its curve is known."""
    return Prediction(
        predicted.mean,
        predicted.deviation,
        predicted.lower,
        predicted.upper,
        _improvement(predicted.mean, predicted.below, predicted.above, incumbent, maximize),
        (MemberPrediction(LEARNING_CURVE, predicted.mean, predicted.deviation, 1.0),),
        False,
        predicted.forecast,
    )


def joined(
    prior: Prediction, predicted: CurveEstimate, spread: float | None, incumbent: float | None, maximize: bool
) -> Prediction:
    """The prediction and the forecast, weighted by precision (inverse squared deviations, estimated on held-out
    results).

    ``spread`` is the standard deviation of the results that the forecast was fitted to. The prediction counts only by
    the precision that it adds to that spread, so that results behind both do not count twice. Where the two disagree,
    the deviation grows by the variance between them, as that of a mixture does.
    """
    deviation = max(predicted.deviation, 1e-12)
    # The narrower side counts: a chance to diverge on the other side does not make the middle less certain.
    narrow = max(min(predicted.below, predicted.above), 1e-12)
    # The precision of the prediction relative to the forecast.
    of_prior = _square(narrow / max(prior.standard_deviation, 1e-12))
    if spread is not None:
        of_prior = max(of_prior - _square(narrow / max(spread, 1e-12)), 0.0)
    # A run far from its prediction lowers the weight of the prediction, by Student's t.
    apart = predicted.mean - prior.mean
    surprise = _square(apart / max(prior.standard_deviation, 1e-12))
    of_prior *= min((_TAIL_FREEDOM + 1) / (_TAIL_FREEDOM + surprise), 1.0)
    share = 1 / (1 + of_prior)
    mean = prior.mean + share * apart
    joined_deviation = math.hypot(math.sqrt(share) * deviation, math.sqrt(share * (1 - share)) * apart)
    change = joined_deviation / deviation
    members = [member._replace(weight=member.weight * (1 - share)) for member in prior.members]
    members.append(MemberPrediction(LEARNING_CURVE, predicted.mean, predicted.deviation, share))
    return Prediction(
        mean,
        joined_deviation,
        mean - change * (predicted.mean - predicted.lower),
        mean + change * (predicted.upper - predicted.mean),
        _improvement(mean, change * predicted.below, change * predicted.above, incumbent, maximize),
        tuple(members),
        prior.out_of_distribution,
        predicted.forecast,
    )


def _square(ratio: float) -> float:
    """The square of a ratio, finite also for very large and very small numbers."""
    return min(abs(ratio), 1e100) ** 2


def _improvement(mean: float, below: float, above: float, incumbent: float | None, maximize: bool) -> float | None:
    if incumbent is None:
        return None
    gap = mean - incumbent if maximize else incumbent - mean
    side = below if (gap > 0) == maximize else above
    return float(stdtr(_TAIL_FREEDOM, gap / max(side, 1e-12)))
