"""New candidates around what is good: children of the best of the task and of what other tasks would try, and a few
drawn at random, in case the best is elsewhere.

Near the best is where the better ones are: pools that cover the whole space were tried, and found the goal later.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headstart.spaces import Candidate, SearchSpace, mutate, recombine, sample

PARENTS = 5
_CHILDREN = 20
# Shares of the children that are changed twice, and that take after two of the parents before they are changed.
_CHANGED_TWICE, _OF_TWO_PARENTS = 0.3, 0.1
_AT_RANDOM = 50


@dataclass(frozen=True)
class Generated:
    """``origin`` says in words where it comes from; ``recorded``: other tasks have tried it."""

    candidate: Candidate
    origin: str
    recorded: bool = False


def generate(
    space: SearchSpace,
    best: Sequence[Candidate],
    transferred: Sequence[Candidate],
    parents: int,
    least: int,
    generator: random.Random,
) -> Iterator[Generated]:
    """``best``: of the task itself, the best first; ``transferred``: what other tasks would try, the best first, of
    which so many are ``parents``; ``least`` in all.

    Some come twice, some are known already. Nothing new in spaces of explicit graphs, which cannot be drawn from.
    """
    for candidate in transferred:
        yield Generated(candidate, "tried on other tasks", recorded=True)
    if space.explicit_graphs:
        return
    for candidate in transferred[:parents]:
        yield Generated(mutate(space, candidate, generator), "a change of what was good on other tasks")
    expected = len(best) * _CHILDREN + len(transferred) + min(parents, len(transferred)) + _AT_RANDOM
    more = max(1.0, least / max(expected, 1))
    for place, parent in enumerate(best):
        for _ in range(round(_CHILDREN * more)):
            yield _child(space, best, place, parent, generator)
    for _ in range(round(_AT_RANDOM * more)):
        yield Generated(sample(space, generator), "drawn at random")


def _child(
    space: SearchSpace, best: Sequence[Candidate], place: int, parent: Candidate, generator: random.Random
) -> Generated:
    ordinal = "the best here" if place == 0 else f"number {place + 1} here"
    if len(best) > 1 and generator.random() < _OF_TWO_PARENTS:
        other = generator.choice([each for each in best if each is not parent])
        mixed = recombine(space, parent, other, generator)
        return Generated(mutate(space, mixed, generator), f"a mix of {ordinal} and another")
    changes = 2 if generator.random() < _CHANGED_TWICE else 1
    return Generated(mutate(space, parent, generator, changes), f"a change of {ordinal}")
