"""Candidate generation: mutations and crossovers of the task's best, the best of other tasks and their mutations, and
a few random samples in case the best is elsewhere.

Better candidates lie near the best: pools that covered the whole space were tried, and found the goal later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headstart.spaces import Candidate, SearchSpace, mutate, recombine, sample

PARENTS = 5
_CHILDREN = 20
# Shares of the children that are mutated twice, and that are crossovers before they are mutated.
_MUTATED_TWICE, _CROSSED_OVER = 0.3, 0.1
_AT_RANDOM = 50


@dataclass(frozen=True)
class GeneratedCandidate:
    """``origin`` names its source for a person; ``recorded``: other tasks have tried it."""

    candidate: Candidate
    origin: str
    recorded: bool = False


def generate(
    space: SearchSpace,
    best: Sequence[Candidate],
    transferred: Sequence[Candidate],
    mutated_count: int,
    minimum: int,
    generator: random.Random,
) -> Iterator[GeneratedCandidate]:
    """At least about ``minimum`` candidates, repeats and known ones among them.

    ``best`` of the task itself and ``transferred`` from other tasks both come best first; the first ``mutated_count``
    transferred ones are mutated too. Spaces of explicit graphs cannot be sampled, so they yield the transferred ones
    only.
    """
    for candidate in transferred:
        yield GeneratedCandidate(candidate, "tried on other tasks", recorded=True)
    if space.explicit_graphs:
        return
    for candidate in transferred[:mutated_count]:
        yield GeneratedCandidate(mutate(space, candidate, generator), "a change of what was good on other tasks")
    expected = len(best) * _CHILDREN + len(transferred) + min(mutated_count, len(transferred)) + _AT_RANDOM
    factor = max(1.0, minimum / max(expected, 1))
    for rank, parent in enumerate(best):
        for _ in range(round(_CHILDREN * factor)):
            yield _child(space, best, rank, parent, generator)
    for _ in range(round(_AT_RANDOM * factor)):
        yield GeneratedCandidate(sample(space, generator), "drawn at random")


def _child(
    space: SearchSpace, best: Sequence[Candidate], rank: int, parent: Candidate, generator: random.Random
) -> GeneratedCandidate:
    ordinal = "the best here" if rank == 0 else f"number {rank + 1} here"
    if len(best) > 1 and generator.random() < _CROSSED_OVER:
        other = generator.choice([each for each in best if each is not parent])
        mixed = recombine(space, parent, other, generator)
        return GeneratedCandidate(mutate(space, mixed, generator), f"a mix of {ordinal} and another")
    mutations = 2 if generator.random() < _MUTATED_TWICE else 1
    return GeneratedCandidate(mutate(space, parent, generator, mutations), f"a change of {ordinal}")
