"""A candidate made to fit the data of another task."""

from __future__ import annotations

import random

import pytest

from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    Parameter,
    ParameterRole,
    SearchSpace,
    candidate_violations,
    sample,
)
from headstart_server.transfer.adapting import AdaptedCandidate, adapt
from headstart_server.transfer.data_shape import DataShape, data_shape, shape_for_all

SPACE = SearchSpace(
    "convnet",
    (
        Parameter("pixels", Categorical((8, 16, 28, 32, 64, 224)), role=ParameterRole.INPUT_SIZE),
        Parameter("channels", Integer(1, 4), role=ParameterRole.INPUT_CHANNELS),
        Parameter("classes", Integer(2, 1000), role=ParameterRole.OUTPUT_UNITS),
        Parameter("blocks", Integer(1, 8), role=ParameterRole.DEPTH),
        Parameter("width", Integer(8, 512, logarithmic=True), role=ParameterRole.WIDTH),
        Parameter("halvings", Integer(0, 5), role=ParameterRole.DOWNSAMPLING),
        Parameter("first_stride", Categorical((1, 2, 4)), role=ParameterRole.STRIDE),
        Parameter("batch", Categorical((8, 32, 128, 512)), role=ParameterRole.BATCH_SIZE),
        Parameter("learning_rate", Float(1e-4, 1e-1, logarithmic=True)),
    ),
)
LARGE = DataShape(size=64, channels=3, outputs=100, instances=50_000)
CANDIDATE = Candidate(
    {
        "pixels": 64,
        "channels": 3,
        "classes": 100,
        "blocks": 4,
        "width": 128,
        "halvings": 4,
        "first_stride": 1,
        "batch": 128,
        "learning_rate": 0.01,
    }
)


def adapted(target: DataShape, source: DataShape = LARGE, candidate: Candidate = CANDIDATE) -> AdaptedCandidate:
    return adapt(SPACE, candidate, source, target)


def test_nothing_changes_without_need() -> None:
    same = adapted(LARGE)
    assert same.candidate == CANDIDATE
    assert same.changes == ()


def test_input_and_output_follow_the_data() -> None:
    values = adapted(DataShape(size=28, channels=1, outputs=10, instances=50_000)).candidate.values
    assert (values["pixels"], values["channels"], values["classes"]) == (28, 1, 10)


def test_what_the_space_does_not_allow_is_the_nearest_and_says_so() -> None:
    changed = {each.parameter: each for each in adapted(DataShape(size=30, outputs=5000)).changes}
    assert changed["pixels"].after == 32
    assert "nearest" in changed["pixels"].reason
    assert changed["classes"].after == 1000


def test_capacity_falls_with_the_data_width_more_than_depth() -> None:
    values = adapted(DataShape(size=64, channels=3, outputs=100, instances=500)).candidate.values
    # 500 / 50,000 to the power of .24 and .12.
    assert values["width"] == round(128 * 0.01**0.24)
    assert values["blocks"] == round(4 * 0.01**0.12)


def test_data_of_about_the_same_size_leave_capacity_alone() -> None:
    assert adapted(DataShape(size=64, channels=3, outputs=100, instances=30_000)).candidate == CANDIDATE


@pytest.mark.parametrize("size", [8.0, 16.0, 28.0, 32.0, 64.0])
def test_four_pixels_reach_the_last_layer_and_what_one_sees_keeps_its_share(size: float) -> None:
    values = adapted(DataShape(size=size, channels=3, outputs=100, instances=50_000)).candidate.values
    halvings, stride = int(values["halvings"]), int(values["first_stride"])
    assert size / (2**halvings * stride) >= 4 or (halvings, stride) == (0, 1)
    if size == 32.0:
        assert halvings == 3


def test_pixels_are_counted_as_they_enter_the_network() -> None:
    """Pictures of 30 pixels are scaled to the 32 that the space allows, of which three halvings leave four."""
    values = adapted(DataShape(size=30, channels=3, outputs=100, instances=50_000)).candidate.values
    assert (values["pixels"], values["halvings"]) == (32, 3)


def test_higher_resolution_is_halved_more_often() -> None:
    assert adapted(DataShape(size=224, channels=3, outputs=100, instances=50_000)).candidate.values["halvings"] == 5


def test_stride_gives_way_where_halving_alone_does_not_suffice() -> None:
    candidate = Candidate({**CANDIDATE.values, "halvings": 0, "first_stride": 4})
    values = adapted(DataShape(size=8), candidate=candidate).candidate.values
    assert (values["halvings"], values["first_stride"]) == (0, 2)


def test_a_batch_holds_at_most_a_tenth_of_the_examples() -> None:
    assert adapted(DataShape(instances=400)).candidate.values["batch"] == 32


def test_unknown_data_change_nothing() -> None:
    assert adapted(DataShape()).candidate == CANDIDATE
    assert adapted(DataShape(instances=500), source=DataShape()).candidate.values["width"] == 128


def test_parameters_that_come_into_effect_take_after_their_siblings_and_those_that_go_are_told() -> None:
    units = Integer(4, 256)
    space = SearchSpace(
        "mlp",
        (
            Parameter("depth", Integer(1, 3), role=ParameterRole.DEPTH),
            Parameter("units_1", units, role=ParameterRole.WIDTH),
            Parameter("units_2", units, Condition("depth", (2, 3)), ParameterRole.WIDTH),
        ),
    )
    small, large = DataShape(instances=100), DataShape(instances=100_000)
    grown = adapt(space, Candidate({"depth": 1, "units_1": 10}), small, large)
    assert grown.candidate.values["depth"] == 2
    assert grown.candidate.values["units_2"] == grown.candidate.values["units_1"] == round(10 * 1000**0.24)
    shrunk = adapt(space, Candidate({"depth": 2, "units_1": 50, "units_2": 70}), large, small)
    assert shrunk.candidate.values["depth"] == 1
    gone = next(each for each in shrunk.changes if each.parameter == "units_2")
    assert (gone.before, gone.after) == (70, None)


def test_every_answer_is_valid_in_the_space_and_every_difference_has_its_reason() -> None:
    generator = random.Random(0)
    for _ in range(300):
        candidate = sample(SPACE, generator)
        target = DataShape(
            generator.choice([None, 4.0, 30.0, 300.0]),
            generator.choice([None, 1.0, 9.0]),
            generator.choice([None, 2.0, 5000.0]),
            generator.choice([None, 10.0, 1e7]),
        )
        result = adapted(target, candidate=candidate)
        assert list(candidate_violations(SPACE, result.candidate)) == []
        differing = {name for name in candidate.values if candidate.values[name] != result.candidate.values.get(name)}
        assert differing == {each.parameter for each in result.changes}
        assert all(each.reason for each in result.changes)


def test_shape_of_data_from_meta_features() -> None:
    assert data_shape({"width": 32.0, "height": 8.0, "channels": 3.0}) == DataShape(size=16.0, channels=3.0)
    assert data_shape({"features": 13.0, "classes": 3.0, "instances": 178.0}) == DataShape(None, 13.0, 3.0, 178.0)
    assert data_shape({"instances": 0.0}) == DataShape()
    assert data_shape({"nodes": 2_000.0, "labelled_share": 0.05}).instances == pytest.approx(100)


def test_one_shape_for_all() -> None:
    shapes = [DataShape(32, 3, 10, 100), DataShape(16, 1, 100, 10_000), DataShape()]
    result = shape_for_all(shapes)
    assert (result.size, result.channels, result.outputs) == (16, 3, 100)
    assert result.instances == pytest.approx(1000)
