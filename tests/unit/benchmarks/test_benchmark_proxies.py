"""Downloaded samples with proxies become candidates of their spaces, and equal networks become one row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.prediction.parts import distinct
from benchmarks.tables import MissingTable, ProxySample, proxy_samples
from headstart.spaces import canonicalize
from headstart.spaces.validation import candidate_violations

PROXIES = ("params", "flops")


def cell_101(edges: list[tuple[int, int]], ops: list[int]) -> list[int]:
    adjacency = np.zeros((7, 7), np.int16)
    for source, target in edges:
        adjacency[source, target] = 1
    return [*adjacency.ravel().tolist(), *ops]


def write(folder: Path, name: str, arch: list[list[int]], tasks: list[str]) -> None:
    count = len(arch)
    proxy = np.arange(len(tasks) * count * len(PROXIES), dtype=np.float32).reshape(len(tasks), count, len(PROXIES))
    proxy[0, 0, 0] = np.nan
    np.savez(
        folder / name,
        tasks=np.array(tasks),
        arch=np.array(arch, np.int16),
        val_metric=np.array([[90.0 + row + 10 * task for row in range(count)] for task in range(len(tasks))]),
        proxy_names=np.array(PROXIES),
        proxy=proxy,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # A chain of two ops in a small cell, and the same in a full one beside nodes that lead nowhere.
    small = cell_101([(0, 1), (1, 2), (2, 3)], [0, 3, 4, 1, 0, 0, 0])
    large = cell_101([(0, 2), (2, 4), (4, 6), (0, 1), (0, 3)], [0, 2, 3, 2, 4, 2, 1])
    write(tmp_path, "nb101_500.npz", [small, large], ["cifar10"])
    write(tmp_path, "nb201_725.npz", [[2, 1, 1, 1, 1, 1], [0, 0, 0, 4, 3, 2]], ["ImageNet16-120", "cifar10"])
    darts = [0, 0, 1, 1, 0, 2, 2, 3, 1, 4, 3, 5, 2, 6, 4, 0]
    write(tmp_path, "nb301_725.npz", [[*darts, *darts], [*darts, *darts[::-1][:0], *darts]], ["cifar10"])
    return tmp_path


def sample(folder: Path, name: str) -> ProxySample:
    return next(each for each in proxy_samples(folder) if each.name == name)


def test_every_sample_is_valid_in_its_space(folder: Path) -> None:
    for each in proxy_samples(folder):
        for candidate in each.candidates:
            assert not list(candidate_violations(each.space, candidate, "candidate"))


def test_cells_of_nas_bench_101_keep_their_ops_and_edges(folder: Path) -> None:
    cells = sample(folder, "nas-bench-101")
    first, second = (canonicalize(cells.space, candidate) for candidate in cells.candidates)
    assert first.graph is not None
    assert sorted(first.graph.ops) == ["conv_1x1", "conv_3x3", "input", "output"]
    assert len(first.graph.edges) == 3
    assert first.fingerprint == second.fingerprint


def test_equal_networks_are_one_row_with_the_mean_of_what_was_measured(folder: Path) -> None:
    rows = distinct(sample(folder, "nas-bench-101"))
    assert rows.values.tolist() == [90.5]
    # The first sample lacks it.
    assert rows.proxies[0] == {"params": 2.0, "flops": 2.0}


def test_nas_bench_201_is_read_on_cifar10_in_the_order_of_its_source(folder: Path) -> None:
    cells = sample(folder, "nas-bench-201")
    assert cells.values.tolist() == [100.0, 101.0]
    assert cells.candidates[0].values["op0"] == "nor_conv_3x3"
    assert cells.candidates[1].values["op3"] == "avg_pool_3x3"


def test_cells_of_nas_bench_301_read_two_earlier_nodes_each(folder: Path) -> None:
    cells = sample(folder, "nas-bench-301")
    canonical = canonicalize(cells.space, cells.candidates[0])
    assert canonical.graph is not None
    assert sum(op.startswith("normal_op") for op in canonical.graph.ops) == 8
    assert sum(op == "reduce_sum" for op in canonical.graph.ops) == 4


def test_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingTable, match="--data"):
        proxy_samples(tmp_path / "nowhere")
