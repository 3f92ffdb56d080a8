"""Predictions of candidates with a partial curve, over real tables."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import numpy as np
import pytest
from sqlalchemy import Engine

from headstart.spaces import InvalidInput
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.prediction.learning_curves.combination import LEARNING_CURVE, CurveEstimate, combined
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.serving.scorer import LocalScorer
from headstart_server.prediction.types import Answer, MemberPrediction, Prediction, Query
from headstart_server.runtime.errors import FailedPrecondition
from headstart_server.runtime.settings import Settings
from tests.unit.prediction.curve_toys import EPOCHS, toy_losses
from tests.unit.prediction.toys import SPACE, toy_candidates

SPACE_ID = SPACE.search_space_id
Points = tuple[tuple[float, float], ...]


def points(values: np.ndarray, epochs: int = 40) -> Points:
    return tuple(zip(EPOCHS[:epochs].tolist(), values[:epochs].tolist(), strict=True))


class Room:
    """A prediction service over an empty database, and a short way to fill it with curves."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.knowledge = KnowledgeService(engine, ArchitectureIndex(settings.chroma_url))
        self.prediction = PredictionService(engine, self.knowledge, LocalScorer(engine, settings), settings)
        with engine.begin() as connection:
            self.knowledge.create_search_space(connection, "default", SPACE)

    def task(self, task_id: str, max_fidelity: float = 40.0, maximize: bool = False) -> None:
        with self.engine.begin() as connection:
            task = Task(task_id, "", "loss", maximize, {}, {}, "epoch", max_fidelity)
            self.knowledge.create_task(connection, "default", task)

    def record(self, task_id: str, outcomes: Sequence[Outcome], first: int = 0) -> None:
        pairs = toy_candidates(400)[first : first + len(outcomes)]
        records = [
            NewExperiment(uuid.uuid4(), task_id, SPACE_ID, candidate, canonical, outcome)
            for (candidate, canonical), outcome in zip(pairs, outcomes, strict=True)
        ]
        with self.engine.begin() as connection:
            self.knowledge.record(connection, "default", records)

    def full(self, task_id: str, losses: np.ndarray) -> None:
        self.record(task_id, [Outcome(Status.COMPLETED, float(row[-1]), curve=points(row)) for row in losses])

    def predict(
        self, task_id: str, curves: Sequence[Points], first: int = 300, fidelity: float | None = None
    ) -> Answer:
        pairs = toy_candidates(400)[first : first + len(curves)]
        queries = [
            Query(*pair, learning_curve=curve, fidelity=fidelity) for pair, curve in zip(pairs, curves, strict=True)
        ]
        return self.prediction.predict("default", task_id, SPACE_ID, queries, 0.9)


@pytest.fixture
def room(engine: Engine, settings: Settings) -> Room:
    return Room(engine, settings.model_copy(update={"graph_kernels": "torch"}))


def errors(answer: Answer, truth: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(np.array([prediction.mean for prediction in answer.predictions]) - truth))


def test_answer_with_the_curve_is_nearer_than_without(room: Room) -> None:
    room.task("target")
    room.full("target", toy_losses(80))
    partial = toy_losses(30, seed=1)
    without = room.predict("target", [()] * 30)
    predicted = room.predict("target", [points(row, 8) for row in partial])
    assert np.median(errors(predicted, partial[:, -1])) < 0.3 * np.median(errors(without, partial[:, -1]))
    assert "continued by 80 full curves of this task" in predicted.basis
    for prediction in predicted.predictions:
        assert prediction.members[-1].member == LEARNING_CURVE
        assert abs(sum(member.weight for member in prediction.members) - 1) < 1e-9
        assert prediction.lower <= prediction.mean <= prediction.upper
        assert prediction.forecast is not None
        assert prediction.forecast.curve[0][0] > 8.0
        assert prediction.forecast.curve[-1][0] == 40.0
    assert all(prediction.forecast is None for prediction in without.predictions)
    assert any(prediction.forecast.stop for prediction in predicted.predictions if prediction.forecast)


def test_joined_estimates_count_by_their_precision() -> None:
    prior = Prediction(2.0, 0.3, 1.5, 2.5, 0.1, (MemberPrediction("k_nearest", 2.0, 0.3, 1.0),), False)
    estimate = CurveEstimate(1.0, 0.1, 0.1, 0.8, 1.2, None)
    both = combined(prior, estimate, None, 1.5, False)
    assert [member.weight for member in both.members] == pytest.approx([0.0357, 0.9643], abs=1e-3)
    assert both.mean == pytest.approx(1.0357, abs=1e-3)
    assert both.probability_of_improvement is not None
    assert both.probability_of_improvement > 0.5
    mirrored = combined(
        Prediction(-2.0, 0.3, -2.5, -1.5, 0.1, prior.members, False),
        CurveEstimate(-1.0, 0.1, 0.1, -1.2, -0.8, None),
        None,
        -1.5,
        True,
    )
    assert mirrored.probability_of_improvement == pytest.approx(both.probability_of_improvement)
    agreeing = combined(prior, CurveEstimate(2.0, 0.1, 0.1, 1.8, 2.2, None), None, None, False)
    assert agreeing.standard_deviation < 0.1
    assert [member.weight for member in agreeing.members] == pytest.approx([0.1, 0.9])
    assert agreeing.probability_of_improvement is None


def test_a_prediction_that_knows_no_more_than_the_spread_of_results_has_no_say() -> None:
    prior = Prediction(2.0, 0.3, 1.5, 2.5, 0.1, (MemberPrediction("k_nearest", 2.0, 0.3, 1.0),), False)
    estimate = CurveEstimate(1.0, 0.1, 0.1, 0.8, 1.2, None)
    assert combined(prior, estimate, 0.3, None, False).mean == pytest.approx(1.0)
    assert 1.0 < combined(prior, estimate, 0.6, None, False).mean < 1.1


def test_curves_of_another_task_with_the_same_metric_are_learned_from(room: Room) -> None:
    room.task("target")
    room.task("other", max_fidelity=80.0)
    losses = toy_losses(80)
    stretched = [tuple((2 * fidelity, value) for fidelity, value in points(row)) for row in losses]
    room.record("other", [Outcome(Status.COMPLETED, each[-1][1], curve=each) for each in stretched])
    partial = toy_losses(30, seed=1)
    predicted = room.predict("target", [points(row, 8) for row in partial])
    assert "80 of other tasks" in predicted.basis
    room.task("same")
    room.full("same", losses)
    own = room.predict("same", [points(row, 8) for row in partial])
    by_curve = [[prediction.members[-1].mean for prediction in answer.predictions] for answer in (predicted, own)]
    np.testing.assert_allclose(by_curve[0], by_curve[1])


def test_first_candidate_of_a_new_task_is_told_from_its_curve_alone(room: Room) -> None:
    room.task("target")
    [curve] = toy_losses(1)
    [predicted] = room.predict("target", [points(curve, 10)]).predictions
    assert predicted.members == (MemberPrediction(LEARNING_CURVE, predicted.mean, predicted.standard_deviation, 1.0),)
    assert predicted.lower < curve[-1] < predicted.upper
    assert predicted.forecast is not None
    assert not predicted.forecast.stop
    with pytest.raises(FailedPrecondition):
        room.predict("target", [points(curve, 10), ()])


def test_an_early_value_is_never_a_final_one(room: Room) -> None:
    room.task("target")
    room.full("target", toy_losses(60))
    early = toy_losses(40, seed=2)[:, :4]
    stopped = [Outcome(Status.STOPPED, 0.001, curve=points(row, 4), fidelity=4.0) for row in early[:20]]
    short = [Outcome(Status.COMPLETED, 0.001, curve=points(row, 4), fidelity=4.0) for row in early[20:]]
    # As short as the runs that were cut, which would otherwise not be looked at.
    partial = [points(row, 3) for row in toy_losses(10, seed=1)]
    before = room.predict("target", partial)
    room.record("target", stopped + short, first=200)
    after = room.predict("target", partial)
    np.testing.assert_allclose([p.mean for p in after.predictions], [p.mean for p in before.predictions], rtol=0.02)


def test_a_run_that_was_cut_short_is_told_from_its_own_curve(room: Room) -> None:
    room.task("target")
    room.full("target", toy_losses(60))
    losses = toy_losses(10, seed=2)
    room.record("target", [Outcome(Status.STOPPED, curve=points(row, 10), fidelity=10.0) for row in losses], first=300)
    predicted = room.predict("target", [()] * 10)
    assert "10 learning curves" in predicted.basis
    assert np.median(errors(predicted, losses[:, -1])) < 0.5 * np.median(np.abs(losses[:, 9] - losses[:, -1]))
    # Once such a run was made again and finished, its result counts more than its first attempt.
    room.record("target", [Outcome(Status.COMPLETED, 1.5)], first=300)
    assert "9 learning curves" in room.predict("target", [()] * 10).basis


def test_another_fidelity_is_told_from_the_curve(room: Room) -> None:
    room.task("target")
    room.full("target", toy_losses(80))
    partial = toy_losses(30, seed=1)
    predicted = room.predict("target", [points(row, 8) for row in partial], fidelity=20.0)
    assert np.median(errors(predicted, partial[:, 19])) < 0.03
    assert all(prediction.probability_of_improvement is None for prediction in predicted.predictions)
    assert "other fidelities" not in predicted.basis
    assert "other fidelities" in room.predict("target", [()], fidelity=20.0).basis


def test_curve_beyond_the_full_training_is_refused_by_its_point(room: Room) -> None:
    room.task("target")
    with pytest.raises(InvalidInput, match=r"queries\[1\]\.learning_curve\[2\]\.fidelity"):
        room.predict("target", [((1.0, 2.0),), ((1.0, 2.0), (40.0, 1.0), (41.0, 1.0))])


def test_new_curves_are_read_and_those_of_a_task_made_again_are_not_kept(room: Room) -> None:
    room.task("target")
    room.full("target", toy_losses(20))
    assert "20 full curves" in room.predict("target", [((1.0, 2.0),)]).basis
    room.record("target", [Outcome(Status.COMPLETED, float(r[-1]), curve=points(r)) for r in toy_losses(30)], 100)
    assert "50 full curves" in room.predict("target", [((1.0, 2.0),)]).basis
    with room.engine.begin() as connection:
        room.knowledge.delete_task(connection, "default", "target")
    room.task("target")
    room.full("target", toy_losses(60, seed=9) + 5.0)
    assert "60 full curves" in room.predict("target", [((1.0, 8.0),)]).basis
    observations = room.knowledge.observations("default", "target", SPACE_ID)
    [curves] = room.knowledge.curves("default", [observations])
    assert all(curve.final is not None and curve.final > 5.0 for curve in curves)
