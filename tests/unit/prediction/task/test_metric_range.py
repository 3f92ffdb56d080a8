"""What a metric can be, told from its name and its results; and predictions that stay within."""

from __future__ import annotations

import math

import pytest

from headstart_server.prediction.learning_curves.combination import CurveEstimate, combined
from headstart_server.prediction.task.metric_range import ANY, MetricRange, range_of
from headstart_server.prediction.types import CurveForecast, MemberPrediction, Prediction


@pytest.mark.parametrize(
    ("metric", "values", "wanted"),
    [
        ("accuracy", [0.1, 0.9], MetricRange(0.0, 1.0)),
        ("val_acc", [0.5], MetricRange(0.0, 1.0)),
        ("valid/top1", [71.5, 20.0], MetricRange(0.0, 100.0)),
        ("ROC AUC", [0.5, math.nan], MetricRange(0.0, 1.0)),
        ("accuracy", [-0.2, 0.5], ANY),
        ("accuracy", [], ANY),
        ("accuracy", [250.0], MetricRange(0.0, math.inf)),
        ("rmse", [3.0], MetricRange(0.0, math.inf)),
        ("test_error", [0.03], MetricRange(0.0, math.inf)),
        ("loss", [0.3], ANY),
        ("reward", [1.0], ANY),
        ("accumulated_reward", [0.5], ANY),
    ],
)
def test_range_follows_name_and_results(metric: str, values: list[float], wanted: MetricRange) -> None:
    assert range_of(metric, values) == wanted


def test_prediction_promises_nothing_impossible() -> None:
    forecast = CurveForecast(((5.0, 0.9), (10.0, 1.2)), False, "")
    member = MemberPrediction("graph_network", 1.02, 0.1, 1.0)
    told = MetricRange(0.0, 1.0).clip_prediction(Prediction(1.01, 0.2, -1.176, 2.436, 0.5, (member,), False, forecast))
    assert (told.mean, told.lower, told.upper) == (1.0, 0.0, 1.0)
    assert told.members[0].mean == 1.0
    assert told.forecast is not None
    assert told.forecast.curve == ((5.0, 0.9), (10.0, 1.0))
    assert told.standard_deviation == 0.2


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1.0, 1e150, 1e200, 1e300])
def test_prediction_and_forecast_join_whatever_their_size(size: float) -> None:
    prior = Prediction(size, 0.1 * size, 0.8 * size, 1.2 * size, 0.5, (), False)
    curve = CurveEstimate(1.1 * size, 0.05 * size, 0.05 * size, size, 1.2 * size, None)
    told = combined(prior, curve, 0.5 * size, size, True)
    assert all(math.isfinite(each) for each in (told.mean, told.standard_deviation, told.lower, told.upper))
    assert size <= told.mean <= 1.1 * size
