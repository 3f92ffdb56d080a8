"""What predictions rest on, over real tables: model, neighbours, other tasks, or nothing."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau
from sqlalchemy import Engine, func, select

from headstart.spaces import Candidate, CanonicalCandidate
from headstart.spaces.validation import InvalidInput
from headstart_server.knowledge.outcomes import NewExperiment, Outcome, Status
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tables import task_summaries
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.prediction.registry.records import ModelArtefact
from headstart_server.prediction.registry.versions import (
    STORED_VERSIONS,
    load_artefact,
    promote,
    serving_version,
    write_version,
)
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.serving.remote import RemoteScorer
from headstart_server.prediction.serving.scorer import LocalScorer
from headstart_server.prediction.tables import model_versions
from headstart_server.prediction.types import Answer, Query
from headstart_server.runtime.errors import FailedPrecondition, NotFound, Unavailable
from headstart_server.runtime.settings import Settings
from tests.unit.prediction.toys import SPACE, toy_accuracy, toy_candidates, toy_task, toy_values

SPACE_ID = SPACE.search_space_id
Pairs = Sequence[tuple[Candidate, CanonicalCandidate]]


class Room:
    """A prediction service over an empty database, and a short way to fill it."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.knowledge = KnowledgeService(engine, ArchitectureIndex(settings.chroma_url))
        self.prediction = PredictionService(engine, self.knowledge, LocalScorer(engine, settings), settings)
        with engine.begin() as connection:
            self.knowledge.create_search_space(connection, "default", SPACE)

    @classmethod
    def beside(cls, other: Room) -> Room:
        """Another process over the same database."""
        room = cls.__new__(cls)
        room.engine, room.settings, room.knowledge = other.engine, other.settings, other.knowledge
        scorer = LocalScorer(other.engine, other.settings)
        room.prediction = PredictionService(other.engine, other.knowledge, scorer, other.settings)
        return room

    def task(self, task_id: str, maximize: bool = True, metric: str = "accuracy") -> None:
        with self.engine.begin() as connection:
            self.knowledge.create_task(connection, "default", toy_task(task_id, maximize, metric))

    def record(
        self,
        task_id: str,
        pairs: Pairs,
        values: Sequence[float],
        status: Status = Status.COMPLETED,
        proxies: Mapping[str, Mapping[str, float]] | None = None,
        curves: Mapping[str, tuple[tuple[float, float], ...]] | None = None,
    ) -> None:
        """``proxies`` and ``curves`` by fingerprint."""
        records = [
            NewExperiment(
                request_id=uuid.uuid4(),
                task_id=task_id,
                search_space_id=SPACE_ID,
                candidate=candidate,
                canonical=canonical,
                outcome=Outcome(
                    status,
                    value,
                    proxies=(proxies or {}).get(canonical.fingerprint, {}),
                    curve=(curves or {}).get(canonical.fingerprint, ()),
                ),
            )
            for (candidate, canonical), value in zip(pairs, values, strict=True)
        ]
        with self.engine.begin() as connection:
            self.knowledge.record(connection, "default", records)

    def predict(self, task_id: str, pairs: Pairs) -> Answer:
        queries = [Query(candidate, canonical) for candidate, canonical in pairs]
        return self.prediction.predict("default", task_id, SPACE_ID, queries, 0.9)

    def predict_one(
        self, task_id: str, pair: tuple[Candidate, CanonicalCandidate], curve: tuple[tuple[float, float], ...]
    ) -> Answer:
        return self.prediction.predict("default", task_id, SPACE_ID, [Query(*pair, learning_curve=curve)], 0.9)


@pytest.fixture
def room(engine: Engine, settings: Settings) -> Room:
    return Room(engine, settings.model_copy(update={"graph_kernels": "torch"}))


def values_of(pairs: Pairs, other_task: bool = False) -> list[float]:
    return toy_values([canonical for _, canonical in pairs], other_task).tolist()  # type: ignore[no-any-return]


def agreement(answer: Answer, pairs: Pairs) -> float:
    exact = [toy_accuracy(canonical) for _, canonical in pairs]
    return float(kendalltau([prediction.mean for prediction in answer.predictions], exact).statistic)


def test_without_any_evidence_it_refuses_to_invent_a_number(room: Room) -> None:
    pairs = toy_candidates(40)
    room.task("target")
    room.task("other-metric", metric="loss", maximize=False)
    room.record("other-metric", pairs[:20], values_of(pairs[:20]))
    with pytest.raises(FailedPrecondition, match="'accuracy'") as raised:
        room.predict("target", pairs[20:])
    assert raised.value.reason == "NO_EVIDENCE"


def test_unknown_task_and_space_are_not_found(room: Room) -> None:
    with pytest.raises(NotFound):
        room.predict("target", toy_candidates(1))
    with pytest.raises(NotFound):
        room.prediction.predictor("default", SPACE_ID)


def test_before_any_model_the_nearest_recorded_architectures_answer_and_say_so(room: Room) -> None:
    pairs = toy_candidates(140)
    room.task("target")
    room.record("target", pairs[:80], values_of(pairs[:80]))
    answer = room.predict("target", pairs[80:])
    assert "k nearest of 80 recorded architectures" in answer.basis
    assert answer.model_version == ""
    assert not answer.degraded
    assert {member.member for prediction in answer.predictions for member in prediction.members} == {
        "gaussian_process",
        "k_nearest",
    }
    assert agreement(answer, pairs[80:]) > 0.5


def test_recorded_proxies_sharpen_predictions_and_unknown_ones_are_refused(room: Room) -> None:
    pairs = toy_candidates(140)
    room.task("target")
    telling = {canonical.fingerprint: {"params": 2.0 * toy_accuracy(canonical)} for _, canonical in pairs}
    room.record("target", pairs[:40], values_of(pairs[:40]), proxies=telling)
    without = room.predict("target", pairs[40:])
    queries = [Query(*pair, proxies=telling[pair[1].fingerprint]) for pair in pairs[40:]]
    answer = room.prediction.predict("default", "target", SPACE_ID, queries, 0.9)
    assert "proxies" in {member.member for member in answer.predictions[0].members}
    assert agreement(answer, pairs[40:]) > agreement(without, pairs[40:]) + 0.05
    queries[3] = Query(*pairs[43], proxies={"param": 1.0})
    with pytest.raises(InvalidInput, match=r"queries\[3\]\.proxies\[param\]"):
        room.prediction.predict("default", "target", SPACE_ID, queries, 0.9)


def test_other_tasks_with_the_same_metric_stand_in_on_a_wide_interval(room: Room) -> None:
    pairs = toy_candidates(140)
    for task_id in ("target", "one", "two"):
        room.task(task_id)
    room.record("one", pairs[:80], values_of(pairs[:80]))
    room.record("two", pairs[:80], values_of(pairs[:80], other_task=True))
    answer = room.predict("target", pairs[80:])
    assert "from 2 other tasks" in answer.basis
    assert "no completed architectures" in answer.basis
    assert all(prediction.probability_of_improvement is None for prediction in answer.predictions)
    exact = np.array([toy_accuracy(canonical) for _, canonical in pairs[80:]])
    inside = [p.lower <= value <= p.upper for p, value in zip(answer.predictions, exact, strict=True)]
    assert np.mean(inside) > 0.9
    assert agreement(answer, pairs[80:]) > 0.4


def test_failed_runs_of_a_source_do_not_crowd_out_its_values(room: Room) -> None:
    pairs = toy_candidates(300)
    room.task("target")
    room.task("source")
    worked = pairs[1:14:2]
    for pair in pairs[:280]:
        if pair in worked:
            room.record("source", [pair], values_of([pair]))
        else:
            room.record("source", [pair], [math.nan], Status.FAILED)
    answer = room.predict("target", pairs[280:])
    assert "from 1 other task " in answer.basis
    assert all(math.isfinite(prediction.mean) for prediction in answer.predictions)
    kept = room.prediction._from_records._cache.get(("default", SPACE_ID, "source"))
    assert kept is not None
    assert len(kept[1].scale.oriented) == len(worked)


def test_source_that_is_deleted_while_it_is_read_is_left_out(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = toy_candidates(40)
    room.task("target")
    room.task("source")
    room.record("source", pairs[:20], values_of(pairs[:20]))
    observations = room.knowledge.observations("default", "target", SPACE_ID)
    sources = room.prediction._from_records._sources("default", observations)
    assert len(sources) == 1
    with room.engine.begin() as connection:
        room.knowledge.delete_task(connection, "default", "source")
    fresh = Room(room.engine, room.settings)
    monkeypatch.setattr(fresh.prediction._from_records, "_sources", lambda *_: sources)
    with pytest.raises(FailedPrecondition) as raised:
        fresh.predict("target", pairs[20:])
    assert raised.value.reason == "NO_EVIDENCE"


def test_model_is_trained_promoted_and_adapted_to_the_task(room: Room) -> None:
    pairs = toy_candidates(200)
    room.task("target")
    room.record("target", pairs[:120], values_of(pairs[:120]))
    room.record("target", pairs[120:125], [math.nan] * 5, Status.FAILED)
    assert room.prediction.needs_training("default", SPACE_ID, 125)
    assert not room.prediction.needs_training("default", SPACE_ID, 31)
    version = room.prediction.train("default", SPACE_ID)
    assert version is not None
    assert version.name == f"default/{SPACE_ID}/1"
    assert room.prediction.predictor("default", SPACE_ID) == version
    assert version.validation[0].task_id == "target"
    assert version.validation[0].held_out_count == 120
    assert not room.prediction.needs_training("default", SPACE_ID, 149)
    assert room.prediction.needs_training("default", SPACE_ID, 150)
    answer = room.predict("target", pairs[125:])
    assert answer.model_version == version.name
    assert "adapted to 120 of this task" in answer.basis
    assert agreement(answer, pairs[125:]) > 0.6
    incumbent = max(values_of(pairs[:120]))
    for prediction in answer.predictions:
        assert prediction.lower <= prediction.mean <= prediction.upper
        assert 0.0 <= (prediction.probability_of_improvement or 0.0) <= 1.0
        assert sum(member.weight for member in prediction.members) == pytest.approx(1.0)
    sure = [p for p in answer.predictions if p.upper < incumbent - 5.0]
    assert sure
    assert all((p.probability_of_improvement or 0.0) < 0.3 for p in sure)


def test_new_results_change_the_next_prediction(room: Room) -> None:
    pairs = toy_candidates(160)
    room.task("target")
    room.record("target", pairs[:110], values_of(pairs[:110]))
    assert room.prediction.train("default", SPACE_ID) is not None
    before = room.predict("target", pairs[110:])
    room.record("target", pairs[110:130], values_of(pairs[110:130]))
    after = room.predict("target", pairs[110:])
    assert "adapted to 130" in after.basis
    widths = [
        np.mean([prediction.upper - prediction.lower for prediction in answer.predictions[:20]])
        for answer in (before, after)
    ]
    assert widths[1] < widths[0]


def test_a_task_the_model_has_never_seen_is_predicted_from_its_sources_then_from_itself(room: Room) -> None:
    pairs = toy_candidates(260)
    for task_id in ("one", "two"):
        room.task(task_id)
        room.record(task_id, pairs[:80], values_of(pairs[:80], other_task=task_id == "two"))
    assert room.prediction.train("default", SPACE_ID) is not None
    room.task("target")
    cold = room.predict("target", pairs[120:])
    assert "from 2 other tasks" in cold.basis
    assert cold.model_version
    assert agreement(cold, pairs[120:]) > 0.5
    room.record("target", pairs[80:120], values_of(pairs[80:120]))
    warm = room.predict("target", pairs[120:])
    assert "adapted to 40" in warm.basis
    assert agreement(warm, pairs[120:]) > 0.6
    scores = room.prediction.model_scores("default", SPACE_ID, [canonical.fingerprint for _, canonical in pairs[:120]])
    assert scores is not None
    assert scores.task_ids == ("one", "two")
    assert scores.scores.shape == (120, 2)


def test_deleted_task_takes_no_part_in_predictions_and_a_space_that_shrank_is_learned_anew(room: Room) -> None:
    pairs = toy_candidates(160)
    for task_id in ("one", "two", "target"):
        room.task(task_id)
    for task_id in ("one", "two"):
        room.record(task_id, pairs[:120], values_of(pairs[:120], other_task=task_id == "two"))
    version = room.prediction.train("default", SPACE_ID)
    assert version is not None
    assert "from 2 other tasks" in room.predict("target", pairs[120:]).basis
    assert not room.prediction.needs_training("default", SPACE_ID, 201)
    with room.engine.begin() as connection:
        room.knowledge.delete_task(connection, "default", "two")
    answer = room.predict("target", pairs[120:])
    assert "from 1 other task " in answer.basis
    assert answer.model_version == version.name
    assert room.prediction.needs_training("default", SPACE_ID, 120)
    assert not room.prediction.needs_training("default", SPACE_ID, 31)
    again = room.prediction.train("default", SPACE_ID)
    assert again is not None
    assert not room.prediction.needs_training("default", SPACE_ID, 120)


def test_model_host_out_of_reach_degrades_to_the_nearest(room: Room) -> None:
    pairs = toy_candidates(140)
    room.task("target")
    room.record("target", pairs[:110], values_of(pairs[:110]))
    assert room.prediction.train("default", SPACE_ID) is not None
    scorer = RemoteScorer("127.0.0.1:1", 1 << 20)
    cut_off = PredictionService(room.engine, room.knowledge, scorer, room.settings)
    queries = [Query(candidate, canonical) for candidate, canonical in pairs[110:]]
    answer = cut_off.predict("default", "target", SPACE_ID, queries, 0.9)
    scorer.close()
    assert answer.degraded
    assert answer.model_version == ""
    assert "out of reach" in answer.basis
    assert agreement(answer, pairs[110:]) > 0.4


def rising(final: float, epochs: int = 100) -> tuple[tuple[float, float], ...]:
    """An accuracy that approaches its final value like one over the epochs."""
    return tuple((float(epoch), final - 60.0 / (1.0 + epoch / 4)) for epoch in range(1, epochs + 1, 3))


def test_learning_curve_moves_a_prediction_to_where_the_training_is_heading(room: Room) -> None:
    pairs = toy_candidates(60)
    room.task("target")
    values = values_of(pairs)
    curves = {pair[1].fingerprint: rising(value) for pair, value in zip(pairs, values, strict=True)}
    room.record("target", pairs[:40], values[:40], curves=curves)
    surprising = 97.0
    whole = rising(surprising)
    without, with_curve, hopeless = room.prediction.predict(
        "default",
        "target",
        SPACE_ID,
        [
            Query(*pairs[50]),
            Query(*pairs[50], learning_curve=whole[:10]),
            Query(*pairs[50], learning_curve=rising(30.0)[:10]),
        ],
        0.9,
    ).predictions
    assert abs(with_curve.mean - surprising) < 0.5 * abs(without.mean - surprising)
    assert with_curve.members[-1].member == "learning_curve"
    assert sum(member.weight for member in with_curve.members) == pytest.approx(1.0)
    assert without.forecast is None
    assert with_curve.forecast is not None
    assert hopeless.forecast is not None
    assert (with_curve.forecast.stop, hopeless.forecast.stop) == (False, True)
    assert [fidelity for fidelity, _ in with_curve.forecast.curve][-1] == 100.0
    assert "40 full curves" in room.predict_one("target", pairs[50], whole[:10]).basis


def test_curve_alone_is_enough_where_nothing_else_is_known(room: Room) -> None:
    pairs = toy_candidates(2)
    room.task("target")
    answer = room.predict_one("target", pairs[0], rising(80.0)[:20])
    assert answer.basis.startswith("no model or results")
    told = answer.predictions[0]
    assert told.lower < 80.0 < told.upper
    assert told.forecast is not None
    assert not told.forecast.stop
    with pytest.raises(FailedPrecondition):
        room.predict("target", pairs)


def test_versions_count_up_and_old_ones_are_removed(room: Room) -> None:
    pairs = toy_candidates(101)
    room.task("target")
    room.record("target", pairs, values_of(pairs))
    artefact = ModelArtefact(b"bytes", "graph_network", 101, 5, 0.1, ())
    for number in range(1, STORED_VERSIONS + 3):
        with room.engine.begin() as connection:
            version = write_version(connection, "default", SPACE_ID, replace(artefact, content=b"%d" % number), 101)
            assert version.number == number
            promote(connection, version)
    with room.engine.connect() as connection:
        newest = serving_version(connection, "default", SPACE_ID)
        assert newest is not None
        assert load_artefact(connection, newest.name) == b"%d" % newest.number
        count = connection.execute(select(func.count()).select_from(model_versions)).scalar_one()
        assert count == STORED_VERSIONS
        for name in (f"default/{SPACE_ID}/1", "default/unknown/1", f"other/{SPACE_ID}/7", "nonsense", ""):
            with pytest.raises(NotFound):
                load_artefact(connection, name)
        assert connection.execute(select(func.count()).select_from(task_summaries)).scalar_one() == 1


def test_task_that_is_deleted_while_it_is_predicted_is_asked_for_again(room: Room) -> None:
    pairs = toy_candidates(40)
    room.task("target")
    room.task("source")
    room.record("target", pairs[:20], values_of(pairs[:20]))
    room.record("source", pairs[:20], values_of(pairs[:20]))
    observations = room.knowledge.observations("default", "target", SPACE_ID)
    with room.engine.begin() as connection:
        room.knowledge.delete_task(connection, "default", "source")
        room.knowledge.delete_task(connection, "default", "target")
    fresh = Room(room.engine, room.settings)
    asked = [Query(candidate, canonical) for candidate, canonical in pairs[20:]]
    with pytest.raises(Unavailable) as raised:
        fresh.prediction._from_records.predict("default", observations, asked, 0.9, degraded=False)
    assert raised.value.reason == "TASK_DELETED_MEANWHILE"


def test_nearest_recorded_architecture_of_a_recorded_one_is_itself(room: Room) -> None:
    pairs = toy_candidates(50)
    room.task("target")
    room.record("target", pairs, values_of(pairs))
    found = room.prediction.nearest_recorded("default", SPACE_ID, pairs[7][1], 5)
    assert found[0] == (pairs[7][1].fingerprint, 0.0)
    distances = [distance for _, distance in found]
    assert distances == sorted(distances)


def test_predictor_host_gives_the_answers_of_the_process_itself(room: Room) -> None:
    pairs = toy_candidates(140)
    room.task("target")
    room.record("target", pairs[:110], values_of(pairs[:110]))
    assert room.prediction.train("default", SPACE_ID) is not None
    here = room.predict("target", pairs[100:])
    with predictor_host(room.settings) as address:
        scorer = RemoteScorer(address, room.settings.max_message_bytes)
        # Without a candidate, as a server does ahead of the first question.
        scorer.load(here.model_version)
        through_host = PredictionService(room.engine, room.knowledge, scorer, room.settings)
        queries = [Query(candidate, canonical) for candidate, canonical in pairs[100:]]
        there = through_host.predict("default", "target", SPACE_ID, queries, 0.9)
        scorer.close()
    assert not there.degraded
    assert there.basis == here.basis
    np.testing.assert_allclose(
        [prediction.mean for prediction in there.predictions],
        [prediction.mean for prediction in here.predictions],
        rtol=1e-3,
    )


@contextmanager
def predictor_host(settings: Settings) -> Iterator[str]:
    """The address of a predictor role in a process of its own."""
    given = {name: value for name, value in settings.model_dump(mode="json").items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "headstart_server", "predictor"],
        env={**os.environ, **{f"HEADSTART_{name.upper()}": str(value) for name, value in given.items()}},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)
