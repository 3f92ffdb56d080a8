"""How much the past tasks agree is measured once, until one of them or the model is another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from headstart_server.knowledge.fingerprints import Fingerprints
from headstart_server.knowledge.observations import Observations, observations_of
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.other_tasks import SourceScores
from headstart_server.warm_start.service import WarmStartService

NAMES = Fingerprints()


def source(task_id: str) -> Observations:
    task = Task(task_id, "", "accuracy", True, {}, {}, "", 0.0)
    return observations_of(task, "space", NAMES, [f"{number:032x}" for number in range(60)], np.arange(60.0))


class Prediction:
    """Every task agrees with every other, or where it is ``away`` none says anything."""

    def __init__(self) -> None:
        self.version = "one"
        self.away = False
        self.asked = 0

    def version_name(self, namespace: str, space_id: str) -> str:
        return self.version

    def source_scores(
        self, namespace: str, space_id: str, names: list[str], recorded: Any, sources: Any
    ) -> SourceScores | None:
        self.asked += 1
        if self.away:
            return None
        scores = np.array([[int(name, 16)] * 3 for name in names], np.float64)
        return SourceScores(("a", "b", "c"), scores, self.version)


def size(service: WarmStartService, sources: list[Observations]) -> int:
    weights = {each.task.task_id: 1.0 for each in sources}
    judgement: Any = SimpleNamespace(compared=SimpleNamespace(sources=sources), gate=SimpleNamespace(weights=weights))
    return service._portfolio_size("default", "space", judgement)


def service_with(prediction: Prediction) -> WarmStartService:
    knowledge: Any = SimpleNamespace(architectures=lambda namespace, space_id, names: {})
    return WarmStartService(None, knowledge, prediction, 0.0, 1.0)  # type: ignore[arg-type]


def test_agreement_is_measured_once_for_a_model_and_what_its_sources_hold() -> None:
    prediction = Prediction()
    service = service_with(prediction)
    sources = [source("a"), source("b"), source("c")]
    assert [size(service, sources) for _ in range(3)] == [8, 8, 8]
    assert prediction.asked == 1
    # What another result makes of a source is another object.
    size(service, [*sources[:2], source("c")])
    assert prediction.asked == 2
    prediction.version = "two"
    size(service, sources)
    assert prediction.asked == 3


def test_what_is_not_said_while_the_model_is_away_is_asked_again() -> None:
    prediction = Prediction()
    service = service_with(prediction)
    sources = [source("a"), source("b"), source("c")]
    prediction.away = True
    assert size(service, sources) == 4
    prediction.away = False
    assert size(service, sources) == 8


def test_agreements_are_forgotten_beyond_a_number() -> None:
    prediction = Prediction()
    service = service_with(prediction)
    for _ in range(30):
        size(service, [source("a"), source("b")])
    assert prediction.asked == 30
    assert len(service._tastes) < 10
