"""A worse model does not serve, an unreadable one is passed over, and servers change versions without a pause."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sqlalchemy import update

from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import GraphModel
from headstart_server.prediction.registry.records import Comparison, ModelArtefact
from headstart_server.prediction.registry.versions import (
    load_artefact,
    promote,
    version_numbered,
    versions,
    write_version,
)
from headstart_server.prediction.tables import model_versions
from headstart_server.prediction.training.fit import TrainingOptions, train_model
from headstart_server.prediction.training.pipeline import roll_back
from headstart_server.prediction.training.promotion import compare
from headstart_server.runtime.errors import NotFound
from headstart_server.runtime.observability import metrics
from tests.unit.prediction.test_service import SPACE_ID, Room, agreement, room, values_of
from tests.unit.prediction.toys import SPACE, toy_candidates, toy_canonicals, toy_labels, toy_values

__all__ = ["room"]

QUICK = TrainingOptions(epochs=20, pretraining_steps=0, threads=1)


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def serving(room: Room) -> int:
    return room.prediction.predictor("default", SPACE_ID).number


def spoil(room: Room, number: int, content: bytes) -> None:
    with room.engine.begin() as connection:
        connection.execute(update(model_versions).where(model_versions.c.number == number).values(artefact=content))


@cache
def quick_artefact() -> ModelArtefact:
    canonicals = toy_canonicals(110)
    artefact = train_model(
        SPACE,
        [toy_labels("target", canonicals, toy_values(canonicals))],
        {each.fingerprint: each for each in canonicals},
        load_kernels("torch"),
        QUICK,
    )
    assert artefact is not None
    return artefact


def trained_twice(room: Room) -> None:
    """Two versions, of which the second serves, and 140 results."""
    pairs = toy_candidates(200)
    room.task("target")
    room.record("target", pairs[:140], values_of(pairs[:140]))
    for experiments in (110, 140):
        with room.engine.begin() as connection:
            version = write_version(connection, "default", SPACE_ID, quick_artefact(), experiments)
            promote(connection, version)


def test_model_that_is_worse_on_recent_results_is_told_from_one_that_is_better() -> None:
    canonicals = toy_canonicals(240)
    values = toy_values(canonicals)
    architectures = {each.fingerprint: each for each in canonicals}
    kernels = load_kernels("torch")

    def model(known: int, learned_values: np.ndarray) -> GraphModel:
        labels = toy_labels("one", canonicals[:known], learned_values[:known])
        artefact = train_model(SPACE, [labels], architectures, kernels, QUICK)
        assert artefact is not None
        return GraphModel.from_bytes(artefact.content, kernels)

    tasks = [toy_labels("one", canonicals, values)]
    early, late = model(40, values), model(240, values)
    better = compare(early, late, tasks, architectures)
    assert better.recent_count == 200
    assert better.tau_after > better.tau_before
    assert better.passed
    backwards = replace(better, tau_before=better.tau_after, tau_after=better.tau_before - 0.1)
    assert not backwards.passed
    nothing_new = compare(late, early, tasks, architectures)
    assert nothing_new.recent_count == 0
    assert nothing_new.passed


def test_rejected_version_does_not_serve_and_the_space_is_not_trained_again_at_once(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = toy_candidates(200)
    room.task("target")
    room.record("target", pairs[:110], values_of(pairs[:110]))
    first = room.prediction.train("default", SPACE_ID)
    assert first is not None
    assert first.state == "SERVING"
    room.record("target", pairs[110:160], values_of(pairs[110:160]))
    assert room.prediction.needs_training("default", SPACE_ID, 160)
    # Adapted to a task's own results even a poor model ranks well, so what decides is made up here.
    worse = Comparison(50, tau_before=0.8, tau_after=0.6)
    monkeypatch.setattr("headstart_server.prediction.training.pipeline.compare", lambda *_: worse)
    before = metrics.MODELS_REJECTED._value.get()
    second = room.prediction.train("default", SPACE_ID)
    assert second is not None
    assert second.state == "REJECTED"
    assert metrics.MODELS_REJECTED._value.get() == before + 1
    assert serving(room) == first.number
    assert not room.prediction.needs_training("default", SPACE_ID, 160)


@pytest.mark.parametrize("content", ["cut short", "newer format", "nonsense"])
def test_unreadable_version_is_passed_over_for_the_one_before(
    room: Room, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    trained_twice(room)
    with room.engine.connect() as connection:
        good = load_artefact(connection, f"default/{SPACE_ID}/2")
    broken = {"cut short": good[: len(good) // 2], "newer format": newer_format(good), "nonsense": b"not a model"}
    spoil(room, 2, broken[content])
    before = metrics.MODEL_LOAD_FAILURES._value.get()
    fresh = Room.beside(room)
    pairs = toy_candidates(200)[140:]
    with caplog.at_level(logging.ERROR):
        answers = [fresh.predict("target", pairs) for _ in range(3)]
    assert [answer.model_version for answer in answers] == [f"default/{SPACE_ID}/1"] * 3
    assert agreement(answers[0], pairs) > 0.5
    assert metrics.MODEL_LOAD_FAILURES._value.get() > before
    assert sum("cannot be read" in record.message for record in caplog.records) <= 1


def newer_format(content: bytes) -> bytes:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes())
    arrays["header"] = np.frombuffer(json.dumps({**header, "format": 9}).encode(), np.uint8)
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return written.getvalue()


def test_no_readable_version_leaves_what_is_recorded(room: Room) -> None:
    trained_twice(room)
    for number in (1, 2):
        spoil(room, number, b"not a model")
    pairs = toy_candidates(200)[140:]
    answer = Room.beside(room).predict("target", pairs)
    assert answer.model_version == ""
    assert answer.degraded
    assert agreement(answer, pairs) > 0.5


def test_new_version_takes_over_while_calls_go_on(room: Room) -> None:
    trained_twice(room)
    pairs = toy_candidates(200)[140:150]
    fresh = Room.beside(room)
    assert fresh.predict("target", pairs).model_version.endswith("/2")
    seen: list[str] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.append(fresh.predict("target", pairs).model_version)
            except Exception as error:
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        assert roll_back(room.engine, "default", SPACE_ID, None).number == 1
        assert eventually(lambda: bool(seen) and seen[-1].endswith("/1"))
        assert roll_back(room.engine, "default", SPACE_ID, 2).number == 2
        assert eventually(lambda: bool(seen) and seen[-1].endswith("/2"))
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert not failures
    with pytest.raises(NotFound):
        roll_back(room.engine, "default", SPACE_ID, 7)


def test_version_that_was_rolled_back_to_is_kept_while_it_serves(room: Room) -> None:
    trained_twice(room)
    with room.engine.connect() as connection:
        first = version_numbered(connection, "default", SPACE_ID, 1)
        content = load_artefact(connection, f"default/{SPACE_ID}/1")
    assert first is not None
    with room.engine.begin() as connection:
        promote(connection, first)
        for _ in range(8):
            version = write_version(connection, "default", SPACE_ID, replace(quick_artefact(), content=content), 140)
    assert serving(room) == 1
    with room.engine.begin() as connection:
        promote(connection, version)
        assert [each.state for each in versions(connection, "default", SPACE_ID)].count("SERVING") == 1
    assert serving(room) == version.number
