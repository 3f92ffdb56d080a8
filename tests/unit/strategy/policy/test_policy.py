"""Learned policy: it learns which arm pays in which phase, and serves only where it gains on unseen tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart_server.knowledge.tasks import Task
from headstart_server.strategy.bandit.thompson_sampling import Belief, choice_probabilities
from headstart_server.strategy.model_versions import ModelState
from headstart_server.strategy.policy import fitted_q
from headstart_server.strategy.policy.fitted_q import QFunction
from headstart_server.strategy.policy.off_policy_evaluation import evaluate, returns
from headstart_server.strategy.policy.serving import ServingPolicy
from headstart_server.strategy.policy.training import train_policy
from headstart_server.strategy.policy.trajectories import Step, Trajectory
from headstart_server.strategy.search_state import SearchState

LENGTH = 60
EVEN = np.array([0.5, 0.5])
EARLY, LATE = ("early", False), ("late", False)


def task(number: int) -> Task:
    return Task(f"t{number}", "", "accuracy", True, {"data": "images"}, {"rows": 10.0**number}, "", 0.0)


def views(*pending: int) -> tuple[Belief, ...]:
    return tuple(Belief(*key, 0.33, 0.1, 6.0, count) for key, count in zip((EARLY, LATE), pending, strict=True))


def trajectories(gap: float, count: int = 12, seed: int = 0, share: float = 0.5) -> list[Trajectory]:
    """One arm pays in the first half, the other in the second; recorded with ``share`` for the first."""
    generator = np.random.default_rng(seed)
    recorded_searches = []
    for number in range(count):
        steps = []
        for index in range(LENGTH):
            taken = int(generator.random() >= share)
            pays = (taken == 0) == (index < LENGTH / 2)
            improvement = 0.02 * generator.random() * (1 + (gap if pays else -gap))
            state = SearchState(index, 0, index, LENGTH)
            steps.append(Step(state, views(0, 0), taken, (share, 1 - share)[taken], improvement))
        recorded_searches.append(Trajectory(task(number), tuple(steps)))
    return recorded_searches


@pytest.fixture(scope="module")
def learned() -> QFunction:
    return fitted_q.fit(trajectories(0.9), seed=0)


def test_policy_takes_what_pays_at_each_phase(learned):
    early = learned.probabilities(task(99), SearchState(5, 0, 5, LENGTH), views(0, 0), EVEN)
    late = learned.probabilities(task(99), SearchState(50, 0, 50, LENGTH), views(0, 0), EVEN)
    assert early.tolist() == pytest.approx([0.9, 0.1])
    assert late.tolist() == pytest.approx([0.1, 0.9])


def test_what_the_bandit_hardly_takes_is_not_preferred(learned):
    """Nothing recorded could speak against it; so pending pulls, which the bandit spreads by, spread the policy too."""
    state = SearchState(5, 0, 5, LENGTH)
    assert learned.probabilities(task(99), state, views(0, 0), np.array([0.03, 0.97])).tolist() == pytest.approx(
        [0.2 * 0.03, 0.8 + 0.2 * 0.97]
    )
    generator = np.random.default_rng(0)
    bandit = choice_probabilities(views(60, 0), generator, 500)
    pending = ServingPolicy(1, learned).choose(task(99), state, views(60, 0), bandit, generator)
    assert pending.key == LATE and pending.decided_by == "policy"


def test_policy_comes_back_from_its_bytes(learned):
    again = QFunction.from_bytes(learned.to_bytes())
    state = SearchState(20, 3, 20, LENGTH)
    assert again.layout == learned.layout
    assert np.array_equal(again.values(task(1), state, views(0, 0)), learned.values(task(1), state, views(0, 0)))


def test_estimate_is_that_of_running_the_policy_whatever_was_recorded(learned):
    """Recorded with four times as much of one arm, the estimate is the same: what the policy earns where followed."""
    skewed = evaluate([(learned, each) for each in trajectories(0.9, 40, seed=5, share=0.2)])
    even = evaluate([(learned, each) for each in trajectories(0.9, 40, seed=6, share=0.5)])
    assert skewed is not None and even is not None
    # One decision by the policy is worth .9 of .02 * .5 * 1.9 + .1 of .02 * .5 * .1, the bandit's half of each.
    assert even.policy - even.bandit == pytest.approx(0.4 * 0.02 * 0.5 * 1.8, rel=0.2)
    assert skewed.policy - skewed.bandit == pytest.approx(0.4 * 0.02 * 0.5 * 1.8, rel=0.25)


class Shifted:
    """A Q function that is wrong by one everywhere, and so chooses as before."""

    def __init__(self, function: QFunction) -> None:
        self._function = function
        self.probabilities = function.probabilities

    def values(self, *arguments: object) -> np.ndarray:
        return self._function.values(*arguments) + 1.0  # type: ignore[arg-type]


def test_estimate_gains_nothing_by_values_that_are_wrong_everywhere_alike(learned):
    recorded = trajectories(0.9, 8, seed=7, share=0.05)
    right = evaluate([(learned, each) for each in recorded])
    wrong = evaluate([(Shifted(learned), each) for each in recorded])  # type: ignore[misc]
    assert right is not None and wrong is not None
    assert (wrong.policy, wrong.lower) == pytest.approx((right.policy, right.lower), abs=1e-5)


def test_decisions_that_were_not_drawn_say_nothing_of_the_policy(learned):
    """The prior's guard takes them alone, and would not ask a policy there."""
    recorded = trajectories(0.9, 8)
    guarded = [
        replace(each, steps=tuple(replace(step, probability=1.0, improvement=9.0) for step in each.steps) + each.steps)
        for each in recorded
    ]
    assert evaluate([(learned, each) for each in guarded]) == evaluate([(learned, each) for each in recorded])


def test_policy_serves_where_it_gains_and_not_where_nothing_can_be_learned():
    better = train_policy(trajectories(0.9), 0)
    nothing = train_policy(trajectories(0.0), 0)
    assert better is not None and nothing is not None
    assert better[1] is ModelState.SERVING and better[0].figures["gain_lower"] > 0
    assert nothing[1] is ModelState.REJECTED
    assert {"improvement_policy", "improvement_bandit"} <= set(nothing[0].figures)


def test_too_few_tasks_teach_no_policy():
    assert train_policy(trajectories(0.9, 7), 0) is None


def test_returns_count_later_improvements_less():
    steps = [Step(SearchState(0, 0), views(0, 0), 0, 1.0, each) for each in (1.0, 0.0, 1.0)]
    assert returns(steps).tolist() == pytest.approx([1 + 0.81, 0.9, 1.0])
