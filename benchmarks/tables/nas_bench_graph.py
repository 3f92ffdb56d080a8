"""NAS-Bench-Graph (Qin et al., NeurIPS 2022), from the ``nas-bench-graph`` wheel: nine node-classification tasks.

A search sees the validation performance; the test performance is reported beside it. Architectures that the benchmark
takes for equivalent share one row, found through the wheel's own ``Arch``; the one without any operation has no row.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.tables.restricted_unpickler import load
from benchmarks.tables.table import NOT_IN_TABLE, Table, wheel_folder
from headstart.spaces import Candidate, nas_bench_graph, nas_bench_graph_proteins
from headstart.values import ExperimentStatus, Objective, Outcome, Task

_LAYERS = ("op1", "op2", "op3", "op4")


@dataclass(frozen=True)
class _Dataset:
    """Counts as published with the data sets; edges are undirected. Homophily: share of edges within one class."""

    title: str
    domain: str
    nodes: int
    edges: int
    features: int
    classes: int
    homophily: float | None
    metric: str = "validation_accuracy"


_DATASETS = {
    "cora": _Dataset("Cora", "citation network", 2_708, 5_278, 1_433, 7, 0.81),
    "citeseer": _Dataset("CiteSeer", "citation network", 3_327, 4_552, 3_703, 6, 0.74),
    "pubmed": _Dataset("PubMed", "citation network", 19_717, 44_324, 500, 3, 0.80),
    "cs": _Dataset("Coauthor CS", "co-authorship network", 18_333, 81_894, 6_805, 15, 0.81),
    "physics": _Dataset("Coauthor Physics", "co-authorship network", 34_493, 247_962, 8_415, 5, 0.93),
    "photo": _Dataset("Amazon Photo", "co-purchase network", 7_650, 119_081, 745, 8, 0.83),
    "computers": _Dataset("Amazon Computers", "co-purchase network", 13_752, 245_861, 767, 10, 0.78),
    "arxiv": _Dataset("ogbn-arxiv", "citation network", 169_343, 1_166_243, 128, 40, 0.65),
    "proteins": _Dataset(
        "ogbn-proteins", "protein associations", 132_534, 39_561_252, 8, 112, None, "validation_roc_auc"
    ),
}

# proteins has a space of its own; the other eight share one.
DATASETS = tuple(_DATASETS)
SHARED_SPACE_DATASETS = tuple(name for name in DATASETS if name != "proteins")


class NasBenchGraphTable(Table):
    """The rows of one data set, by the benchmark's key of an architecture."""

    def __init__(self, dataset: str) -> None:
        if dataset not in _DATASETS:
            raise ValueError(f"NAS-Bench-Graph has no task {dataset!r}, only {', '.join(DATASETS)}")
        space = nas_bench_graph_proteins() if dataset == "proteins" else nas_bench_graph()
        super().__init__(_task(dataset), space)
        folder = wheel_folder("nas_bench_graph")
        self._rows: Mapping[int, Mapping[str, float]] = load(folder / "light" / f"{dataset}.bench")
        self._row_of: dict[tuple[object, ...], Mapping[str, float] | None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, candidate: Candidate) -> Mapping[str, float] | None:
        """The measured row: valid_perf, perf, latency in seconds, para in millions; None for the one without ops."""
        values = candidate.values
        assignment = (values["link"], *(values[layer] for layer in _LAYERS))
        if assignment not in self._row_of:
            self._row_of[assignment] = self._rows.get(_key(assignment))
        return self._row_of[assignment]

    def evaluate(self, candidate: Candidate, generator: random.Random) -> Outcome:
        row = self.row(candidate)
        if row is None:
            return NOT_IN_TABLE
        return Outcome(
            ExperimentStatus.COMPLETED,
            row["valid_perf"],
            metrics={"test_performance": row["perf"]},
            proxies={"parameters": row["para"] * 1e6, "latency_seconds": row["latency"]},
        )

    def value(self, candidate: Candidate) -> float | None:
        row = self.row(candidate)
        return None if row is None else row["valid_perf"]

    def distinct_values(self) -> Sequence[float]:
        return [row["valid_perf"] for row in self._rows.values()]


@cache
def nas_bench_graph_table(dataset: str) -> NasBenchGraphTable:
    """The table of a data set, read once in a process. Raises ValueError for no such task, MissingTable."""
    return NasBenchGraphTable(dataset)


def _key(assignment: tuple[object, ...]) -> int:
    # The proteins file too is keyed by the nine ops: nothing is found in it by Arch.hash_arch(use_proteins=True).
    from nas_bench_graph.architecture import Arch  # type: ignore[import-untyped]

    link, *ops = assignment
    key: int = Arch([int(source) for source in str(link).split(",")], ops).valid_hash()
    return key


def _task(dataset: str) -> Task:
    about = _DATASETS[dataset]
    meta_features = {
        "nodes": float(about.nodes),
        "edges": float(about.edges),
        "features": float(about.features),
        "classes": float(about.classes),
        "mean_degree": 2 * about.edges / about.nodes,
    }
    if about.homophily is not None:
        meta_features["homophily"] = about.homophily
    return Task(
        task_id=f"nas-bench-graph-{dataset}",
        objective=Objective(about.metric),
        description=f"Node classification on {about.title}, as measured by NAS-Bench-Graph",
        descriptor={
            "modality": "graph",
            "problem": "node classification",
            "domain": about.domain,
            "dataset": about.title,
        },
        meta_features=meta_features,
    )
