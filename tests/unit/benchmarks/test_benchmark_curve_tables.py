"""The tables of learning curves: what a file of their layout becomes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning_curves.figures import area, chances_to_diverge, gaussian_prior
from benchmarks.tables.learning_curves import cell_graph, nas_bench_nlp, taskset
from benchmarks.tables.table import MissingTable
from headstart.spaces import candidate_violations, space_violations
from tests.curve_files import write_curve_tables


def test_both_tables_are_read_with_valid_candidates_and_diverged_runs_held(tmp_path: Path) -> None:
    write_curve_tables(tmp_path, 20)
    for table, tasks, points in ((nas_bench_nlp(tmp_path), 1, 50), (taskset(tmp_path), 12, 51)):
        assert not list(space_violations(table.space))
        assert not [v for each in table.candidates for v in candidate_violations(table.space, each)]
        assert table.losses.shape == (tasks, 20, points)
        assert np.isfinite(table.losses).all()
        assert table.losses.max() == table.worst
    assert nas_bench_nlp(tmp_path).seen(0.1) == 5
    assert taskset(tmp_path).seen(0.1) == 6
    assert taskset(tmp_path).worst == pytest.approx(2 * math.log(2))


def test_absent_data_is_said_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(MissingTable, match="--data"):
        nas_bench_nlp(tmp_path)


def test_graph_of_a_cell_runs_from_what_comes_in_to_the_new_states() -> None:
    graph = cell_graph(
        {"f": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["f"]}}
    )
    assert [node.op for node in graph.nodes] == ["input", "input", "linear", "activation_tanh", "output"]
    assert set(graph.edges) == {(0, 2), (1, 2), (2, 3), (3, 4)}


def test_area_is_the_chance_to_score_higher() -> None:
    assert area(np.array([True, True, False, False]), np.array([0.9, 0.3, 0.2, 0.3])) == pytest.approx(0.875)
    assert area(np.array([True, True]), np.array([0.9, 0.3])) is None
    reasons = ["chance to beat the incumbent 3 %; chance to diverge 12 %", ""]
    assert chances_to_diverge(reasons).tolist() == [0.12, 0.0]


def test_gaussian_prior_continues_curves_that_move_together() -> None:
    generator = np.random.default_rng(0)
    level = generator.normal(size=(200, 1))
    curves = level + np.linspace(1, 0, 10) + generator.normal(0, 0.01, (200, 10))
    told = gaussian_prior(curves[:100], curves[100:, :3])
    assert np.abs(told - curves[100:, -1]).mean() < 0.1
