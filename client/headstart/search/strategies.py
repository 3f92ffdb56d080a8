"""Search strategies: they choose the next candidate from the history. The service selects among them.

A strategy is anything with ``propose(history, generator)``. It keeps no state between proposals, so workers may take
turns with it: everything it needs is in the history of all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from headstart.errors import DeadlineExceeded, FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented
from headstart.search.history import History
from headstart.spaces import Candidate, mutate, recombine, sample
from headstart.values import Prediction

Predict = Callable[[Sequence[Candidate]], Sequence[Prediction]]

# Errors of a question after which the search goes on without an answer.
NO_ANSWER = (DeadlineExceeded, FailedPrecondition, ResourceExhausted, Unavailable, Unimplemented)


class Strategy(Protocol):
    def propose(self, history: History, generator: random.Random) -> Candidate:
        """A candidate of ``history.space`` to try next, preferably an untried one."""
        ...


@dataclass(frozen=True)
class RandomSearch:
    def propose(self, history: History, generator: random.Random) -> Candidate:
        return sample(history.space, generator)


@dataclass(frozen=True)
class LocalSearch:
    """An untried neighbour of the best candidate, one mutation further away each time there is none.

    White et al., "Exploring the loss landscape in neural architecture search", UAI 2021, section 4. It starts at the
    best of ``initial`` random candidates.
    """

    initial: int = 5
    attempts: int = 32
    furthest: int = 3

    def propose(self, history: History, generator: random.Random) -> Candidate:
        best = history.best(1)
        if best and len(history) >= self.initial:
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
class GeneticAlgorithm:
    """A child of two of the best trials: each parameter from either, then mutations, more if the child is known.

    Steady-state replacement of the worst: Syswerda, "A study of reproduction in generational and steady-state genetic
    algorithms", FOGA 1991. The population is the ``population_size`` best so far, random at first; a parent is the
    better one of two drawn.
    """

    population_size: int = 20
    mutation_rate: float = 0.5
    attempts: int = 8

    def propose(self, history: History, generator: random.Random) -> Candidate:
        population = history.best(self.population_size)
        if len(history) < self.population_size or not population:
            return sample(history.space, generator)
        child = population[0].candidate
        for attempt in range(self.attempts):
            first, second = (
                # The lowest index is the best.
                population[min(generator.randrange(len(population)) for _ in range(2))].candidate
                for _ in range(2)
            )
            child = recombine(history.space, first, second, generator)
            if attempt > 0 or generator.random() < self.mutation_rate:
                child = mutate(history.space, child, generator, 1 + attempt // 4)
            if child not in history:
                break
        return child


@dataclass(frozen=True)
class PredictorGuidedEvolution:
    """The best by upper confidence bound among mutations of the best candidates and random ones.

    The bound is the predicted mean plus ``optimism`` predicted standard deviations (Srinivas et al., "Gaussian
    process optimization in the bandit setting", ICML 2010). ``fallback`` proposes while nothing can be predicted.
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
