"""What the metrics tell of predictions, suggestions, arms, the worker's database and the record queue is so."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import numpy as np
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine, update

from headstart.spaces import Candidate, CanonicalCandidate
from headstart.v1 import meta_learning_service_pb2 as pb2
from headstart_server.access.quotas import Quota, count_near_quota, set_quota
from headstart_server.api.handlers.meta_learning import MetaLearningServicer
from headstart_server.assembly import Domains, open_domains
from headstart_server.knowledge.observations.observations import no_observations
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.tables import outbox
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.online_evaluation import LatestValues, OnlineEvaluation
from headstart_server.prediction.registry.records import ModelArtefact
from headstart_server.prediction.registry.versions import promote, write_version
from headstart_server.prediction.types import Answer, MemberPrediction, Prediction, Query
from headstart_server.roles.operator_metrics import Gauges
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.database.row_security import acting_for
from headstart_server.runtime.settings import Settings
from headstart_server.strategy.service import Arm
from headstart_server.warm_start.exploration_baseline import ExplorationBaseline
from headstart_server.warm_start.suggestions import Origin, Suggestion
from tests.unit.prediction.toys import SPACE, toy_candidates, toy_task

SPACE_ID = SPACE.search_space_id
TASK = replace(toy_task("cora"), max_fidelity=10.0)
CANDIDATES = toy_candidates(12)
Pair = tuple[Candidate, CanonicalCandidate]


class Counted:
    """What a metric has grown by since this was made, and its value now."""

    def __init__(self) -> None:
        self._before = dict(self._samples())

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return dict(self._samples()).get(key, 0.0) - self._before.get(key, 0.0)

    @staticmethod
    def now(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, labels)

    @staticmethod
    def _samples() -> Iterator[tuple[tuple[str, tuple[tuple[str, str], ...]], float]]:
        for family in REGISTRY.collect():
            for each in family.samples:
                yield (each.name, tuple(sorted(each.labels.items()))), each.value


@pytest.fixture
def counted() -> Counted:
    return Counted()


def predicted(
    figures: OnlineEvaluation, pair: Pair, mean: float, level: float = 0.9, fidelity: float | None = None
) -> None:
    """By a model, within 2 of the mean, with a standard deviation of 1."""
    prediction = Prediction(mean, 1.0, mean - 2, mean + 2, None, (), False)
    query = Query(*pair, fidelity=fidelity)
    figures.remember("default", no_observations(TASK, SPACE_ID), [query], Answer([prediction], "m/1", "", False), level)


def result(
    pair: Pair, value: float | None, fidelity: float | None = None, decision: UUID | None = None
) -> NewExperiment:
    status = Status.FAILED if value is None else Status.COMPLETED
    return NewExperiment(
        uuid4(), TASK.task_id, SPACE_ID, *pair, Outcome(status, value, fidelity=fidelity), decision_id=decision
    )


def test_results_are_held_against_what_was_predicted_of_them(counted: Counted) -> None:
    figures = OnlineEvaluation()
    for pair, mean, level in zip(CANDIDATES, (10.0, 20.0, 30.0, 40.0), (0.9, 0.9, 0.9, 0.5), strict=False):
        predicted(figures, pair, mean, level)
    figures.settle("default", [result(CANDIDATES[0], 11.0), result(CANDIDATES[1], 25.0), result(CANDIDATES[2], 29.0)])
    figures.settle("default", [result(CANDIDATES[3], 28.5)])
    assert counted("headstart_predicted_results_total", basis="model") == 4
    assert counted("headstart_predicted_results_inside_total", basis="model") == 2
    assert counted("headstart_predicted_results_promised_total", basis="model") == pytest.approx(3.2)
    assert counted("headstart_prediction_error_deviations_sum", basis="model") == pytest.approx(1 + 5 + 1 + 11.5)
    # 11 < 25 < 29 as predicted; 28.5 was predicted to be above 29.
    assert counted("headstart_predicted_pairs_total", basis="model", order="right") == 2
    assert counted("headstart_predicted_pairs_total", basis="model", order="wrong") == 1


def test_only_the_first_full_result_of_what_nobody_had_seen_counts(counted: Counted) -> None:
    figures = OnlineEvaluation()
    seen, repeated, failed, partial, never, elsewhere, for_less = CANDIDATES[:7]
    figures.settle("default", [result(seen, 1.0)])
    for pair in (seen, repeated, failed, partial, elsewhere):
        predicted(figures, pair, 1.0)
    predicted(figures, for_less, 1.0, fidelity=2.0)
    told = [result(each, 1.0) for each in (seen, repeated, repeated, never, for_less)]
    figures.settle("default", [*told, result(failed, None), result(partial, 1.0, fidelity=5.0)])
    figures.settle("another", [result(elsewhere, 1.0)])
    assert counted("headstart_predicted_results_total", basis="model") == 1


def test_memory_of_predictions_is_bounded_and_loses_the_oldest() -> None:
    recent = LatestValues[int, int](3)
    for number in (1, 2, 3, 1, 4):
        recent.put(number, number)
    assert [number in recent for number in (1, 2, 3, 4)] == [True, False, True, True]


@pytest.mark.parametrize(("maximize", "better"), [(True, 1), (False, 2)])
def test_suggestions_are_held_against_the_last_random_one(counted: Counted, maximize: bool, better: int) -> None:
    baseline, task = ExplorationBaseline(), replace(TASK, maximize=maximize)
    origins = [Origin.TRANSFERRED, Origin.EXPLORATION, *[Origin.TRANSFERRED] * 3, Origin.EXPLORATION]
    suggestions = [Suggestion(*pair, origin, "") for pair, origin in zip(CANDIDATES, origins, strict=False)]
    baseline.remember("default", task, SPACE_ID, suggestions)
    # The first comes before any random one; the tie with it tells nothing.
    values = (9.0, 5.0, 6.0, 4.0, 3.0, 5.0)
    records = [result(pair, value) for pair, value in zip(CANDIDATES, values, strict=False)]
    baseline.settle("default", records)
    baseline.settle("default", records)
    name = "headstart_suggestions_against_random_total"
    assert counted(name, origin="TRANSFERRED", outcome="better") == better
    assert counted(name, origin="TRANSFERRED", outcome="worse") == 3 - better
    assert counted(name, origin="EXPLORATION", outcome="better") == 0


@pytest.fixture
def domains(settings: Settings) -> Iterator[Domains]:
    domains = open_domains(settings)

    def create(connection):
        domains.knowledge.create_search_space(connection, "default", SPACE)
        domains.knowledge.create_task(connection, "default", TASK)

    run_transaction(domains.engine, create)
    yield domains
    domains.close()


def record(domains: Domains, count: int) -> None:
    records = [result(pair, 1.0) for pair in CANDIDATES[:count]]
    run_transaction(domains.engine, lambda connection: domains.knowledge.record(connection, "default", records))


def test_rewards_of_an_arm_count_when_they_are_committed(domains: Domains, counted: Counted) -> None:
    arms = [Arm("random")]

    def select(connection):
        return domains.strategy.select(connection, "default", TASK.task_id, arms, 2, (0.0, 10.0))

    first, second = run_transaction(domains.engine, select)

    def credit(connection, pair: Pair, decision: UUID) -> None:
        domains.knowledge.record(connection, "default", [result(pair, 0.5, decision=decision)])

    run_transaction(domains.engine, lambda connection: credit(connection, CANDIDATES[0], first.decision_id))
    with domains.engine.connect() as connection:
        credit(connection, CANDIDATES[1], second.decision_id)
        connection.rollback()
    assert counted("headstart_arm_results_total", arm="random") == 1
    assert counted("headstart_arm_rewards_total", arm="random") == pytest.approx(1 / 3)


def test_pool_shows_the_connections_in_use(domains: Domains) -> None:
    assert Counted.now("headstart_database_connections_in_use") == 0
    with domains.engine.connect(), domains.engine.connect():
        assert Counted.now("headstart_database_connections_in_use") == 2
    assert Counted.now("headstart_database_connections") == domains.engine.pool.size()


def test_outbox_lag_is_the_age_of_what_waits_longest(domains: Domains) -> None:
    assert domains.knowledge.outbox_lag_seconds() == 0
    record(domains, 2)
    assert 0 <= domains.knowledge.outbox_lag_seconds() < 60
    stop = threading.Event()
    stop.set()
    Gauges(domains).keep(stop)
    assert Counted.now("headstart_outbox_depth") == 2
    with domains.engine.begin() as connection:
        connection.execute(update(outbox).values(created_at=outbox.c.created_at - np.timedelta64(90, "s").item()))
    assert 90 <= domains.knowledge.outbox_lag_seconds() < 150


def test_namespaces_near_a_quota_are_counted(domains: Domains, engine: Engine) -> None:
    record(domains, 9)
    other = Task("another", "", "accuracy", True, {}, {}, "", 0.0)
    for task in (other, replace(other, task_id="a-third")):
        run_transaction(engine, lambda connection, task=task: domains.knowledge.create_task(connection, "other", task))
    for quota, near in (
        (Quota(experiments=10), 1),
        (Quota(experiments=11), 0),
        (Quota(tasks=1), 1),
        (Quota(tasks=2), 0),
        (Quota(calls_per_second=1.0), 0),
    ):
        with engine.begin() as connection:
            set_quota(connection, "default", quota, "test")
            assert count_near_quota(connection, 0.9) == near, quota


def test_gauges_show_the_model_that_serves(domains: Domains) -> None:
    record(domains, 6)

    def fill(connection):
        artefact = ModelArtefact(b"", "toy", training_size=4, parameter_count=1, seconds=1.0, validation=())
        promote(connection, write_version(connection, "default", SPACE_ID, artefact, trained_through=4))
        # One that was not let serve, though trained on more.
        write_version(connection, "default", SPACE_ID, artefact, trained_through=5)

    run_transaction(domains.engine, fill)
    Gauges(domains).read()
    labels = {"namespace": "default", "search_space": SPACE_ID}
    assert Counted.now("headstart_model_number", **labels) == 1
    assert 0 <= (Counted.now("headstart_model_age_seconds", **labels) or math.nan) < 60
    assert Counted.now("headstart_model_growth_ratio", **labels) == pytest.approx(6 / 5)
    assert math.isnan(Counted.now("headstart_model_kendall_tau", **labels) or 0.0)


@pytest.mark.parametrize(
    ("members", "model_version", "wanted"),
    [
        (("graph_network", "k_nearest"), "default/cells/1", "model"),
        (("gaussian_process", "k_nearest"), "", "gaussian_process"),
        (("gaussian_process", "learning_curve"), "", "gaussian_process"),
        (("k_nearest",), "", "k_nearest"),
        (("learning_curve",), "", "learning_curve"),
        (("learning_curve",), "default/cells/1", "learning_curve"),
    ],
)
def test_predictions_are_counted_by_what_they_rest_on(members, model_version: str, wanted: str) -> None:
    made = tuple(MemberPrediction(name, 0.5, 0.1, 1 / len(members)) for name in members)
    prediction = Prediction(0.5, 0.1, 0.3, 0.7, None, made, False)
    assert Answer([prediction], model_version, "", False).basis_of(prediction) == wanted


def test_repeated_choice_of_strategies_is_counted_once(domains: Domains) -> None:
    servicer = MetaLearningServicer(domains, *[cast(Any, None)] * 4)
    request = pb2.SelectStrategyRequest(
        task_id="cora", slots=2, arms=[pb2.Arm(name="random"), pb2.Arm(name="tpe")], request_id=str(uuid4())
    )
    counted = Counted()
    with acting_for("default"):
        first = servicer._select(request)
        assert servicer._select(request) == first
    total = sum(counted("headstart_decisions_total", arm=arm) for arm in ("random", "tpe"))
    assert total == len(first.decisions) == 2
