"""The range of a metric, inferred from its name and its results.

A share, such as an accuracy, lies in 0 to 1, or in 0 to 100 where results are percentages; an error is not negative.
A name counts only while no result contradicts it; any other metric may be any number. Means and intervals are clipped
to the range. Intervals lose no coverage by that, because no result lies outside the range.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from headstart_server.prediction.types import CurveForecast, Prediction

_SHARES = frozenset(
    {
        *("accuracy", "acc", "top1", "top5", "precision", "recall", "sensitivity", "specificity", "auc", "auroc"),
        *("auprc", "rocauc", "f1", "dice", "iou", "miou", "jaccard"),
    }
)
_NOT_NEGATIVE = frozenset({"error", "errors", "mse", "rmse", "mae", "mape", "perplexity", "wer", "latency", "logloss"})


@dataclass(frozen=True)
class MetricRange:
    """The ends of a metric's range; infinite where there is none."""

    lower: float = -math.inf
    upper: float = math.inf

    def clip(self, value: float) -> float:
        """The nearest value within the range."""
        return min(max(value, self.lower), self.upper)

    def clip_prediction(self, prediction: Prediction) -> Prediction:
        """The prediction with its means, interval and forecast clipped to the range."""
        forecast = prediction.forecast
        if forecast is not None:
            points = tuple((fidelity, self.clip(value)) for fidelity, value in forecast.curve)
            forecast = CurveForecast(points, forecast.stop, forecast.reason)
        return replace(
            prediction,
            mean=self.clip(prediction.mean),
            lower=self.clip(prediction.lower),
            upper=self.clip(prediction.upper),
            members=tuple(member._replace(mean=self.clip(member.mean)) for member in prediction.members),
            forecast=forecast,
        )


ANY = MetricRange()


def range_of(metric: str, values: ArrayLike) -> MetricRange:
    """The range of a metric by its name and all known values; values that are not finite do not count."""
    words = re.findall(r"[a-z]+\d*", metric.lower())
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not len(known) or known.min() < 0:
        return ANY
    if _SHARES & {*words, "".join(words[-2:])}:
        upper = next((end for end in (1.0, 100.0) if known.max() <= end), math.inf)
        return MetricRange(0.0, upper)
    return MetricRange(0.0, math.inf) if _NOT_NEGATIVE & set(words) else ANY
