"""Questions of a search to the service, and the fallback where there is no answer."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headstart.client import Client
from headstart.search.history import History
from headstart.search.strategies import NO_ANSWER
from headstart.spaces import Candidate
from headstart.values import Arm, Decision, Prediction

_logger = logging.getLogger("headstart.search")


@dataclass(frozen=True)
class Advice:
    """The questions that a search asks.

    ``warm_start_share`` of the budget goes to WarmStart's suggestions; 0 asks for none. The default is all of it, or
    half with the caller's own strategies. ``warm_start_batch`` are requested at a time: the default is one, so that
    each suggestion knows all results before it; use more where an evaluation is faster than a call.
    ``select_strategy`` and ``predict`` switch the other two questions.
    """

    warm_start_share: float | None = None
    warm_start_batch: int = 1
    select_strategy: bool = True
    predict: bool = True

    def settled(self, own_strategies: bool) -> Advice:
        """The same with a definite share."""
        if self.warm_start_share is not None:
            return self
        return replace(self, warm_start_share=0.5 if own_strategies else 1.0)


class Adviser:
    """Asks the service about one task and space. Without an answer the search decides by itself."""

    def __init__(self, client: Client, task_id: str, search_space_id: str, advice: Advice) -> None:
        self._client = client
        self._task_id = task_id
        self._search_space_id = search_space_id
        self._advice = advice
        self._suggested: deque[Candidate] = deque()

    def suggestion(self, history: History, spent: int, budget: int, generator: random.Random) -> Candidate | None:
        """An untried candidate to start with; None once the share is spent, or if there is none."""
        share = self._advice.warm_start_share or 0.0
        return None if spent >= share * budget else self.suggest(history, generator)

    def suggest(self, history: History, generator: random.Random) -> Candidate | None:
        """An untried candidate from WarmStart; None if there is none."""
        for ask in (False, True):
            if ask:
                self._suggested.extend(self._ask_for_suggestions(generator))
            while self._suggested:
                candidate = self._suggested.popleft()
                if candidate not in history:
                    return candidate
        return None

    def decision(self, arms: Sequence[Arm], spent: int, budget: int) -> Decision | None:
        """The arm to run, with its settings; None if the search must choose."""
        if not self._advice.select_strategy:
            return None
        try:
            return self._client.select_strategy(self._task_id, arms, spent_budget=spent, total_budget=budget)[0]
        except NO_ANSWER as error:
            _logger.info("no strategy selected: %s", error)
            return None

    def predict(self, candidates: Sequence[Candidate]) -> Sequence[Prediction]:
        return self._client.predict(self._task_id, self._search_space_id, candidates).predictions

    def _ask_for_suggestions(self, generator: random.Random) -> list[Candidate]:
        try:
            answer = self._client.warm_start(
                self._task_id,
                self._search_space_id,
                self._advice.warm_start_batch,
                seed=generator.getrandbits(62),
            )
        except NO_ANSWER as error:
            _logger.info("no warm start: %s", error)
            return []
        return [suggestion.candidate for suggestion in answer.suggestions]
