"""The graph network: message passing in both directions, structural features, and one linear head per task.

It returns an embedding that all tasks share and, for every source task, a score on the scale of normal scores (higher
is better). ``training.fit`` trains it; ``task.predictor`` adapts it to a task.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from headstart_server.prediction.features.batch import Floats, GraphBatch
from headstart_server.prediction.graph.message_passing import ConnectedGraphs, GraphKernels


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of the network; 0 ops for a space without graphs."""

    op_count: int
    attribute_width: int
    structural_width: int
    task_count: int
    width: int = 48
    layers: int = 3
    embedding_width: int = 32


class GraphNetwork(nn.Module):
    """Graph neural network with one head for each task."""

    def __init__(self, shape: NetworkShape, kernels: GraphKernels) -> None:
        super().__init__()
        self.shape = shape
        self._kernels = kernels
        width = shape.width
        self.ops = nn.Embedding(max(shape.op_count, 1), width)
        self.attributes = nn.Linear(shape.attribute_width, width, bias=False) if shape.attribute_width else None
        self.layers = nn.ModuleList(_MessageLayer(width) for _ in range(shape.layers if shape.op_count else 0))
        self.normalise = nn.LayerNorm(2 * width)
        self.join = nn.Linear(2 * width + shape.structural_width, width)
        self.embed = nn.Linear(width, shape.embedding_width)
        self.heads = nn.Linear(shape.embedding_width, shape.task_count)

    def forward(self, batch: GraphBatch, structural: Floats) -> tuple[Tensor, Tensor]:
        """Embeddings [graphs, e] and scores [graphs, tasks]."""
        device = self.heads.weight.device
        joined = torch.cat([self.readout(batch, device), torch.from_numpy(structural).to(device)], dim=1)
        embeddings = torch.tanh(self.embed(nn.functional.gelu(self.join(joined))))
        return embeddings, self.heads(embeddings)

    def readout(self, batch: GraphBatch, device: torch.device) -> Tensor:
        """Sums over all nodes and over the output nodes, [graphs, 2 width]; zero for a space without graphs."""
        if not len(self.layers):
            return torch.zeros((batch.graphs, 2 * self.shape.width), device=device)
        graphs = self._kernels.connect(batch, device)
        features = self.ops(torch.from_numpy(batch.ops).to(device))
        if self.attributes is not None:
            features = features + self.attributes(torch.from_numpy(batch.attributes).to(device))
        for layer in self.layers:
            features = layer(graphs, features)
        outputs = torch.from_numpy(batch.outputs).to(device)[:, None]
        sums: Tensor = self.normalise(graphs.readout(torch.cat([features, features * outputs], dim=1)))
        return sums


class _MessageLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(3 * width, width)
        self.normalise = nn.LayerNorm(width)

    def forward(self, graphs: ConnectedGraphs, features: Tensor) -> Tensor:
        before = graphs.sum_neighbours(features, reverse=False)
        after = graphs.sum_neighbours(features, reverse=True)
        mixed: Tensor = self.normalise(self.mix(torch.cat([features, before, after], dim=1)))
        return features + nn.functional.gelu(mixed)
