"""Ask/tell optimizers see every result of all workers once, and fit the shared history."""

from __future__ import annotations

import random

import pytest

from headstart.search import AskTell, History, Trial, search_without_service
from headstart.search.tree_parzen import TreeParzen, tree_parzen
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    Float,
    Integer,
    Ordering,
    Parameter,
    SearchSpace,
    candidate_violations,
    mlp_classifier,
    sample,
)
from headstart.values import ExperimentStatus, Outcome, completed

SPACE = SearchSpace("grid", (Parameter("a", Integer(0, 9)), Parameter("b", Integer(0, 9))))

MIXED = SearchSpace(
    "mixed",
    (
        Parameter("kind", Categorical(("flat", "deep", True, 1))),
        Parameter("rate", Float(1e-5, 1.0, logarithmic=True)),
        Parameter("layers", Integer(1, 1000, logarithmic=True), Condition("kind", ("deep",))),
        Parameter("size", Categorical((64, 8, 512, 0.5))),
        Parameter("width", Integer(-3, 3), Condition("layers", tuple(range(1, 30)))),
        Parameter("fixed", Float(2.0, 2.0)),
        Parameter("only", Categorical(("one",))),
    ),
)


class Remembering:
    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.told: list[Trial] = []
        self.seed = seed

    def ask(self) -> Candidate:
        return Candidate({"a": len(self.told) % 10, "b": 0})

    def tell(self, trial: Trial) -> None:
        self.told.append(trial)


def trials(history: History, count: int) -> list[Trial]:
    generator = random.Random(0)
    return [history.trial(sample(history.space, generator), completed(float(index))) for index in range(count)]


def test_each_recorded_trial_is_told_once_and_in_order() -> None:
    running: list[Remembering] = []

    def start(space: SearchSpace, seed: int) -> Remembering:
        running.append(Remembering(space, seed))
        return running[-1]

    strategy, history, generator = AskTell(start), History(SPACE), random.Random(0)
    known = trials(history, 7)
    history.add(known[:3])
    strategy.propose(history, generator)
    strategy.propose(history, generator)
    history.set_waiting(known[3:5])
    strategy.propose(history, generator)
    assert running[0].told == known[:3], "what is not recorded yet has no place in the order"
    history.set_waiting([])
    history.add(known[3:])
    strategy.propose(history, generator)
    assert running[0].told == known

    strategy.propose(History(SPACE), generator)
    assert len(running) == 2 and running[1].told == [] and running[0].seed != running[1].seed


def test_a_proposal_that_is_known_becomes_one_nearby() -> None:
    strategy, history, generator = AskTell(Remembering), History(SPACE), random.Random(0)
    history.add(history.trial(Candidate({"a": 3, "b": 0}), completed(0.0)) for _ in range(3))
    for _ in range(20):
        candidate = strategy.propose(history, generator)
        assert candidate not in history
        assert list(candidate_violations(SPACE, candidate)) == []


@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("space", [MIXED, mlp_classifier(), SPACE], ids=lambda space: space.search_space_id)
def test_parzen_estimators_propose_valid_candidates(space: SearchSpace, multivariate: bool) -> None:
    def evaluate(candidate: Candidate) -> Outcome:
        assert list(candidate_violations(space, candidate)) == []
        if random.Random(str(candidate)).random() < 0.2:
            return Outcome(ExperimentStatus.FAILED)
        return completed(float(len(str(candidate))))

    arms = {"tpe": tree_parzen(initial=5, multivariate=multivariate)}
    assert search_without_service(space, evaluate, 40, strategies=arms).evaluations == 40


def test_parzen_estimators_learn_from_results_of_others() -> None:
    """Told that one corner is good and all else is bad, they propose in that corner."""
    history = History(SPACE)
    near = [Candidate({"a": a, "b": b}) for a in (8, 9) for b in (8, 9)]
    far = [sample(SPACE, random.Random(seed)) for seed in range(60)]
    history.add(history.trial(each, completed(1.0 - 0.01 * index)) for index, each in enumerate(near))
    history.add(history.trial(each, completed(-1.0)) for each in far if each not in near)
    strategy = tree_parzen()
    generator = random.Random(0)
    asked = [strategy.propose(history, generator).values for _ in range(30)]
    close = sum(int(values["a"]) >= 6 and int(values["b"]) >= 6 for values in asked)
    assert close >= 15, "a tenth and a half would be chance"


def test_choices_of_numbers_are_ordered_and_others_are_not() -> None:
    optimizer = TreeParzen(MIXED, 0, 5, 24, True)
    kinds = {name: type(axis.distribution).__name__ for name, axis in optimizer._axes.items()}
    assert kinds == {
        "kind": "CategoricalDistribution",
        "rate": "FloatDistribution",
        "layers": "IntDistribution",
        "size": "IntDistribution",
        "width": "IntDistribution",
        "fixed": "FloatDistribution",
        "only": "CategoricalDistribution",
    }
    assert [optimizer._axes["size"].coordinate(value) for value in (0.5, 8, 64, 512)] == [0, 1, 2, 3]
    names = TreeParzen(SearchSpace("s", (Parameter("a", Categorical((3, 1, 2), Ordering.UNORDERED)),)), 0, 5, 24, True)
    assert type(names._axes["a"].distribution).__name__ == "CategoricalDistribution"
    assert [optimizer._axes["kind"].coordinate(value) for value in ("flat", "deep", True, 1)] == [0, 1, 2, 3]


def test_spaces_of_explicit_graphs_are_refused_by_name() -> None:
    space = SearchSpace("graphs", explicit_graphs=True)
    with pytest.raises(ValueError, match="graphs has explicit graphs"):
        tree_parzen().propose(History(space), random.Random(0))


def test_a_study_is_made_without_a_line_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    tree_parzen().propose(History(SPACE), random.Random(0))
    told = capfd.readouterr()
    assert told.out == told.err == ""
