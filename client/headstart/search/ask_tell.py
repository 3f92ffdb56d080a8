"""Optimizers that keep a state of their own, made to fit the shared history: they are asked, and told every result.

Whoever has an optimizer with ``ask`` and ``tell`` wraps it in ``AskTell`` and has a strategy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from headstart.search.history import History, Trial
from headstart.spaces import Candidate, SearchSpace, mutate

_FURTHER_ASKS = 2

# Mutations in sequence, until a candidate is new: a walk away from the proposal.
_STEPS = 12


class AskTellOptimizer(Protocol):
    def ask(self) -> Candidate:
        """A candidate to try next. It may be called again before ``tell``, and then for another candidate."""
        ...

    def tell(self, trial: Trial) -> None:
        """A result, of this worker or another, whether or not the optimizer proposed it. Higher scores are better."""
        ...


class AskTell:
    """A strategy made of ask/tell optimizers, one for each search, created on first use.

    ``start`` gets the space and a seed. Before each proposal the optimizer is told all new trials of all workers
    once, in the order of recording, so a late one gets the whole history. Optimizers of continuous spaces repeat
    themselves in small discrete ones: after three known proposals, a mutation of the last is taken.
    """

    def __init__(self, start: Callable[[SearchSpace, int], AskTellOptimizer]) -> None:
        self._start = start
        self._running: WeakKeyDictionary[History, tuple[AskTellOptimizer, int]] = WeakKeyDictionary()

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if history not in self._running:
            self._running[history] = (self._start(history.space, generator.getrandbits(32)), 0)
        optimizer, count = self._running[history]
        recorded = history.recorded
        for trial in recorded[count:]:
            optimizer.tell(trial)
        self._running[history] = (optimizer, len(recorded))
        candidate = optimizer.ask()
        for _ in range(_FURTHER_ASKS):
            if candidate not in history:
                return candidate
            candidate = optimizer.ask()
        return candidate if history.space.explicit_graphs else _nearby(candidate, history, generator)


def _nearby(candidate: Candidate, history: History, generator: random.Random) -> Candidate:
    for _ in range(_STEPS):
        if candidate not in history:
            break
        candidate = mutate(history.space, candidate, generator)
    return candidate
