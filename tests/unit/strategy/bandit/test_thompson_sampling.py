from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from headstart_server.strategy.arm_statistics import ArmStatistics
from headstart_server.strategy.bandit.thompson_sampling import (
    ChosenArm,
    belief,
    choice_probabilities,
    choose,
    reward_variance,
)
from headstart_server.strategy.rewards.attribution import DISCOUNT


def known(name: str, pulls: int, reward_sum: float, **past: float) -> ArmStatistics:
    return replace(
        ArmStatistics(
            name,
            pulls=pulls,
            weight=float(pulls),
            reward_sum=reward_sum,
            reward_square_sum=reward_sum**2 / pulls + 0.05 * pulls,
        ),
        **past,
    )


def pull(arms: list[ArmStatistics], generator: np.random.Generator) -> ChosenArm:
    variance = reward_variance(arms)
    beliefs = [belief(arm, variance) for arm in arms]
    return choose(beliefs, choice_probabilities(beliefs, generator), generator)


def play(rewards: dict[str, float], rounds: int, seed: int = 0) -> Counter[str]:
    generator = np.random.default_rng(seed)
    arms = {name: ArmStatistics(name) for name in rewards}
    pulls: Counter[str] = Counter()
    for _ in range(rounds):
        name = pull(list(arms.values()), generator).key[0]
        pulls[name] += 1
        reward = float(np.clip(rewards[name] + generator.normal(0, 0.1), 0, 1))
        arms[name] = replace(
            arms[name],
            pulls=arms[name].pulls + 1,
            weight=arms[name].weight * DISCOUNT + 1,
            reward_sum=arms[name].reward_sum * DISCOUNT + reward,
            reward_square_sum=arms[name].reward_square_sum * DISCOUNT + reward**2,
        )
    return pulls


def test_better_arm_is_pulled_more():
    pulls = play({"weak": 0.3, "strong": 0.7}, 300)
    assert pulls["strong"] > 0.75 * 300


def test_first_choice_is_neutral():
    choice = pull([ArmStatistics("a"), ArmStatistics("b")], np.random.default_rng(0))
    assert choice.expected_reward == 0.5
    assert choice.probability == pytest.approx(0.5, abs=0.1)


def test_pending_pulls_spread_workers_that_ask_at_once():
    arms = {name: known(name, 4, reward) for name, reward in (("a", 2.4), ("b", 2.0), ("c", 2.0))}
    generator = np.random.default_rng(0)
    taken: Counter[str] = Counter()
    for _ in range(16):
        name = pull(list(arms.values()), generator).key[0]
        taken[name] += 1
        arms[name] = replace(arms[name], pending=arms[name].pending + 1)
    assert len(taken) == 3
    assert max(taken.values()) <= 8


def test_experience_from_other_tasks_leads_and_then_fades():
    past = {"a": {"other_pulls": 500, "other_reward_sum": 400.0}, "b": {"other_pulls": 500, "other_reward_sum": 100.0}}
    generator = np.random.default_rng(0)
    first = [pull([ArmStatistics(n, **past[n]) for n in "ab"], generator).key[0] for _ in range(200)]
    assert first.count("a") > 150
    contradicted = [known("a", 50, 10.0, **past["a"]), known("b", 50, 40.0, **past["b"])]
    later = [pull(contradicted, generator).key[0] for _ in range(200)]
    assert later.count("b") == 200


def test_probability_is_the_share_with_which_the_policy_chooses():
    arms = [known("a", 10, 6.0), known("b", 10, 5.0)]
    generator = np.random.default_rng(0)
    choices = [pull(arms, generator) for _ in range(500)]
    share = sum(choice.key[0] == "a" for choice in choices) / 500
    stated = next(choice.probability for choice in choices if choice.key[0] == "a")
    assert share == pytest.approx(stated, abs=0.07)
