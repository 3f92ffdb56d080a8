"""One search in this process, without a service: 50 evaluations, one at a time, none of them twice.

What an optimizer proposes again is replaced: it is asked again, then a mutation of its proposal is taken (see
``headstart.search.AskTell``), in the end a candidate at random. Where a table holds but a pool, the untried member
nearest to the proposal is evaluated, and the optimizer is told the result of that one. Optimizers are told scores,
which on HPOLib are minus the logarithm of the loss; the service is told losses as they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.strategy.tasks import StrategyTask
from benchmarks.transfer_search.families import BUDGET, Case
from headstart.search import Strategy
from headstart.search.history import History
from headstart.spaces import Candidate, Categorical, Parameter, SearchSpace, sample, unit_position
from headstart.values import ExperimentStatus, Outcome

_PROPOSALS = 4


@dataclass(frozen=True)
class Search:
    """``first``: what is tried before the strategy is asked; it is told those results too.

    ``families``: where it can be run, None for everywhere.
    """

    strategy: Callable[[Case], Strategy]
    first: Callable[[Case], Sequence[Candidate]] = lambda case: ()
    families: tuple[str, ...] | None = None

    def runs_on(self, family: str) -> bool:
        return self.families is None or family in self.families


def run(case: Case, search: Search) -> list[float]:
    """The regret of the best after each evaluation."""
    scores = list(scores_of(case.task, search.strategy(case), search.first(case), case.search_seed))
    return case.task.curve(scores, BUDGET)


def scores_of(task: StrategyTask, strategy: Strategy, first: Iterable[Candidate], seed: int) -> Iterable[float | None]:
    history = History(task.space)
    generator = random.Random(seed)
    pool = Pool(task.space, task.table.pool) if task.table.pool else None
    waiting = list(first)
    for _ in range(BUDGET):
        candidate = waiting.pop(0) if waiting else _proposed(strategy, history, generator, pool)
        if pool is not None:
            candidate = pool.take(candidate)
        score = task.score(candidate)
        status = ExperimentStatus.FAILED if score is None else ExperimentStatus.COMPLETED
        history.add([history.trial(candidate, Outcome(status, score))])
        yield score


def distinct(space: SearchSpace, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Without those that are equivalent to an earlier one."""
    history = History(space)
    return list({history.fingerprint(each): each for each in reversed(list(candidates))}.values())[::-1]


def _proposed(strategy: Strategy, history: History, generator: random.Random, pool: Pool | None) -> Candidate:
    for _ in range(_PROPOSALS):
        candidate = strategy.propose(history, generator)
        # In a pool what has been tried is not there any more.
        if pool is not None or candidate not in history:
            return candidate
    while (candidate := sample(history.space, generator)) in history:
        pass
    return candidate


class Pool:
    """The members that have not been tried.

    Distance: of numbers by their position between the bounds (on the logarithm where the domain is), of choices of
    numbers by their rank, 1 between other choices, and 1 between a parameter that is active and one that is not.
    """

    def __init__(self, space: SearchSpace, members: Sequence[Candidate]) -> None:
        self._space = space
        self._members = list(members)
        self._points = np.array([self._point(member) for member in members])
        self._left = np.ones(len(members), bool)

    def take(self, candidate: Candidate) -> Candidate:
        """The nearest member, which is out of the pool from now on. Raises IndexError where none is left."""
        if not self._left.any():
            raise IndexError("every member of the pool has been tried")
        distances = ((self._points - self._point(candidate)) ** 2).sum(axis=1)
        nearest = int(np.where(self._left, distances, np.inf).argmin())
        self._left[nearest] = False
        return self._members[nearest]

    def _point(self, candidate: Candidate) -> list[float]:
        return [number for parameter in self._space.parameters for number in _coordinates(parameter, candidate)]


def _coordinates(parameter: Parameter, candidate: Candidate) -> list[float]:
    domain = parameter.domain
    value = candidate.values.get(parameter.name)
    if not isinstance(domain, Categorical):
        return [0.0, 0.5] if value is None else [1.0, unit_position(domain, value)]
    ordered = domain.ordered_choices
    if ordered is not None:
        return [0.0, 0.5] if value is None else [1.0, ordered.index(value) / max(1, len(ordered) - 1)]
    # Two different choices are at a distance of 1.
    return [0.5**0.5 if choice == value else 0.0 for choice in domain.choices]
