"""Our own searches, through the public API: each has a space and tasks of its own in the service, gone at the end.

WarmStart asked for one candidate at a time, with the history of the other tasks, without it, and with a history whose
results were handed out to its candidates at random; the same when the worker has trained a model of the space on that
history; and the loop ``headstart.search`` as it comes, which chooses from whole spaces and so runs on no pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import headstart
from benchmarks.tables.sets import FOLDER_SETS
from benchmarks.transfer_search.families import BUDGET, FAMILIES, PAST_EVALUATIONS, Case
from benchmarks.warm_start.searches import Place, evaluated_suggestions, place, record_history, wait_for_model
from headstart.spaces import Candidate
from headstart.values import Outcome


@dataclass(frozen=True)
class ServiceSearch:
    """``model``: it waits until the worker has trained on the history; without it no model may be there."""

    history: bool = True
    shuffled: bool = False
    model: bool = False
    loop: bool = False

    def runs_on(self, family: str) -> bool:
        return not self.loop or family in _WHOLE_SPACES


_WHOLE_SPACES = tuple(family for family in FAMILIES if family not in FOLDER_SETS)

WARM, ALONE, SHUFFLED, WARM_WITH_MODEL = (
    "warm start",
    "no history",
    "shuffled history",
    "warm start, trained model",
)
SERVICE_SEARCHES = {
    WARM: ServiceSearch(),
    ALONE: ServiceSearch(history=False),
    SHUFFLED: ServiceSearch(shuffled=True),
    WARM_WITH_MODEL: ServiceSearch(model=True),
    "search loop": ServiceSearch(loop=True),
    "search loop, no history": ServiceSearch(history=False, loop=True),
}


def run(client: headstart.Client, case: Case, search: ServiceSearch) -> list[float]:
    """The regret of the best after each evaluation. Raises HeadstartError, ServiceProblem."""
    task = case.task
    sources = [source.table for source in case.sources] if search.history else []
    with place(client, task.table, sources) as where:
        if search.history:
            record_history(where, case.seed, search.shuffled, PAST_EVALUATIONS)
        if search.model:
            wait_for_model(where)
        tried = _looped(where, case) if search.loop else _suggested(where, case)
    return task.curve([task.score(candidate) for candidate in tried], BUDGET)


def _suggested(where: Place, case: Case) -> list[Candidate]:
    suggestions = islice(evaluated_suggestions(where, case.search_seed, batch=1), BUDGET)
    return [suggestion.candidate for suggestion in suggestions]


def _looped(where: Place, case: Case) -> list[Candidate]:
    def evaluate(candidate: Candidate) -> Outcome:
        return case.task.evaluate(candidate)

    result = headstart.search(
        where.client, where.task.task_id, where.space, evaluate, BUDGET, seed=case.search_seed, worker_id=""
    )
    return [step.candidate for step in result.steps]
