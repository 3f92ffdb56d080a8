"""What a row and a vector take on disk, from a loaded PostgreSQL and a loaded Chroma.

Real results of tables come in through the service (role ``serve``); sizes are those of each table with its indexes and
TOAST, partitions together, after VACUUM. Vectors are drawn at random: their number of dimensions is what counts.

    python -m benchmarks.simulation.unit_costs [--rows N] [--vectors N]

writes benchmarks/results/unit_costs.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.knowledge_base.import_rate import import_through_service, own_cluster, records, serving
from benchmarks.report import RESULTS, write_json
from benchmarks.service import short_directory
from headstart_server.knowledge.vector_index.chroma import ArchitectureIndex
from headstart_server.runtime.local.child import Child, Program
from headstart_server.runtime.local.databases import EmbeddedChroma

DIMENSIONS = 204
_SIZES = """
SELECT coalesce(parent.relname, own.relname), sum(pg_relation_size(own.oid)), sum(pg_indexes_size(own.oid)),
       sum(pg_total_relation_size(own.oid))
FROM pg_class own LEFT JOIN pg_inherits ON inhrelid = own.oid LEFT JOIN pg_class parent ON parent.oid = inhparent
WHERE own.relkind = 'r' AND own.relnamespace = 'public'::regnamespace GROUP BY 1 ORDER BY 4 DESC
"""


def table_sizes(directory: Path, count: int) -> dict[str, Any]:
    """Bytes per row of each table that holds a hundred rows or more."""
    with own_cluster(directory) as cluster:
        with serving(cluster.migrated("costs"), directory) as address:
            rate = import_through_service(address, records(count))
        connection = cluster.connect("costs")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(_SIZES)
        found = {}
        for name, heap, indexes, total in cursor.fetchall():
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            rows = cursor.fetchone()[0]
            if rows >= 100:
                each = {"rows": rows, "heap": heap / rows, "indexes": indexes / rows, "total": total / rows}
                found[name] = {key: float(value) for key, value in each.items()}
        connection.close()
        return {"experiments_per_second": rate, "bytes_per_row": found}


def vector_size(directory: Path, count: int) -> dict[str, Any]:
    """Bytes on disk and in memory for each vector."""
    server = EmbeddedChroma(directory / "chroma")
    server.prepare()
    program = Program(name="chroma", command=lambda: server.command(sys.executable), log=directory / "chroma.log")
    child = Child(program)
    child.start()
    try:
        while not server.ready():
            time.sleep(0.1)
        index = ArchitectureIndex(server.url())
        index.create("costs")
        generator = np.random.default_rng(0)
        start = time.perf_counter()
        for first in range(0, count, 5_000):
            part = generator.random((min(5_000, count - first), DIMENSIONS), np.float32)
            index.upsert("costs", [f"{first + row:064x}" for row in range(len(part))], part)
        seconds = time.perf_counter() - start
        on_disk = sum(file.stat().st_size for file in server.directory.rglob("*") if file.is_file())
        return {
            "vectors": count,
            "dimensions": DIMENSIONS,
            "bytes_on_disk": on_disk / count,
            "per_second": count / seconds,
        }
    finally:
        child.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.unit_costs", description="Bytes per row.")
    parser.add_argument("--rows", type=int, default=100_000, help="experiments (%(default)s)")
    parser.add_argument("--vectors", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS / "unit_costs.json", help="where the figures go")
    options = parser.parse_args()
    with short_directory() as directory:
        found = {**table_sizes(directory, options.rows), "chroma": vector_size(directory, options.vectors)}
    command = f"python -m benchmarks.simulation.unit_costs --rows {options.rows} --vectors {options.vectors}"
    write_json(options.results, {"benchmark": "unit_costs", "command": command, **found})
    for name, own in found["bytes_per_row"].items():
        print(f"{name:<24}{own['rows']:>9,.0f} rows{own['total']:>8,.0f} bytes each, indexes {own['indexes']:,.0f}")
    print(f"a vector of {DIMENSIONS}: {found['chroma']['bytes_on_disk']:,.0f} bytes on disk")
    return 0


if __name__ == "__main__":
    sys.exit(main())
