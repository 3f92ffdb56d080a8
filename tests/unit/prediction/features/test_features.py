"""What is counted in a candidate, and where values outside the graph have their place."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest

from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Graph,
    Node,
    OpRole,
    Ordering,
    Parameter,
    SearchSpace,
    Value,
    canonicalize,
    mlp_classifier,
    nas_bench_201,
    nas_bench_graph,
    sample,
)
from headstart_server.prediction.features.batch import BatchAssembler
from headstart_server.prediction.features.layout import feature_layout, layout_from_json, layout_to_json
from headstart_server.prediction.features.structural import StructuralFeatures, structural_embedding
from tests.unit.prediction.toys import SPACE, toy_canonicals


@pytest.mark.parametrize("space", [nas_bench_201(), nas_bench_graph(), mlp_classifier()])
def test_features_have_one_length_in_a_space_and_are_finite(space: SearchSpace) -> None:
    generator = random.Random(0)
    canonicals = [canonicalize(space, sample(space, generator)) for _ in range(50)]
    one_by_one = np.concatenate(
        [StructuralFeatures(feature_layout(space)).vectors([canonical]) for canonical in canonicals]
    )
    together = StructuralFeatures(feature_layout(space)).vectors(canonicals)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-6)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    assert len(StructuralFeatures(feature_layout(space)).vectors([])) == 0


def test_features_tell_different_cells_apart() -> None:
    canonicals = toy_canonicals(300)
    assert len(np.unique(StructuralFeatures(feature_layout(SPACE)).vectors(canonicals), axis=0)) > 290


def test_longest_and_shortest_paths_are_counted_in_ops() -> None:
    space = SearchSpace("evolved", op_roles={"in": OpRole.INPUT, "out": OpRole.OUTPUT, "a": None}, explicit_graphs=True)  # type: ignore[dict-item]
    chain = Graph(tuple(Node(op) for op in ("in", "a", "a", "a", "out")), ((0, 1), (1, 2), (2, 3), (3, 4), (0, 3)))
    vector = StructuralFeatures(feature_layout(space)).vectors([canonicalize(space, Candidate({}, chain))])[0]
    # Three ops on the longest way, one on the shortest, two ways in all: the last three numbers before attributes.
    longest, shortest, ways = vector[-32 - 3 :][:3]
    np.testing.assert_allclose([longest, shortest, ways], np.log1p([3.0, 1.0, 2.0]), rtol=1e-5)


def test_inactive_parameters_and_logarithmic_ranges_have_their_places() -> None:
    space = mlp_classifier()
    values = {
        "depth": 1,
        "width": 8,
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 1e-1,
        "weight_decay": 1e-6,
        "dropout": 0.25,
    }
    vector = StructuralFeatures(feature_layout(space)).vectors([canonicalize(space, Candidate(values))])[0]
    expected = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0, 1.0, 0.0, 0.5]
    np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_layout_survives_json() -> None:
    for space in (nas_bench_201(), mlp_classifier(), ORDERED):
        layout = feature_layout(space)
        assert layout_from_json(json.loads(json.dumps(layout_to_json(layout)))) == layout


def test_a_thousand_known_candidates_assemble_in_milliseconds() -> None:
    canonicals = toy_canonicals(1000)
    assembler = BatchAssembler(feature_layout(SPACE))
    features = StructuralFeatures(assembler.layout, assembler)
    features.vectors(canonicals)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        assembler.assemble(canonicals)
        features.vectors(canonicals)
        times.append(time.perf_counter() - started)
    # Measured 2 ms; the machine may be busy.
    assert min(times) < 0.05


ORDERED = SearchSpace(
    "ordered",
    (
        Parameter("kind", Categorical(("a", "b"))),
        Parameter("size", Categorical((64, 8, 512))),
        Parameter("grade", Categorical(("low", "middle", "high", "top"), Ordering.ORDERED), Condition("kind", ("b",))),
        Parameter("code", Categorical((3, 1, 2), Ordering.UNORDERED)),
        Parameter("pair", Categorical((1, 2))),
        Parameter("only", Categorical(("x",), Ordering.ORDERED)),
    ),
)


def test_ordered_choices_have_one_place_for_their_rank() -> None:
    layout = feature_layout(ORDERED)

    def places(**values: Value) -> list[float]:
        candidate = canonicalize(ORDERED, Candidate({"code": 1, "pair": 2, "only": "x", **values}))
        return layout.encode_values(candidate.values)

    assert places(kind="a", size=64.0) == [1, 0, 0.5, 0.5, 0, 0, 1, 0, 0, 1, 0.5]
    assert places(kind="b", size=512, grade="low") == [0, 1, 1, 0, 1, 0, 1, 0, 0, 1, 0.5]
    assert places(kind="b", size=8, grade="high") == [0, 1, 0, pytest.approx(2 / 3), 1, 0, 1, 0, 0, 1, 0.5]
    assert layout.value_width == 11


def test_a_layout_stored_before_there_were_orders_has_a_place_for_each_choice() -> None:
    stored = {"ops": [], "input_ops": [], "output_ops": [], "hashed_ops": 0, "attribute_width": 0}
    size = {"choices": [64, 8, 512], "lower": 0.0, "upper": 0.0, "logarithmic": False, "conditional": True}
    layout = layout_from_json({**stored, "parameters": [{"name": "size", **size}]})
    assert layout.encode_values((("size", 8),)) == [0, 1, 0, 1]
    # And one without orders is stored so that the version before reads it.
    assert layout_to_json(layout) == {**stored, "parameters": [{"name": "size", **size}]}


def test_vectors_with_ordered_places_are_not_taken_for_those_without() -> None:
    names = {space.search_space_id: structural_embedding(feature_layout(space)) for space in (SPACE, ORDERED)}
    assert names == {SPACE.search_space_id: "structural-1", "ordered": "structural-2"}
