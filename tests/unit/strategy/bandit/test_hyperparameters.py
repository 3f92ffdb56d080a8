"""Thompson sampling of settings: it concentrates where rewards are high, spreads elsewhere, and keeps to the ranges."""

from __future__ import annotations

import time
from dataclasses import replace

from headstart.spaces import Categorical, Float, Integer, Ordering, Parameter
from headstart_server.strategy.bandit.hyperparameters import SettingsChooser
from headstart_server.strategy.decisions import TriedSettings

RANGES = (
    Parameter("rate", Float(1e-3, 1.0, True)),
    Parameter("size", Integer(10, 100)),
    Parameter("kind", Categorical(("a", "b", "c"))),
)


def choose_settings(ranges: tuple[Parameter, ...], tried: list[TriedSettings], seed: int) -> tuple[dict, str]:
    return SettingsChooser(ranges, tried).choose(seed)


def reward(settings: dict[str, object]) -> float:
    """Best near a size of 80 and kind b."""
    return max(0.0, 0.5 - abs(float(str(settings["size"])) - 80) / 100) + 0.3 * (settings["kind"] == "b")


def search(rounds: int, seed: int, this_task: bool = True) -> list[TriedSettings]:
    tried: list[TriedSettings] = []
    for number in range(rounds):
        settings, _ = choose_settings(RANGES, tried, seed * 1000 + number)
        tried.append(TriedSettings(settings, reward(settings), 1, this_task))
    return tried


def test_settings_gather_where_they_pay():
    early, late = [], []
    for seed in range(10):
        tried = search(40, seed)
        early += [each.reward for each in tried[:10]]
        late += [each.reward for each in tried[-10:]]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.15


def test_first_settings_are_drawn_from_all_of_the_ranges():
    drawn = [choose_settings(RANGES, [], seed)[0] for seed in range(200)]
    assert {each["kind"] for each in drawn} == {"a", "b", "c"}
    assert min(each["size"] for each in drawn) < 20 and max(each["size"] for each in drawn) > 90
    assert sum(each["rate"] < 0.03 for each in drawn) > 60, "a logarithmic range is drawn by its logarithm"


def test_results_of_this_task_count_more_than_those_of_others():
    small, large = ({"rate": 0.1, "size": size, "kind": "a"} for size in (20, 90))
    tried = [
        TriedSettings(settings, reward, 20, this_task)
        for this_task in (True, False)
        for settings, reward in ((small, 0.9 if this_task else 0.1), (large, 0.1 if this_task else 0.9))
    ]
    chosen = [choose_settings(RANGES, tried, seed)[0] for seed in range(100)]
    near = [each["kind"] == "a" and float(str(each["size"])) < 40 for each in chosen]
    far = [each["kind"] == "a" and float(str(each["size"])) > 70 for each in chosen]
    assert sum(near) > 3 * sum(far)


def test_settings_outside_the_ranges_teach_nothing():
    foreign = [TriedSettings({"rate": 5.0, "size": 20, "kind": "z"}, 0.9, 3, True)]
    settings, reason = choose_settings(RANGES, foreign, 1)
    assert settings == choose_settings(RANGES, [], 1)[0]
    assert "drawn" in reason


def test_equal_seeds_choose_equal_settings():
    tried = search(10, 3)
    assert choose_settings(RANGES, tried, 7) == choose_settings(RANGES, tried, 7)


def test_ordered_choices_gather_as_numbers_do():
    sizes = Parameter("size", Categorical((16, 32, 64, 128, 256, 512, 1024, 2048, 4096)))
    tried = [TriedSettings({"size": size}, reward, 20, True) for size, reward in ((16, 0.1), (1024, 0.9))]
    names = Parameter("size", replace(sizes.domain, ordering=Ordering.UNORDERED))
    far, far_as_names = (
        sum(float(str(choose_settings((each,), tried, seed)[0]["size"])) < 256 for seed in range(100))
        for each in (sizes, names)
    )
    assert far < 5
    assert far_as_names > 15


def test_a_thousand_choices_among_many_settings_take_bounded_time_and_memory():
    """One column for each choice made gigabytes of two hundred results."""
    ranges = tuple(Parameter(f"p{index}", Categorical(tuple(map(str, range(160))))) for index in range(100))
    tried = [
        TriedSettings({each.name: str((number + index) % 160) for index, each in enumerate(ranges)}, 0.5, 1, True)
        for number in range(200)
    ]
    begin = time.process_time()
    chooser = SettingsChooser(ranges, tried)
    for seed in range(64):
        chooser.choose(seed)
    assert time.process_time() - begin < 1.5
