"""Distances between canonical graphs: what they count, and that a search that is cut off says so."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from headstart.spaces import CanonicalGraph, canonicalize, nas_bench_201, sample
from headstart_server.knowledge.similarity.graph_distance import Edits, edit_distances, op_distance

CHAIN = CanonicalGraph(("input", "conv", "pool", "output"), ((), (), (), ()), ((0, 1, 1), (1, 2, 1), (2, 3, 1)))


def chain(*ops: str) -> CanonicalGraph:
    edges = tuple((node, node + 1, 1) for node in range(len(ops) - 1))
    return CanonicalGraph(ops, ((),) * len(ops), edges)


def random_graph(nodes: int, generator: random.Random) -> CanonicalGraph:
    ops = tuple(generator.choice("abc") for _ in range(nodes))
    pairs = [pair for pair in itertools.combinations(range(nodes), 2) if generator.random() < 0.4]
    return CanonicalGraph(ops, ((),) * nodes, tuple((one, other, generator.randint(1, 2)) for one, other in pairs))


def brute_force(one: CanonicalGraph, other: CanonicalGraph) -> float:
    """The least over all ways to pair nodes, where not pairing stands for deleting and inserting."""
    slots = [*range(len(other.ops)), *([-1] * len(one.ops))]
    wanted = {(source, target): count for source, target, count in other.edges}
    best = float("inf")
    for pairing in set(itertools.permutations(slots, len(one.ops))):
        used = [partner for partner in pairing if partner >= 0]
        cost = (len(one.ops) - len(used)) + (len(other.ops) - len(used))
        cost += sum(one.ops[node] != other.ops[partner] for node, partner in enumerate(pairing) if partner >= 0)
        left = dict(wanted)
        for source, target, count in one.edges:
            cost += abs(count - left.pop((pairing[source], pairing[target]), 0))
        best = min(best, cost + sum(left.values()))
    return best


def test_op_distance_is_the_total_variation_between_shares() -> None:
    assert op_distance(CHAIN, CHAIN) == 0.0
    assert op_distance(CHAIN, chain("input", "conv", "conv", "output")) == pytest.approx(0.25)
    assert op_distance(chain("a", "a"), chain("b", "b", "b")) == pytest.approx(1.0)
    assert op_distance(chain("a", "b"), chain("a", "b", "a", "b")) == 0.0
    empty = CanonicalGraph((), (), ())
    assert op_distance(empty, CHAIN) == 1.0
    assert op_distance(empty, empty) == 0.0


@pytest.mark.parametrize(
    ("other", "edits"),
    [
        (CHAIN, 0),
        (chain("input", "pool", "pool", "output"), 1),
        # The input becomes a convolution, and an input with an edge is put before it.
        (chain("input", "conv", "conv", "pool", "output"), 3),
        (CanonicalGraph(CHAIN.ops, CHAIN.attributes, ((0, 1, 1), (1, 2, 3), (2, 3, 1))), 2),
        (CanonicalGraph(CHAIN.ops, ((), (("k", 3),), (), ()), CHAIN.edges), 1),
        (CanonicalGraph((), (), ()), 7),
    ],
)
def test_edits_are_counted(other: CanonicalGraph, edits: int) -> None:
    assert edit_distances(CHAIN, [other], 10.0) == [Edits(float(edits), upper_bound=False)]
    assert edit_distances(other, [CHAIN], 10.0) == [Edits(float(edits), upper_bound=False)]


def test_search_to_the_end_finds_the_least() -> None:
    generator = random.Random(0)
    pairs = [(random_graph(generator.randint(2, 4), generator), random_graph(4, generator)) for _ in range(25)]
    for one, other in pairs:
        (found,) = edit_distances(one, [other], 10.0)
        assert not found.upper_bound
        assert found.distance == brute_force(one, other)


def test_what_the_time_does_not_suffice_for_is_an_upper_bound_and_says_so() -> None:
    generator = random.Random(1)
    target = random_graph(4, generator)
    others = [random_graph(4, generator) for _ in range(30)]
    exact = edit_distances(target, others, 60.0)
    hurried = edit_distances(target, others, 1e-6)
    assert not any(found.upper_bound for found in exact)
    assert any(found.upper_bound for found in hurried)
    for found, true in zip(hurried, exact, strict=True):
        assert found.distance >= true.distance
        assert found.upper_bound or found.distance == true.distance


def test_time_limit_is_for_all_graphs_together() -> None:
    generator = random.Random(2)
    target = random_graph(24, generator)
    others = [random_graph(24, generator) for _ in range(40)]
    begin = time.monotonic()
    found = edit_distances(target, others, 1.0)
    assert time.monotonic() - begin < 5.0
    assert any(edits.upper_bound for edits in found)


def large_graph(nodes: int, edges: int, generator: random.Random) -> CanonicalGraph:
    ops = tuple(generator.choice("abc") for _ in range(nodes))
    pairs = generator.sample(list(itertools.combinations(range(nodes), 2)), edges)
    return CanonicalGraph(ops, ((),) * nodes, tuple((one, other, 1) for one, other in sorted(pairs)))


@pytest.mark.parametrize(("nodes", "edges", "count"), [(400, 4_000, 150), (60, 1_500, 3)])
def test_large_graphs_do_not_outlast_the_limit(nodes: int, edges: int, count: int) -> None:
    """Neither many that are only bounded, nor a few that have more edges than can be paired in time."""
    generator = random.Random(4)
    target = large_graph(nodes, edges, generator)
    others = [target, *([large_graph(nodes, edges, generator)] * count)]
    begin = time.process_time()
    found = edit_distances(target, others, 0.1)
    assert time.process_time() - begin < 0.6
    assert found[0] == Edits(0.0, upper_bound=False)
    assert all(edits.upper_bound and 0 < edits.distance <= nodes + 2 * edges for edits in found[1:])


def test_real_cells_are_measured_within_the_default_limit() -> None:
    space, generator = nas_bench_201(), random.Random(3)
    cells = [canonicalize(space, sample(space, generator)).graph for _ in range(100)]
    graphs = [graph for graph in cells if graph is not None]
    found = edit_distances(graphs[0], graphs, 1.0)
    assert found[0] == Edits(0.0, upper_bound=False)
    assert all(0 <= edits.distance < 60 for edits in found)
