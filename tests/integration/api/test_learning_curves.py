"""Learning curves through the client: recorded with results, sent with questions, and told how they go on."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import headstart
from headstart import CurvePoint
from headstart.errors import HeadstartError
from headstart.spaces import nas_bench_201, sample
from headstart.values import Direction, Objective, Query, StopAdvice, Task
from tests.unit.prediction.curve_toys import EPOCHS, toy_losses

SPACE = nas_bench_201()


def curve(losses: np.ndarray, epochs: int = 40) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(fidelity, value) for fidelity, value in zip(EPOCHS[:epochs], losses[:epochs], strict=True))


@pytest.fixture
def trained(client, unique_id):
    """A task of which sixty full trainings are recorded with their curves."""
    task = client.create_task(
        Task(unique_id("loss"), Objective("loss", Direction.MINIMIZE), fidelity_unit="epoch", max_fidelity=40.0)
    )
    generator = random.Random(0)
    for losses in toy_losses(60):
        outcome = replace(headstart.completed(float(losses[-1])), learning_curve=curve(losses))
        client.record(task.task_id, SPACE.search_space_id, sample(SPACE, generator), outcome)
    return task


def test_answer_with_the_curve_is_nearer_than_without_and_says_when_to_stop(client, trained):
    generator = random.Random(1)
    asked = toy_losses(40, seed=1)
    candidates = [sample(SPACE, generator) for _ in asked]
    without = client.predict(trained.task_id, SPACE.search_space_id, candidates)
    queries = [Query(each, curve(row, 8)) for each, row in zip(candidates, asked, strict=True)]
    told = client.predict(trained.task_id, SPACE.search_space_id, queries)
    truth = asked[:, -1]
    errors = [np.median(np.abs([p.estimate.mean for p in answer.predictions] - truth)) for answer in (told, without)]
    assert errors[0] < 0.3 * errors[1]
    for prediction in told.predictions:
        assert prediction.members[-1].member == "learning_curve"
        assert abs(sum(member.weight for member in prediction.members) - 1) < 1e-6
        assert prediction.curve_forecast.curve[-1].fidelity == 40.0
        assert "incumbent" in prediction.curve_forecast.reason
    advice = [prediction.curve_forecast.advice for prediction in told.predictions]
    assert advice.count(StopAdvice.STOP) > 5
    assert advice[int(np.argmin(truth))] is StopAdvice.CONTINUE
    assert all(prediction.curve_forecast is None for prediction in without.predictions)
    assert "full curves of this task" in told.basis


@pytest.mark.parametrize(
    ("points", "field"),
    [
        ([(2, 1.0), (1, 1.0)], "queries[0].learning_curve[1].fidelity"),
        ([(2, 1.0), (2, 1.0)], "queries[0].learning_curve[1].fidelity"),
        ([(1, 1.0), (2, float("nan"))], "queries[0].learning_curve[1].value"),
        ([(1, 1.0), (41, 1.0)], "queries[0].learning_curve[1].fidelity"),
    ],
)
def test_bad_curve_is_refused_by_its_point(client, trained, points, field):
    query = Query(sample(SPACE, random.Random(0)), tuple(CurvePoint(*point) for point in points))
    with pytest.raises(HeadstartError) as caught:
        client.predict(trained.task_id, SPACE.search_space_id, [query])
    assert field in str(caught.value)
