"""A search space with room for millions of different architectures, and many of them, ready to be stored.

The space is a cell as in NAS-Bench-201, larger: five nodes after the input, an operation on every one of the 15 edges,
eight to choose from. Architectures are drawn at random; a third of them are a few changes away from one drawn before,
as a search leaves them.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from headstart.spaces import (
    Candidate,
    CanonicalCandidate,
    Categorical,
    EdgeTemplate,
    GraphTemplate,
    NodeTemplate,
    OpRole,
    Parameter,
    SearchSpace,
    ValueOf,
    canonicalize,
    sample,
)
from headstart_server.knowledge.json_columns import candidate_to_json, canonical_to_json, node_count

_NODES = 5
_OPS = (
    "none",
    "skip_connect",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "max_pool_3x3",
    "avg_pool_3x3",
)
_CHANGED_SHARE = 1 / 3
_MOST_CHANGES = 3
_PORTION = 5_000


@dataclass(frozen=True)
class Stored:
    """An architecture as the server keeps it: JSON texts of the candidate and of its canonical form."""

    fingerprint: str
    candidate: str
    canonical: str
    node_count: int


def large_space(search_space_id: str) -> SearchSpace:
    parameters, edges = [], []
    nodes = [NodeTemplate("input", "input", {})]
    for target in range(1, _NODES + 1):
        nodes.append(NodeTemplate(f"sum_{target}", "output" if target == _NODES else "sum", {}))
        for source in range(target):
            name = f"edge_{source}_{target}"
            parameters.append(Parameter(name, Categorical(_OPS)))
            nodes.append(NodeTemplate(name, ValueOf(name), {}))
            edges += [
                EdgeTemplate("input" if source == 0 else f"sum_{source}", name),
                EdgeTemplate(name, f"sum_{target}"),
            ]
    return SearchSpace(
        search_space_id=search_space_id,
        description=f"Cells of {_NODES} nodes with an operation on each of {len(parameters)} edges",
        parameters=tuple(parameters),
        graph_template=GraphTemplate(tuple(nodes), tuple(edges)),
        op_roles={
            "input": OpRole.INPUT,
            "output": OpRole.OUTPUT,
            "none": OpRole.ZERO,
            "skip_connect": OpRole.IDENTITY,
        },
    )


def changed(space: SearchSpace, candidate: Candidate, generator: random.Random) -> Candidate:
    """With one to three operations drawn anew."""
    names = [parameter.name for parameter in space.parameters]
    values = dict(candidate.values)
    for name in generator.sample(names, generator.randint(1, _MOST_CHANGES)):
        values[name] = generator.choice(_OPS)
    return Candidate(values)


def draw(space: SearchSpace, count: int, seed: str) -> list[tuple[Candidate, CanonicalCandidate]]:
    """So many different architectures, fewer only where two drawn ones are the same."""
    generator = random.Random(seed)
    found: dict[str, tuple[Candidate, CanonicalCandidate]] = {}
    drawn: list[Candidate] = []
    for _ in range(count):
        if drawn and generator.random() < _CHANGED_SHARE:
            candidate = changed(space, generator.choice(drawn), generator)
        else:
            candidate = sample(space, generator)
        drawn.append(candidate)
        canonical = canonicalize(space, candidate)
        found.setdefault(canonical.fingerprint, (candidate, canonical))
    return list(found.values())


def stored(pair: tuple[Candidate, CanonicalCandidate]) -> Stored:
    candidate, canonical = pair
    return Stored(
        canonical.fingerprint,
        json.dumps(candidate_to_json(candidate)),
        json.dumps(canonical_to_json(canonical)),
        node_count(canonical),
    )


def architectures(
    space: SearchSpace, count: int, seed: str, processes: int, known: Iterable[str] = ()
) -> Iterator[list[Stored]]:
    """Exactly ``count`` different architectures, none of the known ones, in portions, from several processes."""
    seen = set(known)
    wanted = len(seen) + count
    with ProcessPoolExecutor(processes) as executor:
        seeds = (f"{seed}/{index}" for index in itertools.count())
        running = deque(executor.submit(_portion, space, next(seeds)) for _ in range(2 * processes))
        while len(seen) < wanted:
            # Some are drawn twice: there are portions until there are enough.
            portion = running.popleft().result()
            running.append(executor.submit(_portion, space, next(seeds)))
            fresh = [each for each in portion if each.fingerprint not in seen][: wanted - len(seen)]
            seen.update(each.fingerprint for each in fresh)
            yield fresh
        executor.shutdown(cancel_futures=True)


def _portion(space: SearchSpace, seed: str) -> list[Stored]:
    return [stored(pair) for pair in draw(space, _PORTION, seed)]
