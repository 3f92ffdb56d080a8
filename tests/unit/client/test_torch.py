"""Plans applied to real modules."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headstart.torch import apply_plan, layers_of, train_mode
from headstart.values import FineTuningPlan, FineTuningStage

PLAN = FineTuningPlan(
    (FineTuningStage(2, 1.0, 1.0), FineTuningStage(2, 0.5, 0.5), FineTuningStage(4, 0.0, 0.5)), new_head=True
)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, 3)
    )


def test_only_the_last_layer_learns_first_and_all_of_them_at_the_end() -> None:
    model = network()
    assert [group["name"] for group in apply_plan(model, PLAN, 0)] == ["6"]
    assert [name for name, own in model.named_parameters() if own.requires_grad] == ["6.weight", "6.bias"]
    assert [group["name"] for group in apply_plan(model, PLAN, 1)] == ["5", "6"]
    assert [group["name"] for group in apply_plan(model, PLAN, 2)] == ["0", "2", "5", "6"]
    assert all(own.requires_grad for own in model.parameters())


def test_learning_rates_fall_towards_the_input() -> None:
    rates = [group["lr"] for group in apply_plan(network(), PLAN, 2, learning_rate=1.0)]
    assert rates == [0.125, 0.25, 0.5, 1.0]


def test_what_is_frozen_stays_as_it_is_through_a_step_statistics_too() -> None:
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(apply_plan(model, PLAN, 0, learning_rate=0.1))
    head = {name: value.clone() for name, value in model.state_dict().items() if name.startswith("6")}
    nn.functional.cross_entropy(model(torch.randn(16, 4)), torch.zeros(16, dtype=torch.long)).backward()
    optimizer.step()
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("6"))
    assert not torch.equal(head["6.weight"], after["6.weight"])


def test_a_new_head_is_drawn_once() -> None:
    model = network()
    before = model[-1].weight.clone()
    apply_plan(model, PLAN, 0)
    fresh = model[-1].weight.clone()
    assert not torch.equal(before, fresh)
    apply_plan(model, PLAN, 1)
    assert torch.equal(fresh, model[-1].weight)


def test_layers_may_be_given_in_their_own_order() -> None:
    model = network()
    groups = apply_plan(model, PLAN, 1, layers=[model[0], model[2], model[6]])
    assert [group["name"] for group in groups] == ["1", "2"]


def test_shared_parameters_are_one_layer() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    model[1].bias = model[0].bias
    assert [name for name, _ in layers_of(model)] == ["0"]


def test_a_normalisation_freezes_with_the_layer_before_it_and_keeps_its_statistics_in_every_epoch() -> None:
    model = network()
    assert [(name, len(modules)) for name, modules in layers_of(model)] == [("0", 1), ("2", 2), ("5", 1), ("6", 1)]
    apply_plan(model, PLAN, 1)
    train_mode(model)
    before = model[3].running_mean.clone()
    model(torch.randn(16, 4))
    assert torch.equal(before, model[3].running_mean)
    assert [model[place].training for place in (0, 2, 3, 5, 6)] == [False, False, False, True, True]
    apply_plan(model, PLAN, 2)
    train_mode(model)
    model(torch.randn(16, 4))
    assert not torch.equal(before, model[3].running_mean)


def test_what_cannot_be_done_is_an_error() -> None:
    with pytest.raises(IndexError, match="3 stages"):
        apply_plan(network(), PLAN, 3)
    with pytest.raises(ValueError, match="no parameters"):
        apply_plan(nn.ReLU(), PLAN)
