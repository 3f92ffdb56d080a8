"""Small networks, and three ways to train one on a target: as a plan says, all layers at once, and from scratch."""

from __future__ import annotations

import copy

import torch
from torch import nn

from benchmarks.transfer.pairs import Data
from headstart.torch import apply_plan, train_mode
from headstart.values import FineTuningPlan, FineTuningStage

BATCH = 16
PRETRAINING_EPOCHS = 30
PRETRAINING_RATE = 2e-3


def network(data: Data, width: int) -> nn.Module:
    """Three convolutions or layers of units, and two layers that decide."""
    if data.inputs.ndim == 3:
        return nn.Sequential(
            nn.Unflatten(1, (1, data.inputs.shape[1])),
            *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            *(nn.Linear(8 * width, 4 * width), nn.ReLU()),
            nn.Linear(4 * width, data.classes),
        )
    return nn.Sequential(
        *(nn.Linear(data.inputs.shape[1], 2 * width), nn.ReLU()),
        *(nn.Linear(2 * width, 2 * width), nn.ReLU()),
        *(nn.Linear(2 * width, 2 * width), nn.ReLU()),
        nn.Linear(2 * width, data.classes),
    )


def pretrained(data: Data, width: int, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = network(data, width)
    _train(model, torch.optim.Adam(model.parameters(), PRETRAINING_RATE), data, epochs)
    return model


def by_plan(
    source: nn.Module, data: Data, classes: int, plan: FineTuningPlan, learning_rate: float, seed: int
) -> nn.Module:
    torch.manual_seed(seed)
    model = for_classes(source, classes)
    for number, stage in enumerate(plan.stages):
        optimizer = torch.optim.Adam(apply_plan(model, plan, number, learning_rate))
        _train(model, optimizer, data, stage.epochs)
    return model


def all_at_once(source: nn.Module, data: Data, classes: int, epochs: int, learning_rate: float, seed: int) -> nn.Module:
    """A new last layer, and every layer learns from the first epoch at the same rate."""
    plan = FineTuningPlan((FineTuningStage(epochs, 0.0, 1.0),), new_head=True)
    return by_plan(source, data, classes, plan, learning_rate, seed)


def from_scratch(data: Data, width: int, epochs: int, learning_rate: float, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model = network(data, width)
    _train(model, torch.optim.Adam(model.parameters(), learning_rate), data, epochs)
    return model


def for_classes(source: nn.Module, classes: int) -> nn.Module:
    """A copy whose last layer has so many units, with new weights."""
    assert isinstance(source, nn.Sequential)
    model = copy.deepcopy(source)
    last = model[-1]
    assert isinstance(last, nn.Linear)
    model[-1] = nn.Linear(last.in_features, classes)
    return model


def accuracy(model: nn.Module, data: Data) -> float:
    model.eval()
    with torch.no_grad():
        told = model(torch.from_numpy(data.inputs)).argmax(1)
    return float((told == torch.from_numpy(data.labels)).float().mean())


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, data: Data, epochs: int) -> None:
    inputs, labels = torch.from_numpy(data.inputs), torch.from_numpy(data.labels)
    rates = [group["lr"] for group in optimizer.param_groups]
    for epoch in range(epochs):
        train_mode(model)
        # To a tenth by the end, the same for all three ways.
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - 0.9 * epoch / epochs)
        for batch in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), labels[batch]).backward()
            optimizer.step()
