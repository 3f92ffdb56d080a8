"""XGBoost on OpenML as a table to search."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.tables import MissingTable
from benchmarks.tables.xgboost_openml import xgboost_tables
from headstart.spaces import Candidate, candidate_violations, space_violations
from headstart.values import ExperimentStatus
from tests.xgboost_files import write_xgboost_table


def test_every_member_of_the_pool_is_a_candidate_with_a_value(tmp_path: Path) -> None:
    write_xgboost_table(tmp_path)
    tables = xgboost_tables(tmp_path)
    assert len(tables) == 49, "the last has no plausible values"
    table = tables[0]
    assert list(space_violations(table.space)) == []
    assert [each for member in table.pool for each in candidate_violations(table.space, member)] == []
    outcomes = [table.evaluate(member, random.Random(0)) for member in table.pool]
    assert all(each.status is ExperimentStatus.COMPLETED for each in outcomes)
    assert max(each.objective_value or 0.0 for each in outcomes) == table.best
    assert table.evaluate(Candidate({"nrounds": 8, "booster": "gblinear"}), random.Random(0)).objective_value is None


def test_dart_is_left_out_with_what_it_alone_has(tmp_path: Path) -> None:
    write_xgboost_table(tmp_path)
    table = xgboost_tables(tmp_path)[0]
    assert {parameter.name for parameter in table.space.parameters} == {"nrounds", "eta", "booster"}
    assert {member.values["booster"] for member in table.pool} == {"gblinear", "gbtree"}
    assert len(table.pool) == 244
    assert table.default == Candidate({"nrounds": 100, "booster": "gbtree", "eta": 0.3})


def test_what_is_not_known_of_a_data_set_is_left_out(tmp_path: Path) -> None:
    write_xgboost_table(tmp_path)
    first, second = (table.task for table in xgboost_tables(tmp_path)[:2])
    assert set(first.meta_features) == {"instances", "features"}
    assert set(second.meta_features) == {"instances", "features", "classes"}
    assert (first.descriptor["dataset"], second.descriptor["dataset"]) == ("openml 1", "known")


def test_without_the_folder_it_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(MissingTable, match="yahpo_xgboost"):
        xgboost_tables(tmp_path)
