"""Forecasts of learning curves: accuracy, symmetry between directions, and coverage of the intervals."""

from __future__ import annotations

import time

import numpy as np
import pytest

from headstart_server.prediction.learning_curves.curve import Curve
from headstart_server.prediction.learning_curves.early_stopping import LEAST_CHANCE, advise
from headstart_server.prediction.learning_curves.forecast import LAST_VALUE, CurveForecaster, least_error_weights
from headstart_server.prediction.learning_curves.history_models import SIMILAR_CURVES
from headstart_server.prediction.learning_curves.parametric import MMF4, POW4, extrapolate
from tests.unit.prediction.curve_toys import EPOCHS, cut, full, toy_losses


def forecaster(losses: np.ndarray, maximize: bool = False) -> CurveForecaster:
    return CurveForecaster([full(values) for values in losses], maximize, 40.0)


def test_forecast_is_nearer_than_the_last_value() -> None:
    unseen = toy_losses(200, seed=1)
    forecasts = forecaster(toy_losses(100)).forecast([cut(values, 6) for values in unseen])
    error = np.abs(forecasts.finals - unseen[:, -1])
    still = np.abs(unseen[:, 5] - unseen[:, -1])
    assert error.mean() < 0.4 * still.mean()
    assert np.median(error) < 0.4 * np.median(still)


def test_rising_metric_is_the_mirror_of_a_falling_one() -> None:
    known, unseen = toy_losses(60, diverging=0.2), toy_losses(20, seed=1, diverging=0.2)
    falling = forecaster(known).forecast([cut(values, 12) for values in unseen])
    rising = forecaster(-known, maximize=True).forecast([cut(-values, 12) for values in unseen])
    np.testing.assert_allclose(rising.finals, -falling.finals)
    np.testing.assert_allclose(rising.lower, -falling.upper)
    np.testing.assert_allclose(rising.above, falling.below)
    np.testing.assert_allclose(rising.values, -falling.values)
    np.testing.assert_allclose(rising.beats(-1.5, maximize=True), falling.beats(1.5, maximize=False))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_cover_what_they_say(level: float) -> None:
    covered = []
    for seed in range(4):
        unseen = toy_losses(150, seed=100 + seed)
        forecasts = forecaster(toy_losses(100, seed)).forecast([cut(values, 8) for values in unseen], level)
        covered.append(np.mean((unseen[:, -1] >= forecasts.lower) & (unseen[:, -1] <= forecasts.upper)))
    assert abs(float(np.mean(covered)) - level) < 0.05


def test_runs_that_diverge_are_told_from_those_that_do_not() -> None:
    unseen = toy_losses(200, seed=1, diverging=0.3)
    forecasts = forecaster(toy_losses(150, diverging=0.3)).forecast([cut(values, 14) for values in unseen])
    bad = unseen[:, -1] > 6.0
    assert forecasts.diverges is not None
    assert forecasts.diverges[bad].min() > forecasts.diverges[~bad].max()


def test_failed_runs_of_the_history_are_divergence_whatever_their_values() -> None:
    known = toy_losses(100, diverging=0.3)
    curves = []
    for values in known:
        if values[-1] > 6.0:
            broken = np.where(EPOCHS > 30, np.nan, values)
            curves.append(Curve(EPOCHS, broken, float("nan")))
        else:
            curves.append(full(values))
    unseen = toy_losses(100, seed=1, diverging=0.3)
    forecasts = CurveForecaster(curves, False, 40.0).forecast([cut(values, 14) for values in unseen])
    bad = unseen[:, -1] > 6.0
    assert np.isfinite(forecasts.finals).all()
    assert forecasts.diverges is not None
    assert forecasts.diverges[bad].mean() > 0.8
    assert forecasts.diverges[~bad].mean() < 0.2


def test_a_history_on_another_grid_is_as_good() -> None:
    known, unseen = toy_losses(100), toy_losses(100, seed=1)
    sparse = [Curve(EPOCHS[1::3], values[1::3], float(values[-1])) for values in known]
    forecasts = CurveForecaster(sparse, False, 40.0).forecast([cut(values, 10) for values in unseen])
    still = np.abs(unseen[:, 9] - unseen[:, -1]).mean()
    assert np.abs(forecasts.finals - unseen[:, -1]).mean() < 0.5 * still


def test_runs_cut_short_are_no_finals() -> None:
    known = toy_losses(60)
    early = [cut(values, 5) for values in toy_losses(60, seed=5)]
    unseen = [cut(values, 8) for values in toy_losses(10, seed=1)]
    forecasts = CurveForecaster([full(values) for values in known] + early, False, 40.0).forecast(unseen)
    np.testing.assert_array_equal(forecasts.finals, forecaster(known).forecast(unseen).finals)
    assert forecasts.history == 60


def test_without_history_the_interval_is_wide_and_nothing_is_stopped() -> None:
    unseen = toy_losses(100, seed=1)
    forecasts = CurveForecaster([], False, 40.0).forecast([cut(values, 8) for values in unseen])
    assert forecasts.history == 0
    assert forecasts.diverges is None
    assert np.mean((unseen[:, -1] >= forecasts.lower) & (unseen[:, -1] <= forecasts.upper)) > 0.9
    np.testing.assert_allclose(forecasts.weights.sum(axis=0), 1.0)
    assert not any(advice.stop for advice in advise(forecasts, -100.0, False))


def test_one_point_is_a_curve_too_and_no_point_is_none() -> None:
    known = forecaster(toy_losses(50))
    forecasts = known.forecast([cut(values, 1) for values in toy_losses(5, seed=1)])
    assert np.isfinite(forecasts.finals).all()
    with pytest.raises(ValueError, match="without points"):
        known.forecast([Curve.of([])])


def test_many_different_lengths_share_models_and_agree_with_their_own() -> None:
    known, unseen = forecaster(toy_losses(60)), toy_losses(35, seed=1)
    curves = [cut(values, 4 + row) for row, values in enumerate(unseen)]
    together = known.forecast(curves).finals
    alone = np.array([known.forecast([curve]).finals[0] for curve in curves])
    assert np.abs(together - alone).max() < 0.15


def test_hundred_forecasts_take_no_time_once_the_history_is_fitted() -> None:
    known = forecaster(toy_losses(200))
    unseen = [cut(values, 8) for values in toy_losses(100, seed=1)]
    known.forecast(unseen)
    began = time.perf_counter()
    known.forecast(unseen)
    assert time.perf_counter() - began < 0.3


def test_laws_continue_curves_that_follow_them() -> None:
    places = np.arange(1, 21) / 20
    ahead = np.array([2.0, 4.0])
    power = 1.0 + 0.7 * (places + 0.1) ** -0.5
    saturating = 3.0 - 2.0 * places**1.5 / (0.3**1.5 + places**1.5)
    forecasts = extrapolate(POW4, power[None], ahead)[0]
    np.testing.assert_allclose(forecasts, 1.0 + 0.7 * (ahead + 0.1) ** -0.5, atol=1e-6)
    forecasts = extrapolate(MMF4, saturating[None], ahead)[0]
    np.testing.assert_allclose(forecasts, 3.0 - 2.0 * ahead**1.5 / (0.3**1.5 + ahead**1.5), atol=0.04)


def test_a_member_that_adds_nothing_leaves_by_its_weight() -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=100)
    forecasts = np.stack([truth + generator.normal(0, 0.05, 100), truth + 1.0, generator.normal(0, 3, 100)])
    weights = least_error_weights(forecasts, truth, np.ones(100))
    assert weights[0] > 0.9
    assert abs(weights.sum() - 1) < 1e-9


def test_ablation_leaves_a_member_out() -> None:
    curves = [full(values) for values in toy_losses(40)]
    forecasts = CurveForecaster(curves, False, 40.0, without=[SIMILAR_CURVES]).forecast([cut(toy_losses(1)[0], 5)])
    assert SIMILAR_CURVES not in forecasts.members
    assert LAST_VALUE in forecasts.members


def test_stopping_keeps_the_best_and_saves_most_of_the_epochs() -> None:
    known, unseen = forecaster(toy_losses(100)), toy_losses(200, seed=3)
    incumbent = float(toy_losses(100)[:, -1].min())
    advice = advise(known.forecast([cut(values, 10) for values in unseen]), incumbent, False)
    stopped = np.array([each.stop for each in advice])
    assert stopped.mean() > 0.6
    assert not stopped[np.argmin(unseen[:, -1])]
    assert f"{100 * LEAST_CHANCE:g} %" in advice[0].reason


def test_without_incumbent_nothing_is_stopped() -> None:
    forecasts = forecaster(toy_losses(50)).forecast([cut(values, 10) for values in toy_losses(20, seed=3)])
    assert not any(advice.stop for advice in advise(forecasts, None, False))


STEPS = np.arange(1.0, 11.0)


def saturating(digits: int | None, scale: float = 1.0) -> list[np.ndarray]:
    """Fourteen accuracies as tools write them: 0.5 + x/5 + 0.3 (1 - 0.3^epoch), rounded."""
    curves = [scale * (0.5 + x / 13 / 5 + 0.3 * (1 - 0.3**STEPS)) for x in range(14)]
    return curves if digits is None else [np.round(values, digits) for values in curves]


REGULAR = {
    "2 digits": (saturating(2), [0.86, 0.93, 0.95], True),
    "3 digits": (saturating(3), [0.86, 0.93, 0.95], True),
    "4 digits": (saturating(4), [0.86, 0.93, 0.95], True),
    "percent": (saturating(1, 100.0), [86.0, 93.0, 95.0], True),
    "error counts": ([1000 - values for values in saturating(0, 1000.0)], [140.0, 70.0, 50.0], False),
    "power laws": ([0.9 - (0.2 + x / 65) * STEPS**-0.5 for x in range(14)], [0.6, 0.65, 0.7], True),
    "exact": (saturating(None), [0.86, 0.93, 0.95], True),
    "all the same": ([np.full(10, 0.5)] * 14, [0.5, 0.5, 0.5], True),
}


@pytest.mark.parametrize("kind", REGULAR)
def test_curves_that_a_member_all_but_knows_are_told_in_numbers(kind: str) -> None:
    curves, unseen, maximize = REGULAR[kind]
    history = [full(values, STEPS) for values in curves]
    points = list(zip(STEPS[:3], unseen, strict=True))
    forecasts = CurveForecaster(history, maximize, 10.0).forecast([Curve.of(points)])
    numbers = (
        forecasts.finals,
        forecasts.lower,
        forecasts.upper,
        forecasts.below,
        forecasts.above,
        forecasts.weights,
        forecasts.values,
    )
    assert all(np.isfinite(each).all() for each in numbers)
    assert np.isfinite(forecasts.beats(unseen[-1], maximize)).all()
    assert forecasts.weights.sum() == pytest.approx(1.0)
    finals = [values[-1] for values in curves]
    assert min(finals) - 0.5 * np.ptp(finals) <= forecasts.finals[0] <= max(finals) + 0.5 * np.ptp(finals)


def test_one_late_riser_does_not_stretch_the_interval_beyond_all_errors_seen() -> None:
    curves = saturating(None)
    curves[5] = np.where(STEPS < 6, 0.5, 0.9)
    history = [full(values, STEPS) for values in curves]
    forecasts = CurveForecaster(history, True, 10.0).forecast(
        [Curve.of(list(zip(STEPS[:3], [0.86, 0.93, 0.95], strict=True)))]
    )
    # The late riser rises by 0.4, and no curve by more.
    assert forecasts.upper[0] - forecasts.finals[0] <= 0.45
    assert forecasts.finals[0] - forecasts.lower[0] <= 0.45


def test_weights_of_an_exact_member_are_its_own() -> None:
    truth = np.linspace(0.0, 1.0, 14)
    weights = least_error_weights(np.stack([truth, truth + 1e-3, np.zeros(14)]), truth, np.full(14, 1e9))
    assert np.isfinite(weights).all()
    assert weights[2] < 0.01
