"""How the next candidate is chosen from what has been tried: the strategies that the service selects among.

A strategy is anything with ``propose(history, generator)``. It keeps no state between proposals, so that workers may
take turns with it: what it needs to know is in the history of all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from headstart.errors import DeadlineExceeded, FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented
from headstart.search.history import History
from headstart.spaces import Candidate, mutate, sample
from headstart.values import Prediction

Predict = Callable[[Sequence[Candidate]], Sequence[Prediction]]

# What a question may fail with while the search goes on without an answer.
NO_ANSWER = (DeadlineExceeded, FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented)


class Strategy(Protocol):
    def propose(self, history: History, generator: random.Random) -> Candidate:
        """A candidate of ``history.space`` to try next, preferably one that the history does not contain."""
        ...


@dataclass(frozen=True)
class RandomSearch:
    def propose(self, history: History, generator: random.Random) -> Candidate:
        return sample(history.space, generator)


@dataclass(frozen=True)
class LocalSearch:
    """An untried neighbour of the best candidate; one mutation further away each time none is found.

    White et al., "Exploring the loss landscape in neural architecture search", UAI 2021, section 4.
    """

    attempts: int = 32
    furthest: int = 3

    def propose(self, history: History, generator: random.Random) -> Candidate:
        best = history.best(1)
        if best:
            for mutations in range(1, self.furthest + 1):
                for _ in range(self.attempts):
                    neighbour = mutate(history.space, best[0].candidate, generator, mutations)
                    if neighbour not in history:
                        return neighbour
        return sample(history.space, generator)


@dataclass(frozen=True)
class RegularizedEvolution:
    """The best of a random sample of the youngest trials has a child with one mutation.

    Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019, algorithm 1.
    """

    population_size: int = 50
    sample_size: int = 10

    def propose(self, history: History, generator: random.Random) -> Candidate:
        if len(history) < self.population_size:
            return sample(history.space, generator)
        population = history.recent(self.population_size)
        contestants = generator.sample(population, min(self.sample_size, len(population)))
        parent = max(contestants, key=lambda trial: trial.score)
        return mutate(history.space, parent.candidate, generator)


@dataclass(frozen=True)
class PredictorGuidedEvolution:
    """The one of many mutations of the best candidates, and of random ones, that may turn out best.

    Candidates are compared by their predicted mean plus ``optimism`` predicted standard deviations (an upper confidence
    bound: Srinivas et al., "Gaussian process optimization in the bandit setting", ICML 2010). While nothing can be
    predicted, ``fallback`` proposes.
    """

    predict: Predict
    parents: int = 10
    mutants: int = 96
    strangers: int = 32
    optimism: float = 1.0
    fallback: Strategy = RegularizedEvolution()

    def propose(self, history: History, generator: random.Random) -> Candidate:
        parents = history.best(self.parents)
        if not parents:
            return self.fallback.propose(history, generator)
        pool: dict[str, Candidate] = {}
        for index in range(self.mutants + self.strangers):
            if index < self.mutants:
                parent = parents[index % len(parents)].candidate
                candidate = mutate(history.space, parent, generator, 1 + index % 2)
            else:
                candidate = sample(history.space, generator)
            fingerprint = history.fingerprint(candidate)
            if not history.has_fingerprint(fingerprint):
                pool.setdefault(fingerprint, candidate)
        candidates = list(pool.values())
        if not candidates:
            return self.fallback.propose(history, generator)
        try:
            predictions = self.predict(candidates)
        except NO_ANSWER:
            return self.fallback.propose(history, generator)
        promise = [
            history.sign * prediction.estimate.mean + self.optimism * prediction.estimate.standard_deviation
            for prediction in predictions
        ]
        return candidates[max(range(len(candidates)), key=promise.__getitem__)]


def default_strategies(predict: Predict | None = None) -> dict[str, Strategy]:
    """The strategies of the reference search by name; the predictor-guided one where there is somebody to ask."""
    strategies: dict[str, Strategy] = {
        "random": RandomSearch(),
        "local_search": LocalSearch(),
        "regularized_evolution": RegularizedEvolution(),
    }
    if predict is not None:
        strategies["predictor_guided_evolution"] = PredictorGuidedEvolution(predict)
    return strategies
