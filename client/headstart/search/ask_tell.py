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

# Mutations one after the other, until a candidate is new: a walk away from what was proposed.
_STEPS = 12


class AskTellOptimizer(Protocol):
    def ask(self) -> Candidate:
        """A candidate to try next. It may be asked again before it is told anything, and then for another one."""
        ...

    def tell(self, trial: Trial) -> None:
        """A result, of this worker or another, whether the optimizer proposed it or not. Higher scores are better."""
        ...


class AskTell:
    """A strategy made of ask/tell optimizers: one for each search, made when it is first asked.

    ``start`` gets the space and a seed. The optimizer is told each recorded trial of all workers once, in the order of
    recording, before it is asked; so one that starts late is told all that was before. Optimizers of continuous spaces
    repeat themselves in small discrete ones: where three proposals are all known, a mutation of the last is taken.
    """

    def __init__(self, start: Callable[[SearchSpace, int], AskTellOptimizer]) -> None:
        self._start = start
        self._running: WeakKeyDictionary[History, tuple[AskTellOptimizer, int]] = WeakKeyDictionary()

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if history not in self._running:
            self._running[history] = (self._start(history.space, generator.getrandbits(32)), 0)
        optimizer, told = self._running[history]
        recorded = history.recorded
        for trial in recorded[told:]:
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
