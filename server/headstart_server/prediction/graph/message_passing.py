"""Graph kernels behind one interface: sums over neighbours, and readout of graphs.

DGL is the default wherever it imports. Plain torch gives equal results on Python versions and devices that DGL has no
build for.
"""

from __future__ import annotations

import logging
import os
import platform
from typing import Any, Literal, Protocol

import torch

from headstart_server.prediction.features.batch import GraphBatch
from headstart_server.runtime.errors import StartupError

_log = logging.getLogger(__name__)

KernelChoice = Literal["auto", "dgl", "torch"]


class ConnectedGraphs(Protocol):
    """The connections of one batch, on a device."""

    def sum_neighbours(self, features: torch.Tensor, reverse: bool) -> torch.Tensor:
        """The weighted sum of each node's predecessors' features (of its successors' if reversed): [nodes, d]."""

    def readout(self, features: torch.Tensor) -> torch.Tensor:
        """For every graph the sum of its nodes' features: [graphs, d]."""


class GraphKernels(Protocol):
    """An implementation of message passing."""

    name: str

    def connect(self, batch: GraphBatch, device: torch.device) -> ConnectedGraphs:
        """Move the edges of a batch to a device."""


def load_kernels(choice: KernelChoice = "auto") -> GraphKernels:
    """The kernels for a setting; "auto" takes DGL if it can be imported. Raises StartupError for "dgl" without DGL."""
    if choice == "torch":
        return TorchKernels()
    try:
        return DglKernels()
    except Exception as problem:  # DGL fails to import in many ways: missing, no build for this Python, broken library
        reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
        if choice == "dgl":
            raise StartupError(
                f"DGL cannot be loaded on Python {platform.python_version()} ({reason}); use Python 3.11 with "
                "dgl 1.1.3, or set HEADSTART_GRAPH_KERNELS=torch"
            ) from problem
        _log.info("graph kernels: torch, since DGL cannot be loaded (%s)", reason)
        return TorchKernels()


class TorchKernels:
    name = "torch"

    def connect(self, batch: GraphBatch, device: torch.device) -> ConnectedGraphs:
        return _TorchGraphs(batch, device)


class _TorchGraphs:
    def __init__(self, batch: GraphBatch, device: torch.device) -> None:
        self._source = torch.from_numpy(batch.source).to(device)
        self._target = torch.from_numpy(batch.target).to(device)
        self._weight = torch.from_numpy(batch.weight).to(device)[:, None]
        self._graph_of_node = torch.from_numpy(batch.graph_of_node).to(device)
        self._graphs = batch.graphs

    def sum_neighbours(self, features: torch.Tensor, reverse: bool) -> torch.Tensor:
        source, target = (self._target, self._source) if reverse else (self._source, self._target)
        messages = features.index_select(0, source) * self._weight
        return torch.zeros_like(features).index_add(0, target, messages)

    def readout(self, features: torch.Tensor) -> torch.Tensor:
        return features.new_zeros((self._graphs, features.shape[1])).index_add(0, self._graph_of_node, features)


class DglKernels:
    name = "dgl"

    def __init__(self) -> None:
        # If this variable is unset, DGL prompts for a backend and writes a file into the home directory.
        os.environ.setdefault("DGLBACKEND", "pytorch")
        import dgl

        self._dgl: Any = dgl

    def connect(self, batch: GraphBatch, device: torch.device) -> ConnectedGraphs:
        return _DglGraphs(self._dgl, batch, device)


class _DglGraphs:
    """One DGL graph of all edges with the sizes of its parts, without an object for each graph."""

    def __init__(self, dgl: Any, batch: GraphBatch, device: torch.device) -> None:
        self._dgl = dgl
        source, target = torch.from_numpy(batch.source), torch.from_numpy(batch.target)
        self._forward = self._graph(batch, source, target, device)
        self._backward = self._graph(batch, target, source, device)
        self._weight = torch.from_numpy(batch.weight).to(device)[:, None]

    def _graph(self, batch: GraphBatch, source: torch.Tensor, target: torch.Tensor, device: torch.device) -> Any:
        graph = self._dgl.graph((source, target), num_nodes=len(batch.ops))
        graph.set_batch_num_nodes(torch.from_numpy(batch.node_counts))
        graph.set_batch_num_edges(torch.from_numpy(batch.edge_counts))
        return graph.to(device)

    def sum_neighbours(self, features: torch.Tensor, reverse: bool) -> torch.Tensor:
        graph = self._backward if reverse else self._forward
        result: torch.Tensor = self._dgl.ops.u_mul_e_sum(graph, features, self._weight)
        return result

    def readout(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self._dgl.ops.segment_reduce(self._forward.batch_num_nodes(), features, reducer="sum")
        return result
