from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from headstart_server.strategy.bandit import ArmStatistics, choose


def play(rewards: dict[str, float], rounds: int, seed: int = 0) -> Counter[str]:
    generator = np.random.default_rng(seed)
    arms = {name: ArmStatistics(name) for name in rewards}
    pulls: Counter[str] = Counter()
    for _ in range(rounds):
        name = choose(list(arms.values()), generator).name
        pulls[name] += 1
        reward = float(np.clip(rewards[name] + generator.normal(0, 0.1), 0, 1))
        arms[name] = replace(arms[name], pulls=arms[name].pulls + 1, reward_sum=arms[name].reward_sum + reward)
    return pulls


def test_better_arm_is_pulled_more():
    pulls = play({"weak": 0.3, "strong": 0.7}, 300)
    assert pulls["strong"] > 0.75 * 300


def test_first_choice_is_neutral():
    choice = choose([ArmStatistics("a"), ArmStatistics("b")], np.random.default_rng(0))
    assert choice.expected_reward == 0.5
    assert choice.probability == pytest.approx(0.5, abs=0.1)


def test_pending_pulls_spread_workers_that_ask_at_once():
    arms = {
        name: ArmStatistics(name, pulls=4, reward_sum=reward) for name, reward in (("a", 2.4), ("b", 2.0), ("c", 2.0))
    }
    generator = np.random.default_rng(0)
    taken: Counter[str] = Counter()
    for _ in range(16):
        name = choose(list(arms.values()), generator).name
        taken[name] += 1
        arms[name] = replace(arms[name], pending=arms[name].pending + 1)
    assert len(taken) == 3
    assert max(taken.values()) <= 8


def test_experience_from_other_tasks_leads_and_then_fades():
    past = {"a": {"prior_pulls": 500, "prior_reward_sum": 400.0}, "b": {"prior_pulls": 500, "prior_reward_sum": 100.0}}
    generator = np.random.default_rng(0)
    first = [choose([ArmStatistics(n, **past[n]) for n in "ab"], generator).name for _ in range(200)]
    assert first.count("a") > 150
    contradicted = [ArmStatistics("a", 50, 10.0, **past["a"]), ArmStatistics("b", 50, 40.0, **past["b"])]
    later = [choose(contradicted, generator).name for _ in range(200)]
    assert later.count("b") == 200


def test_probability_is_the_share_with_which_the_policy_chooses():
    arms = [ArmStatistics("a", 10, 6.0), ArmStatistics("b", 10, 5.0)]
    generator = np.random.default_rng(0)
    choices = [choose(arms, generator) for _ in range(500)]
    share = sum(choice.name == "a" for choice in choices) / 500
    stated = next(choice.probability for choice in choices if choice.name == "a")
    assert share == pytest.approx(stated, abs=0.07)
