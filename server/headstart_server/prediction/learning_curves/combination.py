"""Combination of a prediction with the forecast from the candidate's own curve, weighted by precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr

from headstart_server.prediction.types import LEARNING_CURVE, CurveForecast, MemberPrediction, Prediction

_TAIL_FREEDOM = 4.0


@dataclass(frozen=True)
class CurveEstimate:
    """The final result as forecast from a curve, in the task's unit; ``below`` and ``above`` are its deviations."""

    mean: float
    below: float
    above: float
    lower: float
    upper: float
    forecast: CurveForecast | None

    @property
    def deviation(self) -> float:
        """The root mean square of both deviations."""
        return math.hypot(self.below, self.above) / math.sqrt(2)


def from_curve_alone(estimate: CurveEstimate, incumbent: float | None, maximize: bool) -> Prediction:
    """The prediction of a candidate from its curve alone."""
    return Prediction(
        estimate.mean,
        estimate.deviation,
        estimate.lower,
        estimate.upper,
        _improvement(estimate.mean, estimate.below, estimate.above, incumbent, maximize),
        (MemberPrediction(LEARNING_CURVE, estimate.mean, estimate.deviation, 1.0),),
        False,
        estimate.forecast,
    )


def combined(
    prior: Prediction, estimate: CurveEstimate, spread: float | None, incumbent: float | None, maximize: bool
) -> Prediction:
    """The mean of prediction and forecast, weighted by precision (inverse squared deviations).

    ``spread`` is the standard deviation of the results that the forecast was fitted to. The prediction counts only with
    the precision that it adds to that spread, so that results behind both do not count twice. The deviation includes
    the disagreement of the two, as that of a mixture does.
    """
    deviation = max(estimate.deviation, 1e-12)
    # The narrower side counts, because a chance to diverge on the other side does not make the middle less certain.
    narrow = max(min(estimate.below, estimate.above), 1e-12)
    # The precision of the prediction relative to that of the forecast.
    relative_precision = _square(narrow / max(prior.standard_deviation, 1e-12))
    if spread is not None:
        relative_precision = max(relative_precision - _square(narrow / max(spread, 1e-12)), 0.0)
    # A run far from its prediction lowers the weight of the prediction, as under a Student's t.
    gap = estimate.mean - prior.mean
    surprise = _square(gap / max(prior.standard_deviation, 1e-12))
    relative_precision *= min((_TAIL_FREEDOM + 1) / (_TAIL_FREEDOM + surprise), 1.0)
    share = 1 / (1 + relative_precision)
    mean = prior.mean + share * gap
    combined_deviation = math.hypot(math.sqrt(share) * deviation, math.sqrt(share * (1 - share)) * gap)
    change = combined_deviation / deviation
    members = [member._replace(weight=member.weight * (1 - share)) for member in prior.members]
    members.append(MemberPrediction(LEARNING_CURVE, estimate.mean, estimate.deviation, share))
    return Prediction(
        mean,
        combined_deviation,
        mean - change * (estimate.mean - estimate.lower),
        mean + change * (estimate.upper - estimate.mean),
        _improvement(mean, change * estimate.below, change * estimate.above, incumbent, maximize),
        tuple(members),
        prior.out_of_distribution,
        estimate.forecast,
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
