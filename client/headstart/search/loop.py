"""The reference search: one worker's loop of asking, evaluating and recording.

Any number of workers, in as many processes or machines, run it on the same task; they share nothing but the service,
and each sees the results of all. The budget is counted over all of them.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from headstart.client import Client
from headstart.search.advice import Advice, Adviser
from headstart.search.evaluation import Catch, Evaluate, Evaluator
from headstart.search.history import History, Trial
from headstart.search.memory import PATIENCE_SECONDS, LocalMemory, Memory, ServiceMemory
from headstart.search.plain_values import plain_candidate
from headstart.search.portfolio import Optimizer, default_strategies, portfolio_of
from headstart.search.strategies import Strategy
from headstart.spaces import Candidate, SearchSpace, Value, enumerate_space, sample, space_size
from headstart.values import Direction, Outcome, Record

# Origin of WarmStart's candidates in results.
WARM_START = "warm_start"

# The strategy of a search without selection.
DEFAULT_STRATEGY = "regularized_evolution"

# Known proposals before random candidates are drawn, and those before the whole space is enumerated.
_PROPOSALS, _RANDOM_PROPOSALS = 16, 256
_LARGEST_ENUMERATION = 200_000

# Number of cached strategies with settings.
_BUILT_STRATEGIES = 64

_logger = logging.getLogger("headstart.search")


@dataclass(frozen=True)
class Step:
    """One evaluation of this worker: the origin of the candidate, and the number of recorded results at that time."""

    candidate: Candidate
    outcome: Outcome
    proposed_by: str
    decision_id: str
    evaluations_before: int


@dataclass(frozen=True)
class SearchResult:
    """``best`` is of all workers, None while none completed; ``evaluations`` are all that count against the budget.

    ``exhausted``: every candidate of the space was tried. ``unrecorded``: results that could not be recorded in time;
    ``Client.record_many`` takes them as they are.
    """

    best: Trial | None
    evaluations: int
    steps: tuple[Step, ...]
    exhausted: bool = False
    unrecorded: tuple[Record, ...] = ()

    @property
    def best_candidate(self) -> Candidate | None:
        return None if self.best is None else self.best.candidate

    @property
    def best_value(self) -> float | None:
        return None if self.best is None else self.best.outcome.objective_value


def search(
    client: Client,
    task_id: str,
    space: SearchSpace,
    evaluate: Evaluate,
    budget: int | None = None,
    *,
    evaluations: int | None = None,
    catch: Catch | None = None,
    strategies: Mapping[str, Strategy | Optimizer] | None = None,
    advice: Advice | None = Advice(),  # noqa: B008 - frozen
    seed: int = 0,
    worker_id: str | None = None,
    after_sequence: int = 0,
    on_result: Callable[[Step], None] | None = None,
) -> SearchResult:
    """Search as one worker until the task has ``budget`` experiments in the space, or after ``evaluations`` own ones.

    The task and the space must exist. ``evaluate`` returns an Outcome, or the objective's value alone; a value that is
    not finite is recorded as a FAILED outcome, and so is an exception of ``catch``: by default any but an error of the
    program (a name or module that is not there, or what ends this worker's first evaluation at once), which ends the
    search. The budget counts experiments of all workers recorded after ``after_sequence``, those of earlier searches
    too, and is exceeded by at most one for each other worker; ``evaluations`` counts what this call evaluates, and
    either may be left out. ``strategies`` are the arms
    offered to the service, ``advice`` the questions asked: None asks nothing, follows regularized evolution and only
    records. A search repeats itself for the same ``seed`` and ``worker_id`` if the answers do.

    While the service is out of reach the search carries on with what it knows and keeps its results, which are recorded
    when the service is back; see ``memory``. Raises HeadstartError for what will not mend itself.
    """
    if worker_id is None:
        worker_id = f"{socket.gethostname()}-{os.getpid()}"
    task = client.get_task(task_id)
    adviser = None
    if advice is not None:
        advice = advice.settled(own_strategies=strategies is not None)
        adviser = Adviser(client.with_patience(PATIENCE_SECONDS), task_id, space.search_space_id, advice)
    if strategies is None:
        strategies = _strategies_with(adviser, advice)
    memory = ServiceMemory(client, task_id, space.search_space_id, worker_id, after_sequence)
    history = History(space, task.objective.direction, task.max_fidelity)
    generator = random.Random(f"{seed}/{worker_id}")
    worker = _Worker(history, memory, adviser, strategies, generator)
    return worker.run(evaluate, budget, on_result, evaluations, catch)


def search_without_service(
    space: SearchSpace,
    evaluate: Evaluate,
    budget: int,
    *,
    catch: Catch | None = None,
    direction: Direction = Direction.MAXIMIZE,
    strategies: Mapping[str, Strategy | Optimizer] | None = None,
    seed: int = 0,
    on_result: Callable[[Step], None] | None = None,
) -> SearchResult:
    """The same loop without a service: regularized evolution unless strategies are given. The cold start to compare
    with.
    """
    strategies = default_strategies() if strategies is None else strategies
    worker = _Worker(History(space, direction), LocalMemory(), None, strategies, random.Random(f"{seed}/"))
    return worker.run(evaluate, budget, on_result, catch=catch)


class _Worker:
    def __init__(
        self,
        history: History,
        memory: Memory,
        adviser: Adviser | None,
        strategies: Mapping[str, Strategy | Optimizer],
        generator: random.Random,
    ) -> None:
        self._history = history
        self._memory = memory
        self._adviser = adviser
        self._portfolio = portfolio_of(strategies)
        self._strategies: dict[tuple[str, tuple[tuple[str, Value], ...]], Strategy] = {}
        self._generator = generator

    def run(
        self,
        evaluate: Evaluate,
        budget: int | None,
        on_result: Callable[[Step], None] | None,
        evaluations: int | None = None,
        catch: Catch | None = None,
    ) -> SearchResult:
        """Raises ValueError without a budget and without a number of evaluations."""
        if budget is None and evaluations is None:
            raise ValueError("a search needs a budget, of all workers, or a number of evaluations, of its own")
        evaluator = Evaluator(evaluate, catch)
        steps: list[Step] = []
        exhausted = False
        total = self._total(budget, evaluations)
        while (spent := self._memory.refresh(self._history)) < total and len(steps) != evaluations:
            proposal = self._propose(spent, total)
            if proposal is None:
                exhausted = True
                break
            candidate, proposed_by, decision_id = proposal
            try:
                outcome = evaluator.outcome(candidate)
            except BaseException:
                # Earlier evaluations are kept.
                self._memory.finish()
                raise
            self._memory.record(self._history.trial(candidate, outcome), decision_id)
            steps.append(Step(candidate, outcome, proposed_by, decision_id, spent))
            if on_result is not None:
                on_result(steps[-1])
        unrecorded = self._memory.finish()
        spent = self._memory.refresh(self._history)
        best = self._history.best(1)
        return SearchResult(best[0] if best else None, spent, tuple(steps), exhausted, unrecorded)

    def _total(self, budget: int | None, evaluations: int | None) -> int:
        """The number of experiments for all workers to reach. Warns if they have reached it already."""
        spent = self._memory.refresh(self._history)
        if budget is None:
            return spent + (evaluations or 0)
        if spent >= budget:
            _logger.warning(
                "nothing is evaluated: %d experiments were recorded before, which count against the budget of %d; "
                "evaluations=N asks for N more",
                spent,
                budget,
            )
        return budget

    def _propose(self, spent: int, budget: int) -> tuple[Candidate, str, str] | None:
        """A candidate, its origin, and the decision that it runs under; None when all were tried."""
        if self._adviser is not None:
            suggested = self._adviser.suggestion(self._history, spent, budget, self._generator)
            if suggested is not None:
                return suggested, WARM_START, ""
        arm, settings, decision_id = self._choose_arm(spent, budget)
        candidate = _untried(self._strategy(arm, settings), self._history, self._generator)
        return None if candidate is None else (candidate, arm, decision_id)

    def _choose_arm(self, spent: int, budget: int) -> tuple[str, Mapping[str, Value], str]:
        arms = [optimizer.arm for optimizer in self._portfolio.values()]
        if self._adviser is not None and (len(arms) > 1 or any(arm.hyperparameters for arm in arms)):
            decision = self._adviser.decision(arms, spent, budget)
            if decision is not None and decision.arm in self._portfolio:
                return decision.arm, decision.hyperparameters, decision.decision_id
        if DEFAULT_STRATEGY in self._portfolio:
            return DEFAULT_STRATEGY, {}, ""
        if len(arms) == 1:
            # Without a random draw, so that it proposes the same as if it were always chosen among several.
            return arms[0].name, {}, ""
        return self._generator.choice(arms).name, {}, ""

    def _strategy(self, arm: str, settings: Mapping[str, Value]) -> Strategy:
        """Built once for the same settings, because it may cache what it computed from the history."""
        key = (arm, tuple(sorted(settings.items())))
        if key not in self._strategies:
            if len(self._strategies) >= _BUILT_STRATEGIES:
                del self._strategies[next(iter(self._strategies))]
            self._strategies[key] = self._portfolio[arm].strategy(settings)
        return self._strategies[key]


def _strategies_with(adviser: Adviser | None, advice: Advice | None) -> dict[str, Optimizer]:
    """The portfolio for these questions. It has warm-started strategies only if the loop does not warm-start all of
    them.
    """
    if adviser is None or advice is None:
        return default_strategies()
    predict = adviser.predict if advice.predict else None
    return default_strategies(predict, None if advice.warm_start_share else adviser.suggest)


def _untried(strategy: Strategy, history: History, generator: random.Random) -> Candidate | None:
    """A proposal that was not tried; None if the whole space was."""
    candidate = plain_candidate(history.space, strategy.propose(history, generator))
    for _ in range(_PROPOSALS):
        if candidate not in history:
            return candidate
        candidate = plain_candidate(history.space, strategy.propose(history, generator))
    if history.space.explicit_graphs:
        return candidate
    for _ in range(_RANDOM_PROPOSALS):
        candidate = sample(history.space, generator)
        if candidate not in history:
            return candidate
    if space_size(history.space) > _LARGEST_ENUMERATION:
        return candidate
    return next((each for each in enumerate_space(history.space) if each not in history), None)
