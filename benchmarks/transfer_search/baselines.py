"""What a person does by hand: a cold optimizer, the best of past tasks first, or the default configuration first.

"Best of past" tries the best configuration of each past task, then the second best of each, eight in all, past tasks in
an order drawn by the seed; what follows is told these eight results. The default is XGBoost's own, Adam's for the
optimizer settings of TaskSet, and the middle of the grids of HPOBench and HPOLib; graph spaces have none.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import chain, zip_longest

from benchmarks.transfer_search.families import Case
from benchmarks.transfer_search.running import Search, distinct
from headstart.search import RandomSearch, RegularizedEvolution, Strategy
from headstart.search.ask_tell import AskTell
from headstart.search.history import History
from headstart.spaces import Candidate, Categorical

FIRST = 8
_ADAM = {
    "learning_rate": 1e-3,
    "beta1": 0.9,
    "beta2": 0.999,
    "epsilon": 1e-8,
    "l1": 0.0,
    "l2": 0.0,
    "linear_decay": 0.0,
    "exponential_decay": 0.0,
}


def best_of_past(case: Case) -> list[Candidate]:
    ranked = [
        [each.candidate for each in sorted(past.evaluated, key=lambda one: -_known(one.score))] for past in case.past
    ]
    random.Random(f"past/{case.task.name}/{case.seed}").shuffle(ranked)
    interleaved = (each for each in chain.from_iterable(zip_longest(*ranked)) if each is not None)
    return distinct(case.task.space, interleaved)[:FIRST]


def default_first(case: Case) -> list[Candidate]:
    table = case.task.table
    own = getattr(getattr(table, "measured", table), "default", None)
    if own is not None:
        return [own]
    if case.family == "taskset":
        # Zero is below the bounds of logarithmic domains.
        bounds = {parameter.name: parameter.domain for parameter in case.task.space.parameters}
        return [Candidate({name: max(bounds[name].lower, value) for name, value in _ADAM.items() if name in bounds})]  # type: ignore[union-attr]
    middle = {}
    for parameter in case.task.space.parameters:
        assert isinstance(parameter.domain, Categorical)
        ordered = parameter.domain.ordered_choices
        middle[parameter.name] = parameter.domain.choices[0] if ordered is None else ordered[(len(ordered) - 1) // 2]
    return [Candidate(middle)]


def _known(score: float | None) -> float:
    return float("-inf") if score is None else score


class RandomMember:
    """Any member of the pool, each as likely as the others; without a pool any candidate of the space."""

    def __init__(self, pool: Sequence[Candidate]) -> None:
        self._pool = pool

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if not self._pool:
            return RandomSearch().propose(history, generator)
        return generator.choice([each for each in self._pool if each not in history])


def tpe(case: Case) -> Strategy:
    """Optuna's TPESampler with its defaults, multivariate (development runs: .162 for .203 on NAS-Bench-201)."""
    from headstart.search.tree_parzen import tree_parzen

    return tree_parzen()


def gaussian_process(case: Case) -> Strategy:
    """Optuna's GPSampler as it comes; it draws parameters under a condition at random."""
    import optuna

    from headstart.search.tree_parzen import Sampled

    return AskTell(lambda space, seed: Sampled(space, optuna.samplers.GPSampler(seed=seed)))


def evolution(case: Case) -> Strategy:
    """A population small enough to evolve within the budget; the usual one of fifty would be a random search."""
    return RegularizedEvolution(population_size=FIRST, sample_size=4)


_WITH_DEFAULT = ("hpobench", "hpolib", "taskset", "xgboost")

BASELINES = {
    "random": Search(lambda case: RandomMember(case.task.table.pool)),
    "tpe": Search(tpe),
    "evolution": Search(evolution),
    "gp": Search(gaussian_process),
    "default, then tpe": Search(tpe, default_first, _WITH_DEFAULT),
    "past, then tpe": Search(tpe, best_of_past),
    "past, then evolution": Search(evolution, best_of_past),
    "past, then gp": Search(gaussian_process, best_of_past),
}
