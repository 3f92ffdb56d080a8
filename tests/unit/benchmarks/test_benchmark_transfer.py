"""Pairs of the benchmark of fine-tuning plans share no example, and its three ways are comparable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.transfer import tuning
from benchmarks.transfer.__main__ import FULL, PLAN, SCRATCH, figures_of, overall
from benchmarks.transfer.__main__ import Run as Measured
from benchmarks.transfer.pairs import CHOSEN_ON, REPORTED, pair
from headstart.values import FineTuningPlan, FineTuningStage


def test_reported_pairs_are_not_those_that_constants_were_chosen_on() -> None:
    assert len(REPORTED) == 5
    assert not REPORTED.keys() & CHOSEN_ON.keys()


@pytest.mark.parametrize("name", [*REPORTED, *CHOSEN_ON])
def test_a_pair_is_the_same_for_a_seed_and_shares_no_example(name: str) -> None:
    own = pair(name, 3, 5)
    assert len(own.train.labels) == 5 * own.train.classes
    assert own.test.classes == own.train.classes
    assert np.array_equal(own.train.inputs, pair(name, 3, 5).train.inputs)
    assert not np.array_equal(own.train.inputs, pair(name, 4, 5).train.inputs)
    seen = {row.tobytes() for row in own.train.inputs}
    # A handful of drawn digits look the same at half the resolution.
    assert sum(row.tobytes() in seen for row in own.test.inputs) <= 0.01 * len(own.test.labels)


@pytest.mark.parametrize("name", ["digits 0-4 to 5-9", "wine: first to last columns"])
def test_only_the_last_layer_differs_before_the_first_step(name: str) -> None:
    own = pair(name, 0, 5)
    torch.manual_seed(0)
    source = tuning.network(own.source, 8)
    made = tuning.for_classes(source, 7)
    assert isinstance(source, nn.Sequential) and isinstance(made, nn.Sequential)
    assert made(torch.from_numpy(own.train.inputs)).shape == (len(own.train.labels), 7)
    below = [name for name in source.state_dict() if not name.startswith(f"{len(source) - 1}.")]
    assert all(torch.equal(source.state_dict()[name], made.state_dict()[name]) for name in below)


def test_a_frozen_network_keeps_the_weights_of_its_source_and_the_source_is_left_alone() -> None:
    own = pair("wine: first to last columns", 0, 5)
    torch.manual_seed(0)
    source = tuning.network(own.source, 8)
    before = {name: value.clone() for name, value in source.state_dict().items()}
    plan = FineTuningPlan((FineTuningStage(2, 1.0, 1.0),), new_head=True)
    tuned = tuning.by_plan(source, own.train, own.train.classes, plan, 1e-2, 0)
    assert all(torch.equal(tuned.state_dict()[n], before[n]) for n in before if not n.startswith(f"{len(source) - 1}."))
    assert all(torch.equal(source.state_dict()[name], before[name]) for name in before)


def test_gains_are_taken_seed_by_seed() -> None:
    runs = [
        Measured("a", 5, seed, method, value)
        for seed in (0, 1)
        for method, value in ((PLAN, 0.6 + 0.2 * seed), (FULL, 0.5 + 0.2 * seed), (SCRATCH, 0.6 + 0.2 * seed))
    ]
    [told] = figures_of(runs)
    assert told["gain"][FULL].lower == pytest.approx(0.1)
    assert told["gain"][FULL].upper == pytest.approx(0.1)
    assert overall([told])["5"][SCRATCH].mean == pytest.approx(0.0)
