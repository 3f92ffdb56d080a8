"""Equivalent candidates have one fingerprint, others do not."""

from __future__ import annotations

import hashlib
import random
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    Graph,
    GraphTemplate,
    Node,
    NodeTemplate,
    OpRole,
    Ordering,
    Parameter,
    SearchSpace,
    ValueOf,
    canonical_graph,
    canonicalize,
    enumerate_space,
    mlp_classifier,
    nas_bench_201,
    nas_bench_graph,
    sample,
)
from headstart.spaces.canonical_graph import instantiate

ROLES = {"in": OpRole.INPUT, "out": OpRole.OUTPUT, "zero": OpRole.ZERO, "skip": OpRole.IDENTITY}
OPS = ("conv", "pool", "dense", "zero", "skip")


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Directed acyclic graphs from an input (node 0) to an output (the last), with ops of every role between."""
    count = draw(st.integers(0, 9))
    inner = [
        Node(op, {"width": width} if width else {})
        for op, width in draw(
            st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 2)), min_size=count, max_size=count)
        )
    ]
    nodes = (Node("in"), *inner, Node("out"))
    pairs = [(source, target) for target in range(len(nodes)) for source in range(target)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=len(pairs)))
    return Graph(nodes, tuple(edges))


def test_fingerprints_stay_what_databases_hold() -> None:
    """What is computed faster must still be the same: else a recorded architecture would be taken for a new one."""
    generator = random.Random(0)
    digest = hashlib.sha256()
    for space in (nas_bench_201(), nas_bench_graph(), mlp_classifier()):
        for _ in range(300):
            digest.update(canonicalize(space, sample(space, generator)).fingerprint.encode())
    explicit = SearchSpace("any", explicit_graphs=True, op_roles=ROLES)
    for count in [*range(2, 12), 20, 40, 60] * 10:
        nodes = [Node(OPS[generator.randrange(5)], {"width": generator.randrange(2)}) for _ in range(count)]
        pairs = [(source, target) for target in range(count) for source in range(target)]
        edges = [pair for pair in pairs if generator.random() < 4 / count]
        graph = Graph((*nodes[:-1], Node("out")), (*edges, *edges[:2]))
        digest.update(canonicalize(explicit, Candidate(graph=graph)).fingerprint.encode())
    assert digest.hexdigest()[:16] == "12e5e7731920bb36"


def renumbered(graph: Graph, generator: random.Random) -> Graph:
    order = list(range(len(graph.nodes)))
    generator.shuffle(order)
    place = {node: index for index, node in enumerate(order)}
    edges = [(place[source], place[target]) for source, target in graph.edges]
    generator.shuffle(edges)
    return Graph(tuple(graph.nodes[node] for node in order), tuple(edges))


@settings(max_examples=300, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_canonical_graph_does_not_depend_on_node_order(graph: Graph, generator: random.Random) -> None:
    assert canonical_graph(renumbered(graph, generator), ROLES) == canonical_graph(graph, ROLES)


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_canonical_graph_has_no_zero_identity_or_dead_node(graph: Graph) -> None:
    canonical = canonical_graph(graph, ROLES)
    assert not {"zero", "skip"} & set(canonical.ops)
    sources = {source for source, _, _ in canonical.edges}
    targets = {target for _, target, _ in canonical.edges}
    for index, op in enumerate(canonical.ops):
        assert op == "out" or index in sources or op == "in"
        assert op == "in" or index in targets or op == "out"


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_canonical_form_of_a_canonical_graph_is_itself(graph: Graph) -> None:
    canonical = canonical_graph(graph, ROLES)
    if any(count > 1 for _, _, count in canonical.edges):
        return  # Parallel paths through identities cannot be written as a plain graph.
    nodes = tuple(Node(op, dict(held)) for op, held in zip(canonical.ops, canonical.attributes, strict=True))
    plain = Graph(nodes, tuple((source, target) for source, target, _ in canonical.edges))
    assert canonical_graph(plain, ROLES) == canonical


def chain(*ops: str) -> Graph:
    nodes = (Node("in"), *(Node(op) for op in ops), Node("out"))
    return Graph(nodes, tuple((index, index + 1) for index in range(len(nodes) - 1)))


def test_zero_removes_every_path_through_it() -> None:
    assert canonical_graph(chain("conv", "zero", "pool"), ROLES) == canonical_graph(
        Graph((Node("in"), Node("out")), ()), ROLES
    )


def test_identities_are_contracted() -> None:
    assert canonical_graph(chain("skip", "conv", "skip", "skip"), ROLES) == canonical_graph(chain("conv"), ROLES)


def test_parallel_identities_keep_their_number() -> None:
    """A sum of twice the same input is not the input."""
    once = canonical_graph(chain("skip"), ROLES)
    twice = canonical_graph(
        Graph((Node("in"), Node("skip"), Node("skip"), Node("out")), ((0, 1), (0, 2), (1, 3), (2, 3))), ROLES
    )
    assert [count for _, _, count in once.edges] == [1]
    assert [count for _, _, count in twice.edges] == [2]


def test_order_of_operations_matters() -> None:
    assert canonical_graph(chain("conv", "pool"), ROLES) != canonical_graph(chain("pool", "conv"), ROLES)


def test_attributes_distinguish_nodes_and_integral_floats_do_not() -> None:
    def wide(width: float) -> Graph:
        return Graph((Node("in"), Node("conv", {"width": width}), Node("out")), ((0, 1), (1, 2)))

    assert canonical_graph(wide(3), ROLES) == canonical_graph(wide(3.0), ROLES)
    assert canonical_graph(wide(3), ROLES) != canonical_graph(wide(3.5), ROLES)


def test_true_and_one_are_different_attributes() -> None:
    space = SearchSpace("explicit", explicit_graphs=True, op_roles=ROLES)

    def fingerprint(value: bool | int) -> str:
        graph = Graph((Node("in"), Node("conv", {"bias": value}), Node("out")), ((0, 1), (1, 2)))
        return canonicalize(space, Candidate(graph=graph)).fingerprint

    assert fingerprint(True) != fingerprint(1)


def copies_of_a_chain(copies: int, *ops: str) -> Graph:
    nodes = [Node("in"), Node("out")]
    edges: list[tuple[int, int]] = []
    for _ in range(copies):
        chain = [0, *range(len(nodes), len(nodes) + len(ops)), 1]
        nodes += [Node(op) for op in ops]
        edges += list(pairwise(chain))
    return Graph(tuple(nodes), tuple(edges))


@pytest.mark.parametrize("copies", [4, 12, 40])
def test_copies_of_a_part_may_be_numbered_in_any_way(copies: int) -> None:
    """Forty copies can be numbered in 40! ways."""
    graph = copies_of_a_chain(copies, "conv", "pool", "conv")
    generator = random.Random(1)
    for _ in range(3):
        assert canonical_graph(renumbered(graph, generator), ROLES) == canonical_graph(graph, ROLES)


def copies_of_a_cycle(copies: int, length: int) -> Graph:
    """Cycles whose edges point from every other node to both neighbours, with no edge between the cycles."""
    edges = [
        (first + place, first + (place + 1) % length)[:: 1 if place % 2 == 0 else -1]
        for first in range(0, copies * length, length)
        for place in range(length)
    ]
    return Graph((Node("conv"),) * (copies * length), tuple((source, target) for source, target in edges))


@pytest.mark.parametrize(("copies", "length"), [(20, 20), (170, 12), (1, 2048)])
def test_copies_of_a_symmetric_part_may_be_numbered_in_any_way(copies: int, length: int) -> None:
    """No node of a cycle is told from another of it, and no cycle from another."""
    graph = copies_of_a_cycle(copies, length)
    generator = random.Random(1)
    assert canonical_graph(renumbered(graph, generator), ROLES) == canonical_graph(graph, ROLES)


def test_parts_that_refinement_cannot_tell_apart_stay_different() -> None:
    """Two cycles of six look like one of twelve from every node."""
    one, two = (copies_of_a_cycle(copies, length) for copies, length in ((10, 12), (20, 6)))
    mixed = Graph(one.nodes, (*copies_of_a_cycle(9, 12).edges, *((a + 108, b + 108) for a, b in two.edges[:12])))
    generator = random.Random(1)
    forms = [canonical_graph(graph, ROLES) for graph in (one, two, mixed)]
    assert len({form.edges for form in forms}) == 3
    assert [canonical_graph(renumbered(graph, generator), ROLES) for graph in (one, two, mixed)] == forms


def test_fingerprints_of_many_copies_stay_what_databases_hold() -> None:
    digest = hashlib.sha256()
    explicit = SearchSpace("any", explicit_graphs=True, op_roles=ROLES)
    pairs = Graph((Node("conv"),) * 2048, tuple((2 * place, 2 * place + 1) for place in range(1024)))
    chains = [copies_of_a_chain(*each) for each in ((12, "conv", "pool"), (40, "conv", "conv"), (682, "conv", "pool"))]
    for graph in (pairs, *chains):
        digest.update(canonicalize(explicit, Candidate(graph=graph)).fingerprint.encode())
    assert digest.hexdigest()[:16] == "ffa439e12d7d8396"


def test_the_work_on_one_graph_can_be_ended_every_few_milliseconds() -> None:
    # Of this thread alone: other work on the machine does not count.
    times = [time.thread_time()]
    canonical_graph(copies_of_a_cycle(1, 2048), ROLES, lambda: times.append(time.thread_time()))
    assert len(times) > 20
    assert max(after - before for before, after in pairwise(times)) < 0.2

    def stop() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        canonicalize(SearchSpace("any", explicit_graphs=True), Candidate(graph=copies_of_a_cycle(20, 20)), stop)


def test_an_identity_of_a_thousand_neighbours_is_not_contracted() -> None:
    """It would be replaced by a million edges."""
    nodes = (*[Node("conv")] * 1000, Node("skip"), *[Node("pool")] * 1000)
    graph = Graph(nodes, tuple((place, 1000) if place < 1000 else (1000, place + 1) for place in range(2000)))
    begin = time.process_time()
    assert "skip" in canonical_graph(graph, ROLES).ops
    assert time.process_time() - begin < 0.3


def test_twins_and_copies_in_one_graph() -> None:
    """Numbering the twins settles nothing about the copies."""
    copies = copies_of_a_chain(3, "dense", "pool")
    first = len(copies.nodes)
    twins = [edge for node in range(first, first + 3) for edge in ((0, node), (node, 1))]
    graph = Graph((*copies.nodes, *[Node("conv")] * 3), (*copies.edges, *twins))
    generator = random.Random(1)
    for _ in range(10):
        assert canonical_graph(renumbered(graph, generator), ROLES) == canonical_graph(graph, ROLES)


@pytest.mark.parametrize(
    "graph",
    [
        copies_of_a_chain(1, *["conv"] * 2046),
        copies_of_a_chain(682, "conv", "pool", "conv"),
        # A fence: every node looks like every other until refinement has come in from the ends.
        Graph(
            tuple(Node("conv") for _ in range(2048)),
            tuple((node, node + 1) if node % 2 else (node + 1, node) for node in range(2047)),
        ),
        # A ladder of full layers.
        Graph(
            tuple(Node("conv") for _ in range(1024)),
            tuple((4 * a + b, 4 * a + 4 + c) for a in range(255) for b in range(4) for c in range(4)),
        ),
    ],
    ids=["chain", "copies", "fence", "layers"],
)
def test_largest_symmetric_graphs_take_bounded_time(graph: Graph) -> None:
    begin = time.process_time()
    canonical_graph(graph, ROLES)
    assert time.process_time() - begin < 5.0


def test_nas_bench_201_has_5425_architectures() -> None:
    space = nas_bench_201()
    fingerprints = [canonicalize(space, candidate).fingerprint for candidate in enumerate_space(space)]
    assert len(fingerprints) == 15_625
    assert len(set(fingerprints)) == 5_425


def test_nas_bench_graph_layers_of_one_depth_may_swap() -> None:
    """Layers 1 and 2 both read the input and feed the output: their ops may change places."""
    space = nas_bench_graph()
    values = {"link": "0,0,0,0", "op1": "gat", "op2": "gcn", "op3": "gin", "op4": "fc"}
    swapped = {**values, "op1": "gcn", "op2": "gat"}
    other = {**values, "op1": "sage"}
    assert canonicalize(space, Candidate(values)) == canonicalize(space, Candidate(swapped))
    assert canonicalize(space, Candidate(values)) != canonicalize(space, Candidate(other))


def test_values_outside_the_graph_are_part_of_the_fingerprint() -> None:
    space = mlp_classifier()
    values = {
        "depth": 2, "width": 32, "activation": "relu", "optimizer": "adam",
        "learning_rate": 0.01, "weight_decay": 1e-5, "dropout": 0.0,
    }  # fmt: skip
    same = dict(reversed(values.items()))
    assert canonicalize(space, Candidate(values)) == canonicalize(space, Candidate({**same, "dropout": 0}))
    assert canonicalize(space, Candidate(values)) != canonicalize(space, Candidate({**values, "depth": 3}))


def test_template_has_fixed_edges_only_where_every_candidate_has_all_of_it() -> None:
    """One that leaves a node or an edge out in some candidates is instantiated edge by edge."""
    ends = (NodeTemplate("input", "input"), NodeTemplate("middle", ValueOf("op")), NodeTemplate("output", "output"))
    edges = (EdgeTemplate("input", "middle"), EdgeTemplate("middle", "output"), EdgeTemplate("input", "output"))
    deep, op = Parameter("deep", Categorical((True, False))), Parameter("op", Categorical(("conv", "pool")))
    whole = SearchSpace("whole", (deep, op), GraphTemplate(ends, edges))
    assert whole.fixed_edges == ((0, 1), (1, 2), (0, 2))
    assert instantiate(whole, Candidate({"deep": True, "op": "conv"})).edges == whole.fixed_edges

    when_deep = Condition("deep", (True,))
    node = SearchSpace("node", (deep, replace(op, condition=when_deep)), GraphTemplate(ends, edges))
    edge = SearchSpace(
        "edge", (deep, op), GraphTemplate(ends, (*edges[:2], EdgeTemplate("input", "output", when_deep)))
    )
    assert (node.fixed_edges, edge.fixed_edges) == (None, None)
    assert instantiate(node, Candidate({"deep": False})).edges == ((0, 1),)
    assert instantiate(edge, Candidate({"deep": False, "op": "conv"})).edges == ((0, 1), (1, 2))


def test_the_numbers_3_and_3_0_are_one_candidate_and_the_order_of_choices_has_no_part_in_it() -> None:
    def fingerprint(domain: Categorical, value: float) -> str:
        space = SearchSpace("s", (Parameter("width", domain), Parameter("other", Categorical(("a", "b")))))
        return canonicalize(space, Candidate({"width": value, "other": "a"})).fingerprint

    def fingerprint_of_graph(value: float) -> str:
        template = GraphTemplate((NodeTemplate("a", "conv", {"width": ValueOf("width")}),), ())
        space = SearchSpace("s", (Parameter("width", Categorical((1, 3, 9))),), template)
        return canonicalize(space, Candidate({"width": value})).fingerprint

    domains = [Categorical(choices, ordering) for choices in ((1, 3, 9), (9, 1, 3.0)) for ordering in Ordering]
    found = {fingerprint(domain, value) for domain in domains for value in (3, 3.0)}
    # As it was before choices had an order.
    assert found == {"4cab03a0f45038bcf24dd6d88eb54e05"}
    assert fingerprint_of_graph(3) == fingerprint_of_graph(3.0) != fingerprint_of_graph(9)
