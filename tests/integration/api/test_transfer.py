"""TransferArchitecture, asked of a running service."""

from __future__ import annotations

import random

import pytest

import headstart
from headstart import Candidate, Categorical, Integer, Objective, Parameter, SearchSpace, Task
from headstart.spaces import ParameterRole, candidate_violations, sample
from headstart.values import MultiTaskObjective

SPACE = SearchSpace(
    "convnet",
    (
        Parameter("pixels", Categorical((8, 16, 28, 32)), role=ParameterRole.INPUT_SIZE),
        Parameter("classes", Integer(2, 100), role=ParameterRole.OUTPUT_UNITS),
        Parameter("width", Integer(4, 512, logarithmic=True), role=ParameterRole.WIDTH),
        Parameter("halvings", Integer(0, 4), role=ParameterRole.DOWNSAMPLING),
        Parameter("kernel", Categorical((1, 3, 5, 7))),
    ),
)
SHAPES = {"large": (32.0, 100.0, 50_000.0), "small": (8.0, 10.0, 500.0), "middle": (16.0, 20.0, 5_000.0)}
CANDIDATE = Candidate({"pixels": 32, "classes": 100, "width": 128, "halvings": 3, "kernel": 3})


def quality(candidate: Candidate) -> float:
    return float(candidate.values["kernel"]) + float(candidate.values["width"]) / 1000


def task(name: str, metric: str = "accuracy", direction: headstart.Direction = headstart.Direction.MAXIMIZE) -> Task:
    size, classes, instances = SHAPES[name]
    return Task(
        name,
        Objective(metric, direction),
        descriptor={"modality": "image"},
        meta_features={"image_size": size, "classes": classes, "instances": instances},
    )


@pytest.fixture
def client(service):
    with headstart.connect(service.address) as client:
        client.create_search_space(SPACE)
        for name in ("large", "small"):
            client.create_task(task(name))
        client.create_task(task("middle", "loss", headstart.Direction.MINIMIZE))
        yield client


def record(client: headstart.Client, task_id: str, sign: float, seed: int, count: int = 60) -> None:
    generator = random.Random(seed)
    for _ in range(count):
        candidate = sample(SPACE, generator)
        client.record(task_id, SPACE.search_space_id, candidate, headstart.completed(sign * quality(candidate)))


def test_a_candidate_is_made_to_fit_with_reasons_a_plan_and_an_honest_interval(client):
    answer = client.transfer_architecture("convnet", CANDIDATE, "large", "small")
    [own] = answer.architectures
    assert answer.proposal is None
    assert own.candidate.values["pixels"] == 8
    assert own.candidate.values["classes"] == 10
    assert own.candidate.values["width"] < 128
    assert own.candidate.values["halvings"] == 1
    assert own.candidate.values["kernel"] == 3
    assert {change.parameter for change in own.changes} == {"pixels", "classes", "width", "halvings"}
    assert all(change.reason for change in own.changes)
    assert list(candidate_violations(SPACE, own.candidate)) == []
    assert own.transferability.interval.upper - own.transferability.interval.lower > 0.5
    assert "expected from" in own.transferability_basis
    assert own.plan.stages[0].frozen_share == 1.0
    assert own.plan.new_head


def test_measured_agreement_tells_whatever_the_direction(client):
    record(client, "large", 1.0, seed=1)
    record(client, "small", -1.0, seed=2)
    record(client, "middle", -1.0, seed=3)
    answer = client.transfer_architecture("convnet", CANDIDATE, "large", ["small", "middle"])
    small, middle = answer.architectures
    # On "small" less is better where more was; "middle" minimises the same thing negated.
    assert small.transferability.mean < -0.4
    assert middle.transferability.mean > 0.4
    assert "Kendall tau" in small.transferability_basis
    interval = middle.transferability.interval
    assert interval.upper - interval.lower < 0.5


def test_several_targets_get_one_candidate_best_on_average_or_at_worst(client):
    record(client, "small", 1.0, seed=4)
    record(client, "middle", -1.0, seed=5)
    answer = client.transfer_architecture(
        "convnet", CANDIDATE, "large", ["small", "middle"], objective=MultiTaskObjective.WORST_CASE
    )
    proposal = answer.proposal
    assert set(proposal.expected_ranks) == {"small", "middle"}
    assert proposal.candidate.values["kernel"] == 7
    assert min(proposal.expected_ranks.values()) > 0.6
    # Fits both: the smaller picture, the more classes.
    assert (proposal.candidate.values["pixels"], proposal.candidate.values["classes"]) == (8, 20)
    assert "worst" in proposal.reason


def test_one_for_all_says_where_nothing_tells_candidates_apart(client):
    proposal = client.transfer_architecture("convnet", CANDIDATE, "large", ["small", "middle"]).proposal
    assert set(proposal.expected_ranks.values()) == {0.5}
    assert "nothing tells them apart" in proposal.reason


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"target_task_ids": []}, "target_task_ids"),
        ({"target_task_ids": ["small", "small"]}, "target_task_ids"),
        ({"target_task_ids": [f"t{i}" for i in range(65)]}, "target_task_ids"),
        ({"candidate": Candidate({**CANDIDATE.values, "kernel": 2})}, "candidate.values[kernel]"),
        ({"target_task_ids": ["small"], "target_weights": {"middle": 1.0}}, "target_weights[middle]"),
        ({"target_weights": {"small": -1.0}}, "target_weights[small]"),
    ],
)
def test_bad_input_names_its_field(client, changes, field):
    asked = {"candidate": CANDIDATE, "source_task_id": "large", "target_task_ids": ["small"], **changes}
    with pytest.raises(headstart.InvalidArgument) as raised:
        client.transfer_architecture("convnet", **asked)
    assert field in str(raised.value)


@pytest.mark.parametrize("changes", [{"source_task_id": "none"}, {"target_task_ids": ["small", "none"]}])
def test_unknown_tasks_are_not_found(client, changes):
    asked = {"candidate": CANDIDATE, "source_task_id": "large", "target_task_ids": ["small"], **changes}
    with pytest.raises(headstart.NotFound):
        client.transfer_architecture("convnet", **asked)
