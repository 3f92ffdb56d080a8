"""What the service says, as the client reads it."""

from __future__ import annotations

import math

from headstart.codec import answers as codec_answers
from headstart.values import (
    CurveForecast,
    CurvePoint,
    Estimate,
    Interval,
    MemberPrediction,
    Prediction,
    Predictions,
    StopAdvice,
)
from headstart_server.api import encode
from headstart_server.prediction import types


def test_the_client_reads_the_predictions_that_were_made() -> None:
    bare = types.Prediction(0.0, 0.1, -0.2, 0.2, None, (), False)
    members = (
        types.MemberPrediction("graph_network", 0.5, 0.2, 0.75),
        types.MemberPrediction("k_nearest", 0.4, 0.3, 0.25),
    )
    forecasts = [types.CurveForecast(((1.0, 0.5), (2.0, 0.7)), stop, "flat") for stop in (True, False)]
    full = [types.Prediction(0.5, 0.1, 0.3, 0.7, 0.0, members, True, forecast) for forecast in forecasts]
    message = encode.predictions(types.Answer([bare, *full], "default/s/3", "basis", True), 0.8)
    told = (MemberPrediction("graph_network", 0.5, 0.2, 0.75), MemberPrediction("k_nearest", 0.4, 0.3, 0.25))
    curve = (CurvePoint(1.0, 0.5), CurvePoint(2.0, 0.7))
    assert codec_answers.predictions_from_proto(message) == Predictions(
        (
            Prediction(Estimate(0.0, 0.1, Interval(-0.2, 0.2, 0.8))),
            *(
                Prediction(
                    Estimate(0.5, 0.1, Interval(0.3, 0.7, 0.8)), 0.0, told, True, CurveForecast(curve, advice, "flat")
                )
                for advice in (StopAdvice.STOP, StopAdvice.CONTINUE)
            ),
        ),
        "default/s/3",
        "basis",
        True,
    )


def test_bounds_may_be_infinite() -> None:
    prediction = types.Prediction(0.0, 1.0, -math.inf, math.inf, 0.5, (), False)
    message = encode.predictions(types.Answer([prediction], "", "basis", False), 0.9)
    assert codec_answers.predictions_from_proto(message).predictions[0].estimate.interval.lower == -math.inf
