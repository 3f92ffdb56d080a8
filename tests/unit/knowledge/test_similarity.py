from __future__ import annotations

import numpy as np
import pytest

from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.similarity import Basis, Evidence, compare, measured_agreement, meta_feature_spreads
from headstart_server.knowledge.tasks import Task


def task(name: str, maximize: bool = True, descriptor: dict[str, str] | None = None, **numbers: float) -> Task:
    return Task(name, "", "accuracy", maximize, descriptor or {}, numbers, "", 0.0)


def observed(of: Task, values: dict[str, float]) -> Observations:
    return Observations(of, "space", tuple(values), np.array(list(values.values())), np.ones(len(values), dtype=bool))


def test_task_with_nearer_numbers_weighs_more():
    target, near, far = task("t", nodes=2708.0), task("n", nodes=3327.0), task("f", nodes=169343.0)
    spreads = meta_feature_spreads([target, near, far])
    assert compare(target, near, spreads, None).weight > compare(target, far, spreads, None).weight


def test_missing_numbers_are_left_out_not_zero():
    target, source = task("t", nodes=100.0, edges=7.0), task("s", nodes=100.0)
    spreads = {"nodes": 1.0, "edges": 1.0}
    found = compare(target, source, spreads, None)
    assert [(e.basis, e.value, e.count) for e in found.evidence] == [(Basis.META_FEATURES, 1.0, 1)]


def test_disagreement_takes_the_weight_away_and_never_makes_it_negative():
    target = task("t", descriptor={"domain": "graph"})
    twin = task("s", descriptor={"domain": "graph"})
    weights = [
        compare(target, twin, {}, Evidence(Basis.MEASURED_AGREEMENT, -0.8, count)).weight for count in (2, 10, 100)
    ]
    assert weights[0] > weights[1] >= weights[2] == 0.0


def test_agreement_between_a_maximized_and_a_minimized_task_follows_their_directions():
    up = observed(task("up"), {"a": 0.1, "b": 0.2, "c": 0.3})
    down = observed(task("down", maximize=False), {"a": 3.0, "b": 2.0, "c": 1.0})
    found = measured_agreement(up, down)
    assert found is not None
    assert (found.value, found.count) == (pytest.approx(1.0), 3)


def test_no_common_architecture_is_no_agreement():
    assert measured_agreement(observed(task("a"), {"x": 1.0}), observed(task("b"), {"y": 1.0})) is None
