"""Any strategy, started with what other tasks have shown to be good."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from headstart.search.history import History
from headstart.search.strategies import Strategy
from headstart.spaces import Candidate

# Returns an untried candidate from WarmStart, or None.
Suggest = Callable[[History, random.Random], Candidate | None]


@dataclass(frozen=True)
class WarmStarted:
    """Suggestions while fewer than ``first`` trials are known, then ``base``; ``base`` also where there is no
    suggestion.
    """

    base: Strategy
    suggest: Suggest
    first: int = 10

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if len(history) < self.first:
            suggested = self.suggest(history, generator)
            if suggested is not None:
                return suggested
        return self.base.propose(history, generator)
