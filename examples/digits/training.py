"""Trains one candidate with torch on a data set that comes with scikit-learn, and says honestly what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from headstart.spaces import Candidate, CanonicalGraph, SearchSpace, canonicalize
from headstart.values import CurvePoint, ExperimentStatus, Objective, Outcome, Task

BATCH_SIZE = 64

_LOADERS = {
    "wine": datasets.load_wine,
    "breast-cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}
DATASETS = tuple(_LOADERS)

# Whether to stop, given the learning curve so far.
ShouldStop = Callable[[Sequence[CurvePoint]], bool]


@dataclass(frozen=True)
class Split:
    features: Tensor
    labels: Tensor
    validation_features: Tensor
    validation_labels: Tensor
    class_count: int


@cache
def load_split(name: str) -> Split:
    """A data set, standardized, with a quarter of its rows for validation."""
    rows, labels = _LOADERS[name](return_X_y=True)
    known, unknown, known_labels, unknown_labels = train_test_split(
        rows, labels, test_size=0.25, random_state=0, stratify=labels
    )
    scaler = StandardScaler().fit(known)
    return Split(
        torch.tensor(scaler.transform(known), dtype=torch.float32),
        torch.tensor(known_labels),
        torch.tensor(scaler.transform(unknown), dtype=torch.float32),
        torch.tensor(unknown_labels),
        len(set(labels.tolist())),
    )


def describe(name: str, epochs: int, run: str) -> Task:
    """What the service is told about a data set: words and numbers by which it finds similar ones."""
    split = load_split(name)
    return Task(
        task_id=f"sklearn-{name}-{run}",
        objective=Objective("validation_accuracy"),
        description=f"Classification of scikit-learn's {name} data",
        descriptor={
            "modality": "image" if name == "digits" else "table",
            "problem": "classification",
            "dataset": name,
        },
        meta_features={
            "instances": float(len(split.features) + len(split.validation_features)),
            "features": float(split.features.shape[1]),
            "classes": float(split.class_count),
        },
        fidelity_unit="epoch",
        max_fidelity=float(epochs),
    )


class Network(nn.Module):
    """The network that a canonical graph describes: equivalent candidates build the same one."""

    def __init__(self, graph: CanonicalGraph, feature_count: int, class_count: int, dropout: float) -> None:
        super().__init__()
        self._ops = graph.ops
        self._sources = [
            [source for source, target, times in graph.edges if target == node for _ in range(times)]
            for node in range(len(graph.ops))
        ]
        self._order = _topological(self._sources)
        self._dropout = nn.Dropout(dropout)
        self._layers = nn.ModuleDict()
        widths: dict[int, int] = {}
        for node in self._order:
            incoming = sum(widths[source] for source in self._sources[node])
            if graph.ops[node] == "input":
                widths[node] = feature_count
            elif graph.ops[node] == "output":
                widths[node] = class_count
            else:
                widths[node] = int(dict(graph.attributes[node])["width"])
            if graph.ops[node] != "input":
                self._layers[str(node)] = nn.Linear(incoming, widths[node])
            if graph.ops[node] == "residual":
                self._layers[f"{node}-inner"] = nn.Linear(widths[node], widths[node])

    def forward(self, features: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        result = features
        for node in self._order:
            if self._ops[node] == "input":
                values[node] = features
                continue
            joined = torch.cat([values[source] for source in self._sources[node]], dim=1)
            linear = self._layers[str(node)](joined)
            if self._ops[node] == "output":
                result = linear
            else:
                values[node] = self._dropout(self._activated(node, linear))
        return result

    def _activated(self, node: int, linear: Tensor) -> Tensor:
        op = self._ops[node]
        if op == "residual":
            return linear + torch.relu(self._layers[f"{node}-inner"](linear))
        return {"relu": torch.relu, "tanh": torch.tanh, "gelu": nn.functional.gelu}[op](linear)


def train(
    space: SearchSpace,
    candidate: Candidate,
    dataset: str,
    *,
    epochs: int,
    seed: int,
    should_stop: ShouldStop = lambda curve: False,
) -> Outcome:
    """COMPLETED after all epochs, STOPPED where ``should_stop`` said so, FAILED where the loss is no longer finite."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    split = load_split(dataset)
    graph = canonicalize(space, candidate).graph
    assert graph is not None
    network = Network(graph, split.features.shape[1], split.class_count, float(candidate.values["dropout"]))
    optimizer = _optimizer(network, candidate)
    proxies = {"parameters": float(sum(weights.numel() for weights in network.parameters()))}
    curve: list[CurvePoint] = []

    def outcome(status: ExperimentStatus, value: float | None, fidelity: float | None = None) -> Outcome:
        return Outcome(
            status,
            value,
            learning_curve=tuple(curve),
            fidelity=fidelity,
            cost_seconds=time.perf_counter() - start,
            proxies=proxies,
            seed=seed,
        )

    for epoch in range(1, epochs + 1):
        if not math.isfinite(_train_epoch(network, optimizer, split)):
            return outcome(ExperimentStatus.FAILED, None, fidelity=float(epoch))
        curve.append(CurvePoint(float(epoch), _accuracy(network, split)))
        if epoch < epochs and should_stop(curve):
            return outcome(ExperimentStatus.STOPPED, curve[-1].value, fidelity=float(epoch))
    return outcome(ExperimentStatus.COMPLETED, curve[-1].value)


def _optimizer(network: Network, candidate: Candidate) -> torch.optim.Optimizer:
    values = candidate.values
    rate, decay = float(values["learning_rate"]), float(values["weight_decay"])
    if values["optimizer"] == "adam":
        return torch.optim.Adam(network.parameters(), lr=rate, weight_decay=decay)
    return torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=decay)


def _train_epoch(network: Network, optimizer: torch.optim.Optimizer, split: Split) -> float:
    """The last loss of the epoch; not finite where the training has diverged."""
    network.train()
    last = 0.0
    for rows in torch.randperm(len(split.features)).split(BATCH_SIZE):
        loss = nn.functional.cross_entropy(network(split.features[rows]), split.labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = loss.item()
        if not math.isfinite(last):
            break
    return last


@torch.no_grad()
def _accuracy(network: Network, split: Split) -> float:
    network.eval()
    return (network(split.validation_features).argmax(dim=1) == split.validation_labels).float().mean().item()


def _topological(sources: list[list[int]]) -> list[int]:
    order: list[int] = []
    while len(order) < len(sources):
        order += [
            node
            for node in range(len(sources))
            if node not in order and all(source in order for source in sources[node])
        ]
    return order
