"""The benchmark of nearest architectures compares with what is exact, on architectures that are all different."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.knowledge_base.large_space import architectures, draw, large_space
from benchmarks.knowledge_base.nearest import NEIGHBOURS, exact, queries
from headstart.spaces import candidate_violations, canonicalize
from headstart_server.knowledge.json_columns import candidate_from_json, canonical_from_json

SPACE = large_space("cells")


def test_architectures_are_different_valid_and_as_many_as_asked() -> None:
    first = [each for portion in architectures(SPACE, 300, "a", 1) for each in portion]
    more = [
        each
        for portion in architectures(SPACE, 300, "b", 1, [found.fingerprint for found in first])
        for each in portion
    ]
    assert len({each.fingerprint for each in [*first, *more]}) == 600
    for each in first[:20]:
        candidate = candidate_from_json(json.loads(each.candidate))
        assert not list(candidate_violations(SPACE, candidate, "candidate"))
        canonical = canonicalize(SPACE, candidate)
        assert canonical == canonical_from_json(each.fingerprint, json.loads(each.canonical))


def test_queries_are_not_recorded() -> None:
    recorded = draw(SPACE, 50, "c")
    known = {canonical.fingerprint for _, canonical in recorded}
    asked = queries(SPACE, [candidate for candidate, _ in recorded], known, 30)
    assert len(asked) == 30
    assert not known & {canonicalize(SPACE, candidate).fingerprint for candidate in asked}


def test_exact_neighbours_are_those_of_comparing_with_all() -> None:
    generator = np.random.default_rng(0)
    vectors, asked = generator.random((500, 8), np.float32), generator.random((10, 8), np.float32)
    for vector, found in zip(asked, exact(vectors, asked), strict=True):
        distances = np.linalg.norm(vectors.astype(float) - vector, axis=1)
        assert found == set(np.argsort(distances)[:NEIGHBOURS].tolist())


def test_there_are_as_many_even_where_many_are_drawn_twice() -> None:
    small = large_space("cells")
    known = [each.fingerprint for portion in architectures(small, 400, "a", 1) for each in portion]
    # The same draws again: all of them are known.
    again = [each for portion in architectures(small, 5_000, "a", 1, known) for each in portion]
    assert len({each.fingerprint for each in again}) == 5_000
    assert not {each.fingerprint for each in again} & set(known)
