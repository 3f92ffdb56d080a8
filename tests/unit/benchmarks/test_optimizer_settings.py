"""TaskSet's settings as a table to search."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.tables import MissingTable
from benchmarks.tables.optimizer_settings import optimizer_settings_tables
from benchmarks.warm_start.searches import Goal, cold, naive
from headstart.values import ExperimentStatus
from tests.curve_files import write_curve_tables


def test_a_search_chooses_among_what_was_measured(tmp_path: Path) -> None:
    write_curve_tables(tmp_path)
    tables = optimizer_settings_tables(tmp_path)
    table = tables[0]
    outcomes = [table.evaluate(candidate, random.Random(0)) for candidate in table.pool]
    values = [each.objective_value for each in outcomes if each.objective_value is not None]
    assert min(values) == table.best
    assert all(each.status is ExperimentStatus.FAILED for each in outcomes if each.objective_value is None)
    for found in (cold(table, 0, Goal(table, 0.05, 300)), naive(table, tables[1:], 0, Goal(table, 0.05, 300))):
        assert found.evaluations <= len(table.pool)
        assert list(found.regrets) == sorted(found.regrets, reverse=True)


def test_without_the_folder_it_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(MissingTable, match="taskset"):
        optimizer_settings_tables(tmp_path)
