from __future__ import annotations

import numpy as np
import pytest

from headstart_server.knowledge.observations.interning import Fingerprints
from headstart_server.knowledge.observations.observations import Observations, observations_of
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.tasks import Basis
from headstart_server.knowledge.tasks import Task
from headstart_server.warm_start.sources import weigh_sources
from tests.transferred import Transferred
from tests.transferred import ranked as ranked_list

NAMES = Fingerprints()


def observed(name: str, values: dict[str, float], maximize: bool = True) -> Observations:
    task = Task(name, "", "accuracy", maximize, {}, {}, "", 0.0)
    return observations_of(task, "space", NAMES, tuple(values), np.array(list(values.values())))


def ranked(*sources: Observations, weights: dict[str, float]) -> list[Transferred]:
    return ranked_list(sources, weights)


def test_what_several_sources_found_good_comes_first():
    one = observed("one", {"a": 0.9, "b": 0.8, "c": 0.1, "d": 0.2})
    two = observed("two", {"b": 0.9, "a": 0.1, "c": 0.2, "e": 0.3})
    best = ranked(one, two, weights={"one": 1.0, "two": 1.0})[0]
    assert best.fingerprint == "b"
    assert {evidence.task_id for evidence in best.evidence} == {"one", "two"}


def test_source_without_weight_takes_no_part():
    one, two = observed("one", {"a": 0.9, "b": 0.1}), observed("two", {"c": 0.9, "d": 0.1})
    assert [result.fingerprint for result in ranked(one, two, weights={"one": 1.0})] == ["a"]


def test_minimized_source_transfers_its_low_values():
    source = observed("loss", {"a": 0.1, "b": 0.9, "c": 0.5}, maximize=False)
    best = ranked(source, weights={"loss": 1.0})[0]
    assert best.fingerprint == "a"
    assert best.evidence[0].objective_value == 0.1
    assert best.evidence[0].quantile == 1.0


def test_evidence_points_at_the_experiment():
    source = observed("one", {"a": 0.3, "b": 0.9})
    assert ranked(source, weights={"one": 1.0})[0].evidence[0].sequence == 2


def test_measured_agreement_overrules_words():
    target = observed("target", {f"x{i}": float(i) for i in range(30)})
    friend = observed("friend", {f"x{i}": float(i) for i in range(30)})
    foe = observed("foe", {f"x{i}": -float(i) for i in range(30)})
    weights = {task.task_id: task.weight for task in weigh_sources(target, [friend, foe], {}, SimilarityContext())}
    assert weights["friend"] > 0.8
    assert weights["foe"] == 0.0


def test_model_of_a_source_speaks_where_nothing_was_measured_on_both():
    target = observed("target", {f"x{i}": float(i) for i in range(30)})
    source = observed("source", {"y": 1.0, "z": 2.0})
    scores = {"source": target.means.values.copy()}
    evidence = weigh_sources(target, [source], scores, SimilarityContext())[0].evidence[-1]
    assert (evidence.basis, evidence.value, evidence.count) == (Basis.MEASURED_AGREEMENT, pytest.approx(1.0), 30)
