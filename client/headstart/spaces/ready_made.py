"""Declarations of well-known search spaces."""

from __future__ import annotations

from headstart.spaces.declaration import (
    Categorical,
    Condition,
    EdgeTemplate,
    Float,
    GraphTemplate,
    Integer,
    NodeTemplate,
    OpRole,
    Parameter,
    SearchSpace,
    ValueOf,
)

NAS_BENCH_201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

NAS_BENCH_GRAPH_OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
NAS_BENCH_GRAPH_PROTEINS_OPS = ("gcn", "sage", "arma", "fc", "skip")

# For each of the four layers the layer it reads from; 0 is the input.
NAS_BENCH_GRAPH_LINKS = (
    "0,0,0,0",
    "0,0,0,1",
    "0,0,1,1",
    "0,0,1,2",
    "0,0,1,3",
    "0,1,1,1",
    "0,1,1,2",
    "0,1,2,2",
    "0,1,2,3",
)


def nas_bench_201() -> SearchSpace:
    """Cells of NAS-Bench-201 (Dong and Yang, ICLR 2020): four sums, an operation on each of the six edges between them.

    Operations are nodes here, ``op0`` .. ``op5`` on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; the sums are implied.
    """
    between = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    nodes = [NodeTemplate("input", "input"), NodeTemplate("output", "output")]
    edges = []
    for index, (start, end) in enumerate(between):
        name = f"op{index}"
        nodes.append(NodeTemplate(name, ValueOf(name)))
        if start == 0:
            edges.append(EdgeTemplate("input", name))
        if end == 3:
            edges.append(EdgeTemplate(name, "output"))
        edges += [EdgeTemplate(name, f"op{later}") for later, (source, _) in enumerate(between) if source == end]
    return SearchSpace(
        search_space_id="nas-bench-201",
        description="NAS-Bench-201 cells: 6 edges, 5 operations",
        parameters=tuple(Parameter(f"op{index}", Categorical(NAS_BENCH_201_OPS)) for index in range(6)),
        graph_template=GraphTemplate(tuple(nodes), tuple(edges)),
        op_roles={
            "input": OpRole.INPUT,
            "output": OpRole.OUTPUT,
            "none": OpRole.ZERO,
            "skip_connect": OpRole.IDENTITY,
        },
    )


def nas_bench_graph() -> SearchSpace:
    """NAS-Bench-Graph (Qin et al., NeurIPS 2022): four layers of a graph neural network, linked in one of nine ways."""
    return _nas_bench_graph("nas-bench-graph", NAS_BENCH_GRAPH_OPS)


def nas_bench_graph_proteins() -> SearchSpace:
    """The smaller space of NAS-Bench-Graph that its proteins task uses."""
    return _nas_bench_graph("nas-bench-graph-proteins", NAS_BENCH_GRAPH_PROTEINS_OPS)


def _nas_bench_graph(search_space_id: str, ops: tuple[str, ...]) -> SearchSpace:
    nodes = [NodeTemplate("input", "input"), NodeTemplate("output", "output")]
    nodes += [NodeTemplate(f"op{layer}", ValueOf(f"op{layer}")) for layer in range(1, 5)]
    edges = []
    for layer in range(1, 5):
        for source in range(layer):
            links = tuple(link for link in NAS_BENCH_GRAPH_LINKS if int(link.split(",")[layer - 1]) == source)
            if links:
                name = "input" if source == 0 else f"op{source}"
                edges.append(EdgeTemplate(name, f"op{layer}", Condition("link", links)))
        leaf = tuple(link for link in NAS_BENCH_GRAPH_LINKS if str(layer) not in link.split(","))
        edges.append(EdgeTemplate(f"op{layer}", "output", Condition("link", leaf)))
    return SearchSpace(
        search_space_id=search_space_id,
        description="NAS-Bench-Graph: 4 graph layers linked in one of 9 ways",
        parameters=(
            Parameter("link", Categorical(NAS_BENCH_GRAPH_LINKS)),
            *(Parameter(f"op{layer}", Categorical(ops)) for layer in range(1, 5)),
        ),
        graph_template=GraphTemplate(tuple(nodes), tuple(edges)),
        op_roles={"input": OpRole.INPUT, "output": OpRole.OUTPUT, "skip": OpRole.IDENTITY},
    )


def mlp_classifier() -> SearchSpace:
    """Hyperparameters of a small multilayer perceptron: a space without a graph."""
    return SearchSpace(
        search_space_id="mlp-classifier",
        description="A multilayer perceptron with its optimizer",
        parameters=(
            Parameter("depth", Integer(1, 3)),
            Parameter("width", Integer(8, 256, logarithmic=True)),
            Parameter("activation", Categorical(("relu", "tanh", "gelu"))),
            Parameter("optimizer", Categorical(("sgd", "adam"))),
            Parameter("momentum", Float(0.0, 0.99), Condition("optimizer", ("sgd",))),
            Parameter("learning_rate", Float(1e-4, 1e-1, logarithmic=True)),
            Parameter("weight_decay", Float(1e-6, 1e-1, logarithmic=True)),
            Parameter("dropout", Float(0.0, 0.5)),
        ),
    )
