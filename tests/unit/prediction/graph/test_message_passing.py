"""DGL and plain torch pass the same messages, and candidates are the same however their nodes are numbered."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch

from headstart.spaces import (
    Candidate,
    CanonicalCandidate,
    Graph,
    Node,
    OpRole,
    SearchSpace,
    canonical_graph,
    canonicalize,
)
from headstart_server.prediction.features.batch import BatchAssembler, GraphBatch
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.graph.message_passing import ConnectedGraphs, load_kernels
from headstart_server.prediction.graph.network import GraphNetwork, NetworkShape
from headstart_server.runtime.errors import StartupError

EXPLICIT = SearchSpace("evolved", op_roles={"in": OpRole.INPUT, "out": OpRole.OUTPUT}, explicit_graphs=True)
CPU = torch.device("cpu")


def random_graph(generator: random.Random) -> Graph:
    size = generator.randint(2, 12)
    inner = [
        Node(generator.choice(["conv", "pool", "mlp"]), {"width": generator.randint(1, 512), "bias": "yes"})
        for _ in range(size)
    ]
    nodes = (Node("in"), *inner, Node("out"))
    edges = [(a, b) for a in range(size + 2) for b in range(a + 1, size + 2) if generator.random() < 0.4]
    return Graph(nodes, tuple(edges))


def random_candidates(count: int, seed: int) -> list[CanonicalCandidate]:
    generator = random.Random(seed)
    return [canonicalize(EXPLICIT, Candidate({}, random_graph(generator))) for _ in range(count)]


def random_batch(seed: int) -> GraphBatch:
    batch = BatchAssembler(feature_layout(EXPLICIT)).assemble(random_candidates(20, seed))
    batch.weight[:] = np.random.default_rng(seed).integers(1, 5, len(batch.weight))
    return batch


def passed(graphs: ConnectedGraphs, batch: GraphBatch, seed: int) -> list[torch.Tensor]:
    """Sums both ways, the readout, and the gradient of all of it."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn((len(batch.ops), 7), generator=generator, requires_grad=True)
    forward, backward = graphs.sum_neighbours(features, reverse=False), graphs.sum_neighbours(features, reverse=True)
    read = graphs.readout(torch.sin(forward) + backward * features)
    read.square().sum().backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    return [forward, backward, read, features.grad]


@pytest.mark.parametrize("seed", range(5))
def test_dgl_and_torch_kernels_agree_forward_and_backward(seed: int) -> None:
    batch = random_batch(seed)
    by_dgl = passed(load_kernels("dgl").connect(batch, CPU), batch, seed)
    by_torch = passed(load_kernels("torch").connect(batch, CPU), batch, seed)
    for one, other in zip(by_dgl, by_torch, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(2))
def test_network_gives_equal_scores_with_either_kernel(seed: int) -> None:
    candidates = random_candidates(30, seed)
    features = StructuralFeatures(feature_layout(EXPLICIT))
    batch = BatchAssembler(features.layout).assemble(candidates)
    shape = NetworkShape(features.layout.op_count, features.layout.attribute_width, features.width, 3)
    scores = []
    for choice in ("dgl", "torch"):
        torch.manual_seed(seed)
        network = GraphNetwork(shape, load_kernels(choice)).eval()  # type: ignore[arg-type]
        scores.append(network(batch, features.vectors(candidates))[1])
    torch.testing.assert_close(scores[0], scores[1], rtol=1e-5, atol=1e-5)


def test_scores_and_features_do_not_depend_on_node_order() -> None:
    generator = random.Random(3)
    features = StructuralFeatures(feature_layout(EXPLICIT))
    network = GraphNetwork(
        NetworkShape(features.layout.op_count, features.layout.attribute_width, features.width, 2),
        load_kernels("torch"),
    ).eval()
    for _ in range(20):
        graph = random_graph(generator)
        order = list(range(len(graph.nodes)))
        generator.shuffle(order)
        place = {node: index for index, node in enumerate(order)}
        renumbered = Graph(
            tuple(graph.nodes[node] for node in order), tuple((place[a], place[b]) for a, b in graph.edges)
        )
        # Fingerprints of their own, so that nothing comes out of a cache.
        pair = [
            CanonicalCandidate(canonical_graph(each, EXPLICIT.op_roles), (), f"{number:016x}{random.random()}")
            for number, each in enumerate((graph, renumbered))
        ]
        vectors = features.vectors(pair)
        np.testing.assert_array_equal(vectors[0], vectors[1])
        scores = network(BatchAssembler(features.layout).assemble(pair), vectors)[1]
        torch.testing.assert_close(scores[0], scores[1])


def test_dgl_that_cannot_be_imported_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dgl", None)
    with pytest.raises(StartupError, match="HEADSTART_GRAPH_KERNELS=torch") as raised:
        load_kernels("dgl")
    assert "\n" not in str(raised.value)
    assert load_kernels("auto").name == "torch"


def test_auto_takes_dgl_where_it_imports() -> None:
    assert load_kernels("auto").name == "dgl"


def test_candidates_without_nodes_are_read_as_zero_by_either_kernel() -> None:
    empty = GraphBatch(
        ops=np.array([0, 0]),
        attributes=np.zeros((2, 0), np.float32),
        outputs=np.ones(2, np.float32),
        source=np.array([0]),
        target=np.array([1]),
        weight=np.ones(1, np.float32),
        node_counts=np.array([0, 2, 0]),
        edge_counts=np.array([0, 1, 0]),
        values=np.zeros((3, 0), np.float32),
    )
    for choice in ("dgl", "torch"):
        graphs = load_kernels(choice).connect(empty, CPU)  # type: ignore[arg-type]
        read = graphs.readout(torch.ones((2, 3)))
        torch.testing.assert_close(read, torch.tensor([[0.0] * 3, [2.0] * 3, [0.0] * 3]))
