"""What callers send decides how large an entry is: caches are bounded by bytes."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, cast

import pytest

from headstart.spaces import Candidate, Categorical, Graph, Node, Parameter, SearchSpace, canonicalize, nas_bench_201
from headstart_server.knowledge import architectures, service
from headstart_server.knowledge.architectures import Architecture, ArchitectureCache
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.sizes import bytes_of_candidate, bytes_of_canonical, bytes_of_space


def real_bytes(each: object, seen: set[int] | None = None) -> int:
    seen = set() if seen is None else seen
    if id(each) in seen:
        return 0
    seen.add(id(each))
    parts: list[object] = list(vars(each).values()) if hasattr(each, "__dict__") else []
    if isinstance(each, dict):
        parts += [*each.keys(), *each.values()]
    elif isinstance(each, list | tuple | set | frozenset):
        parts += each
    return sys.getsizeof(each) + sum(real_bytes(part, seen) for part in parts)


def large_candidate(space: SearchSpace, number: int) -> Candidate:
    return Candidate({each.name: f"{number:04d}" + "x" * 60 for each in space.parameters})


def wide_space(choices: int = 64) -> SearchSpace:
    names = tuple(f"{number:04d}" + "x" * 60 for number in range(choices))
    return SearchSpace("wide", tuple(Parameter(f"p{place}", Categorical(names)) for place in range(256)))


def test_sizes_are_not_far_below_those_in_memory() -> None:
    graph = Graph(
        tuple(Node(f"op{number}", {"width": number}) for number in range(500)), ((0, 1), (1, 2), (1, 3)) * 100
    )
    explicit, space = SearchSpace("graphs", explicit_graphs=True), wide_space()
    candidate = Candidate(graph=graph)
    assert bytes_of_candidate(candidate) > 0.5 * real_bytes(candidate)
    canonical = canonicalize(explicit, candidate)
    assert bytes_of_canonical(canonical) > 0.5 * real_bytes(canonical)
    canonical = canonicalize(space, large_candidate(space, 1))
    assert bytes_of_canonical(canonical) > 0.5 * real_bytes(canonical)
    assert bytes_of_space(space) > 0.5 * real_bytes(space)


def test_canonical_forms_are_kept_up_to_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_CANONICAL_BYTES", 2**20)
    knowledge, space = KnowledgeService(cast(Any, None), cast(Any, None)), wide_space()
    for number in range(64):
        knowledge.canonical("ns", space, large_candidate(space, number))
    assert 2**19 < knowledge._canonical.total <= 2**20
    assert len(knowledge._canonical) < 30
    small = nas_bench_201()
    candidate = Candidate({each.name: "nor_conv_3x3" for each in small.parameters})
    assert knowledge.canonical("ns", small, candidate) is knowledge.canonical("ns", small, candidate)


def test_architectures_that_are_used_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """They went in the order in which they were read, used or not."""
    space, read = wide_space(), []

    def reading(_: object, namespace: str, space_id: str, names: set[str]) -> dict[str, Architecture]:
        read.extend(names)
        found = {name: large_candidate(space, int(name)) for name in names}
        return {name: Architecture(name, each, canonicalize(space, each)) for name, each in found.items()}

    class Engine:
        def connect(self) -> Any:
            return nullcontext()

    monkeypatch.setattr(architectures, "read_architectures", reading)
    cache = ArchitectureCache(2**20)
    for number in range(1, 40):
        assert set(cache.of(cast(Any, Engine()), "ns", "s", ["0", str(number)])) == {"0", str(number)}
    assert read.count("0") == 1
    assert cache._cache.total <= 2**20
