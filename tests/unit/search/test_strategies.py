"""Strategies propose valid, untried candidates, and find the best of a toy function sooner than chance does."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

import grpc
import pytest

from headstart.errors import FailedPrecondition, NotFound
from headstart.search import (
    GeneticAlgorithm,
    History,
    LocalSearch,
    PredictorGuidedEvolution,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
    search_without_service,
)
from headstart.spaces import Candidate, candidate_violations, mlp_classifier, nas_bench_201, nas_bench_graph, sample
from headstart.values import Direction, Estimate, ExperimentStatus, Interval, Outcome, Prediction, completed

SPACE = nas_bench_graph()
OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")


def toy(candidate: Candidate) -> float:
    """Each layer has a best op, and deep links are better: 1 is the maximum, reached by one candidate of 59,049."""
    right = sum(candidate.values[f"op{layer}"] == OPS[2 * layer - 2] for layer in range(1, 5))
    return (right + (candidate.values["link"] == "0,1,2,3")) / 5


def toy_predictions(candidates: Sequence[Candidate]) -> list[Prediction]:
    return [
        Prediction(Estimate(toy(candidate), 0.05, Interval(toy(candidate) - 0.1, toy(candidate) + 0.1, 0.9)))
        for candidate in candidates
    ]


def history_of(values: Sequence[float], direction: Direction = Direction.MAXIMIZE) -> History:
    history = History(SPACE, direction)
    generator = random.Random(0)
    history.add([history.trial(sample(SPACE, generator), completed(value)) for value in values])
    return history


ALL: dict[str, Strategy] = {
    "random": RandomSearch(),
    "local_search": LocalSearch(),
    "regularized_evolution": RegularizedEvolution(),
    "genetic_algorithm": GeneticAlgorithm(),
    "predictor_guided_evolution": PredictorGuidedEvolution(toy_predictions),
}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("count", [0, 1, 60])
def test_proposals_are_valid(name: str, count: int) -> None:
    history = history_of([index / 100 for index in range(count)])
    for seed in range(20):
        candidate = ALL[name].propose(history, random.Random(seed))
        assert list(candidate_violations(SPACE, candidate)) == []


@pytest.mark.parametrize("space", [nas_bench_201(), mlp_classifier()], ids=lambda space: space.search_space_id)
@pytest.mark.parametrize("name", ["random", "local_search", "regularized_evolution", "genetic_algorithm"])
def test_strategies_work_in_other_spaces(name: str, space: object) -> None:
    from headstart.spaces import SearchSpace

    assert isinstance(space, SearchSpace)
    result = search_without_service(space, lambda c: float(len(str(c.values))), 80, strategies={name: ALL[name]})
    assert result.evaluations == 80


def evaluations_to_the_best(name: str, budget: int, direction: Direction, seed: int) -> int:
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0
    strategies = dict(ALL)
    if sign < 0:
        strategies["predictor_guided_evolution"] = PredictorGuidedEvolution(
            lambda candidates: [
                Prediction(Estimate(-p.estimate.mean, 0.05, Interval(0.0, 0.0, 0.9)))
                for p in toy_predictions(candidates)
            ]
        )
    result = search_without_service(
        SPACE, lambda c: sign * toy(c), budget, direction=direction, strategies={name: strategies[name]}, seed=seed
    )
    found = [i for i, step in enumerate(result.steps, 1) if sign * (step.outcome.objective_value or 0.0) == 1.0]
    return found[0] if found else budget + 1


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize(
    ("name", "budget"),
    [
        ("regularized_evolution", 250),
        ("local_search", 150),
        ("genetic_algorithm", 250),
        ("predictor_guided_evolution", 40),
    ],
)
def test_strategies_find_the_best_of_59049(name: str, budget: int, direction: Direction) -> None:
    assert statistics.median(evaluations_to_the_best(name, budget, direction, seed) for seed in range(5)) <= budget


def test_random_search_does_not() -> None:
    assert evaluations_to_the_best("random", 250, Direction.MAXIMIZE, 0) == 251


def test_evolution_draws_at_random_until_there_is_a_population() -> None:
    """Then a child is one mutation from one of the fifty youngest, however good the older ones are."""
    history = history_of([1000.0] * 30 + [float(index) for index in range(50)])
    youngest = [trial.candidate.values for trial in history.trials[-50:]]
    for seed in range(30):
        child = RegularizedEvolution().propose(history, random.Random(seed)).values
        assert any(sum(child[name] != parent[name] for name in child) == 1 for parent in youngest)


def test_local_search_starts_at_the_best_of_its_first_candidates() -> None:
    """The first five are no neighbours of anything; what follows differs from the best of them in one parameter."""
    result = search_without_service(SPACE, toy, 6, strategies={"local_search": LocalSearch()}, seed=1)
    first, sixth = [step.candidate for step in result.steps[:5]], result.steps[5].candidate.values
    differences = [sum(one.values[name] != sixth[name] for name in sixth) for one in first]
    assert differences[max(range(5), key=lambda index: toy(first[index]))] == 1
    assert min(sum(a.values[n] != b.values[n] for n in sixth) for a in first for b in first if a is not b) > 1


def test_a_genetic_child_has_each_parameter_of_the_best_but_for_a_mutation() -> None:
    history = history_of([float(index) for index in range(60)])
    elite = [trial.candidate.values for trial in history.best(20)]
    strangers = 0
    for seed in range(50):
        child = GeneticAlgorithm().propose(history, random.Random(seed))
        assert child not in history
        strangers += sum(all(child.values[name] != each[name] for each in elite) for name in child.values)
    assert strangers <= 5, "nearly every value of an operation occurs among twenty"


def test_a_genetic_algorithm_looks_further_where_every_child_is_known() -> None:
    """A population of one has one child without mutation: itself."""
    history = history_of([1.0] + [0.0] * 25)
    child = GeneticAlgorithm(population_size=1, mutation_rate=0.0).propose(history, random.Random(0))
    assert child not in history


def test_local_search_leaves_an_exhausted_neighbourhood() -> None:
    history = history_of([1.0])
    centre = history.trials[0].candidate
    for name, choices in [
        ("link", SPACE.parameters[0].domain),
        *((f"op{i}", SPACE.parameters[i].domain) for i in range(1, 5)),
    ]:
        history.add(
            history.trial(Candidate({**centre.values, name: choice}), completed(0.0))
            for choice in choices.choices  # type: ignore[union-attr]
        )
    assert LocalSearch().propose(history, random.Random(0)) not in history


def test_guided_evolution_evolves_where_nothing_can_be_predicted() -> None:
    def nothing(candidates: Sequence[Candidate]) -> list[Prediction]:
        raise FailedPrecondition(grpc.StatusCode.FAILED_PRECONDITION, "NO_EXPERIMENTS", "nothing recorded yet")

    history = history_of([float(index) for index in range(60)])
    proposal = PredictorGuidedEvolution(nothing).propose(history, random.Random(3))
    assert list(candidate_violations(SPACE, proposal)) == []


def test_guided_evolution_does_not_hide_other_errors() -> None:
    def broken(candidates: Sequence[Candidate]) -> list[Prediction]:
        raise NotFound(grpc.StatusCode.NOT_FOUND, "TASK_NOT_FOUND", "no such task")

    with pytest.raises(NotFound):
        PredictorGuidedEvolution(broken).propose(history_of([1.0]), random.Random(0))


def test_guided_evolution_asks_only_about_untried_and_different_candidates() -> None:
    asked: list[Candidate] = []

    def remember(candidates: Sequence[Candidate]) -> list[Prediction]:
        asked.extend(candidates)
        return toy_predictions(candidates)

    history = history_of([0.1, 0.2, 0.3])
    PredictorGuidedEvolution(remember).propose(history, random.Random(0))
    assert len({history.fingerprint(candidate) for candidate in asked}) == len(asked) > 50
    assert not any(candidate in history for candidate in asked)


def test_best_of_a_history_leaves_out_failures_and_partial_trainings() -> None:
    history = History(SPACE, Direction.MINIMIZE, max_fidelity=10.0)
    generator = random.Random(0)
    outcomes = [
        Outcome(ExperimentStatus.FAILED, -100.0),
        Outcome(ExperimentStatus.STOPPED, -50.0),
        Outcome(ExperimentStatus.COMPLETED, -20.0, fidelity=5.0),
        Outcome(ExperimentStatus.COMPLETED, -3.0, fidelity=10.0),
        completed(-2.0),
        completed(-4.0),
    ]
    history.add([history.trial(sample(SPACE, generator), outcome) for outcome in outcomes])
    assert [trial.outcome.objective_value for trial in history.best(10)] == [-4.0, -3.0, -2.0]


def test_guided_evolution_prefers_what_may_turn_out_best() -> None:
    """Of equal means the less certain one; optimism 0 follows the mean alone."""
    history = history_of([0.1, 0.2, 0.3])

    def one_uncertain(candidates: Sequence[Candidate]) -> list[Prediction]:
        interval = Interval(0.0, 1.0, 0.9)
        asked.append(candidates[7])
        return [Prediction(Estimate(0.5, 0.2 if index == 7 else 0.1, interval)) for index in range(len(candidates))]

    asked: list[Candidate] = []
    proposal = PredictorGuidedEvolution(one_uncertain).propose(history, random.Random(0))
    assert proposal == asked[-1]
    proposal = PredictorGuidedEvolution(one_uncertain, optimism=0.0).propose(history, random.Random(0))
    assert proposal != asked[-1]
