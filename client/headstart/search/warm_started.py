"""Any strategy, started with what other tasks have shown to be good."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from headstart.search.history import History
from headstart.search.strategies import Strategy
from headstart.spaces import Candidate

# An untried candidate that WarmStart suggests, or None where it has none.
Suggest = Callable[[History, random.Random], Candidate | None]


@dataclass(frozen=True)
class WarmStarted:
    """``base``, but while fewer than ``first`` trials are known, what is suggested; ``base`` also where nothing is."""

    base: Strategy
    suggest: Suggest
    first: int = 10

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if len(history) < self.first:
            suggested = self.suggest(history, generator)
            if suggested is not None:
                return suggested
        return self.base.propose(history, generator)
