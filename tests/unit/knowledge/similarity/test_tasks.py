from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from headstart_server.knowledge.observations.interning import Fingerprints
from headstart_server.knowledge.observations.observations import Observations, observations_of
from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.similarity.tasks import (
    Basis,
    SimilarityEvidence,
    SimilarTask,
    compare,
    measured_agreement,
    weight_of,
)
from headstart_server.knowledge.tasks import Task

NAMES = Fingerprints()


def task(name: str, maximize: bool = True, descriptor: dict[str, str] | None = None, **numbers: float) -> Task:
    return Task(name, "", "accuracy", maximize, descriptor or {}, numbers, "", 0.0)


def observed(of: Task, values: dict[str, float]) -> Observations:
    return observations_of(of, "space", NAMES, tuple(values), np.array(list(values.values())))


def compared(target: Task, *sources: Task, **known: Mapping[str, SimilarityEvidence]) -> dict[str, SimilarTask]:
    features = MetaFeatures.of([target, *sources])
    found = compare(target, sources, features, {}, known.get("agreements", {}), known.get("profiles", {}))
    return {similar.task_id: similar for similar in found}


def test_task_with_nearer_numbers_weighs_more():
    target, near, far = task("t", nodes=2708.0), task("n", nodes=3327.0), task("f", nodes=169343.0)
    found = compared(target, near, far)
    assert found["n"].weight > found["f"].weight


def test_missing_numbers_are_left_out_not_zero():
    target, source, other = task("t", nodes=100.0, edges=7.0), task("s", nodes=100.0), task("o", nodes=7.0, edges=9.0)
    (evidence,) = compared(target, source, other)["s"].evidence
    assert (evidence.basis, evidence.value, evidence.count) == (Basis.META_FEATURES, 1.0, 1)
    assert evidence.details == ("nodes: 100 and 100",)


def test_one_giant_does_not_make_all_others_alike():
    """By standard deviations a thousand and ten thousand rows would be the same beside a billion."""
    sizes = {"t": 1e3, "n": 2e3, "f": 1e4, "g": 1e9}
    target, near, far, giant = (task(name, rows=rows) for name, rows in sizes.items())
    found = compared(target, near, far, giant)
    assert found["n"].weight - found["f"].weight > 0.1


def test_disagreement_takes_the_weight_away_and_never_makes_it_negative():
    target, twin = task("t", descriptor={"domain": "graph"}), task("s", descriptor={"domain": "graph"})
    weights = [
        compared(target, twin, agreements={"s": SimilarityEvidence(Basis.MEASURED_AGREEMENT, -0.8, count)})["s"].weight
        for count in (2, 10, 100)
    ]
    assert weights[0] > weights[1] >= weights[2] == 0.0


def test_profile_counts_until_measurements_say_more():
    def weight(measured: int) -> float:
        evidence = [SimilarityEvidence(Basis.PERFORMANCE_PROFILE, 0.9, 200)]
        return weight_of(
            [*evidence, SimilarityEvidence(Basis.MEASURED_AGREEMENT, 0.1, measured)] if measured else evidence
        )

    assert weight(0) > 0.7 > weight(20) > weight(500)
    assert weight(500) == pytest.approx(0.1, abs=0.05)


def test_profile_from_few_results_counts_little():
    few, many = (weight_of([SimilarityEvidence(Basis.PERFORMANCE_PROFILE, 1.0, count)]) for count in (10, 100))
    assert 0.5 < few < many


def test_agreement_between_a_maximized_and_a_minimized_task_follows_their_directions():
    up = observed(task("up"), {"a": 0.1, "b": 0.2, "c": 0.3})
    down = observed(task("down", maximize=False), {"a": 3.0, "b": 2.0, "c": 1.0})
    found = measured_agreement(up, down)
    assert found is not None
    assert (found.value, found.count) == (pytest.approx(1.0), 3)


def test_no_common_architecture_is_no_agreement():
    assert measured_agreement(observed(task("a"), {"x": 1.0}), observed(task("b"), {"y": 1.0})) is None
