"""The portfolio: settings reach the strategies they are for, and installed packages add strategies of their own."""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headstart.search import History, Optimizer, RegularizedEvolution, default_strategies, search_without_service
from headstart.search.loop import _Worker
from headstart.search.memory import LocalMemory
from headstart.search.portfolio import installed_optimizers, portfolio_of
from headstart.spaces import (
    Candidate,
    Float,
    Integer,
    InvalidInput,
    Parameter,
    SearchSpace,
    Value,
    candidate_violations,
    mlp_classifier,
    sample,
)
from headstart.values import Arm, Decision, Prediction, completed

LINE = SearchSpace("line", (Parameter("x", Float(-1.0, 1.0)),))


class Steps:
    """Proposes multiples of a step."""

    def __init__(self, step: float = 0.5, sign: int = 1) -> None:
        self.step = step
        self.sign = sign

    def propose(self, history: History, generator: random.Random) -> Candidate:
        return Candidate({"x": self.sign * min(1.0, self.step * (1 + len(history)))})


STEPS = Optimizer(
    "steps", Steps, (Parameter("step", Float(0.01, 0.5)), Parameter("sign", Integer(-1, 1))), {"sign": -1}
)


def test_settings_come_before_defaults_and_those_before_what_build_takes() -> None:
    default, chosen = STEPS.strategy(), STEPS.strategy({"step": 0.25})
    assert isinstance(default, Steps) and isinstance(chosen, Steps)
    assert (default.step, default.sign) == (0.5, -1)
    assert (chosen.step, chosen.sign) == (0.25, -1)


@pytest.mark.parametrize(
    ("hyperparameters", "defaults", "field"),
    [
        ((Parameter("step", Float(1.0, 0.0)),), {}, "hyperparameters[0].float"),
        ((Parameter("step", Float(0.0, 1.0)),), {"step": 2.0}, "defaults[step]"),
        ((Parameter("step", Float(0.0, 1.0)),), {"stop": 0.5}, "defaults[stop]"),
    ],
)
def test_wrong_ranges_and_defaults_are_named(
    hyperparameters: tuple[Parameter, ...], defaults: Mapping[str, Value], field: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        Optimizer("steps", Steps, hyperparameters, defaults)
    assert [violation.field for violation in raised.value.violations] == [field]


def no_predictions(candidates: object) -> list[Prediction]:
    return []


def no_suggestion(history: History, generator: random.Random) -> None:
    return None


def test_every_strategy_builds_from_any_settings_in_its_ranges_and_proposes_valid_candidates() -> None:
    space = mlp_classifier()
    history = History(space)
    generator = random.Random(0)
    history.add(history.trial(sample(space, generator), completed(index / 45)) for index in range(45))
    for name, optimizer in default_strategies(no_predictions, no_suggestion).items():
        if name == "predictor_guided_evolution":
            continue
        ranges = SearchSpace("settings", optimizer.hyperparameters or (Parameter("none", Float(0.0, 1.0)),))
        for _ in range(3):
            settings = sample(ranges, generator).values if optimizer.hyperparameters else {}
            candidate = optimizer.strategy(settings).propose(history, generator)
            assert list(candidate_violations(space, candidate)) == [], name


def test_the_portfolio_has_at_least_eight_strategies_and_those_that_need_no_more_ask_nobody() -> None:
    alone = default_strategies()
    assert {"random", "local_search", "regularized_evolution", "tpe", "gaussian_process", "tree_ensemble"} <= set(alone)
    assert len(alone) >= 8
    asking = set(default_strategies(no_predictions, no_suggestion)) - set(alone)
    assert asking == {
        "predictor_guided_evolution",
        "warm_started_local_search",
        "warm_started_gaussian_process",
    }


def test_the_small_evolution_is_small_unless_settings_say_otherwise() -> None:
    small = default_strategies()["regularized_evolution_small"]
    assert small.strategy() == RegularizedEvolution(10, 5)
    assert small.strategy({"population_size": 30}) == RegularizedEvolution(30, 5)


class Deciding:
    """Answers in place of an adviser, so that what the loop makes of decisions shows."""

    def __init__(self, *decisions: Decision) -> None:
        self.decisions = list(decisions)
        self.offered: list[list[Arm]] = []

    def suggestion(self, *asked: object) -> None:
        return None

    def decision(self, arms: list[Arm], spent: int, budget: int) -> Decision:
        self.offered.append(arms)
        return self.decisions.pop(0)


def test_the_loop_offers_ranges_and_follows_the_settings_of_each_decision() -> None:
    adviser = Deciding(
        Decision("1", "steps", {"step": 0.125, "sign": 1}),
        Decision("2", "steps", {}),
        Decision("3", "still"),
    )
    still = Steps(0.0)
    worker = _Worker(History(LINE), LocalMemory(), adviser, {"steps": STEPS, "still": still}, random.Random(0))  # type: ignore[arg-type]
    steps = worker.run(lambda candidate: 0.5, 3, None).steps
    assert [step.candidate.values["x"] for step in steps] == [0.125, -1.0, 0.0]
    assert [(step.proposed_by, step.decision_id) for step in steps] == [("steps", "1"), ("steps", "2"), ("still", "3")]
    assert adviser.offered == [[Arm("steps", STEPS.hyperparameters), Arm("still")]] * 3


def test_a_strategy_with_the_same_settings_is_built_once() -> None:
    built: list[float] = []

    def build(step: float = 0.5) -> Steps:
        built.append(step)
        return Steps(step)

    optimizer = Optimizer("steps", build, (Parameter("step", Float(0.01, 0.5)),))
    decisions = [Decision(str(index), "steps", {"step": step}) for index, step in enumerate([0.1, 0.2, 0.1, 0.2, 0.1])]
    worker = _Worker(History(LINE), LocalMemory(), Deciding(*decisions), {"steps": optimizer}, random.Random(0))  # type: ignore[arg-type]
    worker.run(lambda candidate: 0.5, 5, None)
    assert built == [0.1, 0.2]


def test_plain_strategies_and_optimizers_are_arms_under_the_names_they_are_given() -> None:
    steps = Steps()
    found = portfolio_of({"plain": steps, "other": STEPS})
    assert found["plain"].arm == Arm("plain") and found["plain"].strategy() is steps
    assert found["other"].arm == Arm("other", STEPS.hyperparameters)
    result = search_without_service(LINE, lambda candidate: 0.5, 2, strategies={"other": STEPS})
    assert [step.candidate.values["x"] for step in result.steps] == [-0.5, -1.0]


def install(folder: Path, *entry_points: str) -> None:
    """A distribution as an installer leaves it: a module, and its metadata beside it."""
    about = folder / "third_party-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[headstart.strategies]\n" + "\n".join(entry_points) + "\n")
    (folder / "third_party_strategies.py").write_text(
        "from headstart.search import Optimizer, RandomSearch\n"
        "from headstart.spaces import Integer, Parameter\n"
        "dice = Optimizer('dice', lambda sides=6: RandomSearch(), (Parameter('sides', Integer(2, 20)),))\n"
        "taken = Optimizer('random', RandomSearch)\n"
        "number = 7\n"
    )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "third_party_strategies", raising=False)
    return tmp_path


def test_an_installed_strategy_is_found_with_its_ranges(site: Path) -> None:
    before = default_strategies()
    install(site, "dice = third_party_strategies:dice")
    after = default_strategies()
    assert set(after) - set(before) == {"dice"}
    assert after["dice"].arm == Arm("dice", (Parameter("sides", Integer(2, 20)),))
    assert search_without_service(LINE, lambda candidate: 1.0, 3, strategies={"dice": after["dice"]}).evaluations == 3


def test_a_broken_entry_point_is_named_and_the_others_are_found(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(
        site,
        "absent = no_such_module:optimizer",
        "number = third_party_strategies:number",
        "missing = third_party_strategies:missing",
        "dice = third_party_strategies:dice",
    )
    with caplog.at_level(logging.WARNING, "headstart.search"):
        assert [optimizer.name for optimizer in installed_optimizers()] == ["dice"]
    for name in ("absent (no_such_module:optimizer)", "number (third_party_strategies:number)", "missing"):
        assert name in caplog.text


def test_an_installed_strategy_takes_no_name_that_is_there(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = default_strategies()["random"]
    install(site, "taken = third_party_strategies:taken")
    with caplog.at_level(logging.WARNING, "headstart.search"):
        assert default_strategies()["random"] == before
    assert "random" in caplog.text


def test_the_examples_of_the_documentation_run() -> None:
    page = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
    section = page.split("### A strategy of your own")[1].split("## From a shell")[0]
    names: dict[str, Any] = {}
    for block in section.split("```python\n")[1:]:
        exec(block.split("```")[0], names)
    assert names["result"].evaluations == 30
    optimizers = {"annealing": names["annealing"], "sweep": names["sweep"]}
    for name, optimizer in optimizers.items():
        found = search_without_service(
            names["space"], lambda c: float(c.values["width"]), 40, strategies={name: optimizer}
        )
        assert {step.proposed_by for step in found.steps} == {name}
    assert optimizers["annealing"].arm.hyperparameters[0].name == "patience"
