"""Samples of NAS-Bench-101, -201 and -301 with accuracy and zero-cost proxies, from a folder of downloaded tables.

The samples are those of NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022 datasets track). NAS-Bench-101 (Ying et
al., ICML 2019) and NAS-Bench-201 (Dong and Yang, ICLR 2020) were measured; the accuracies of NAS-Bench-301 (Zela et
al., ICLR 2022) are those of its surrogate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables.table import MissingTable
from headstart.spaces import (
    Candidate,
    Categorical,
    Condition,
    EdgeTemplate,
    GraphTemplate,
    NodeTemplate,
    OpRole,
    Parameter,
    SearchSpace,
    Value,
    ValueOf,
    nas_bench_201,
)
from headstart.values import Objective, Task

_OPS_101 = {2: "max_pool_3x3", 3: "conv_1x1", 4: "conv_3x3"}
_NODES_101 = 7
# The order of NASLib, which is not that of the paper.
_OPS_201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_CELLS_301 = ("normal", "reduce")
# The source does not name the seven ops of the DARTS space by number; a model needs no more than to tell them apart.
_OPS_301 = tuple(f"op_{number}" for number in range(7))


@dataclass(frozen=True)
class ProxySample:
    """Candidates [n] of a space with the accuracy in percent [n] and the proxies [n] of each."""

    name: str
    space: SearchSpace
    task: Task
    candidates: tuple[Candidate, ...]
    values: NDArray[np.float64]
    proxies: tuple[Mapping[str, float], ...]


def proxy_samples(folder: Path) -> list[ProxySample]:
    """CIFAR-10 of all three benchmarks. Raises MissingTable where the folder does not hold them."""
    return [
        _sample("nas-bench-101", folder / "nb101_500.npz", nas_bench_101(), assignment_101),
        _sample("nas-bench-201", folder / "nb201_725.npz", nas_bench_201(), assignment_201),
        _sample("nas-bench-301", folder / "nb301_725.npz", nas_bench_301(), assignment_301),
    ]


def _sample(
    name: str, path: Path, space: SearchSpace, assignment: Callable[[NDArray[np.int16]], dict[str, Value]]
) -> ProxySample:
    if not path.is_file():
        raise MissingTable(f"{path} is missing: give the folder of the zero-cost proxy tables with --data")
    with np.load(path, allow_pickle=False) as table:
        row = [str(task).lower() for task in table["tasks"]].index("cifar10")
        names = [str(proxy) for proxy in table["proxy_names"]]
        proxies = [
            {proxy: float(value) for proxy, value in zip(names, values, strict=True) if np.isfinite(value)}
            for values in table["proxy"][row]
        ]
        return ProxySample(
            name,
            space,
            Task(f"{name}-cifar10", Objective("validation_accuracy_percent"), description=f"CIFAR-10 in {name}"),
            tuple(Candidate(assignment(arch)) for arch in table["arch"]),
            np.asarray(table["val_metric"][row], np.float64),
            tuple(proxies),
        )


def nas_bench_101() -> SearchSpace:
    """The cell of NAS-Bench-101: up to five ops between the input and the output, any edge forward."""
    ops = Categorical(tuple(_OPS_101.values()))
    inner = range(1, _NODES_101 - 1)
    pairs = [(source, target) for target in range(_NODES_101) for source in range(target)]
    return SearchSpace(
        "nas-bench-101",
        description="NAS-Bench-101: a convolutional cell of up to seven nodes",
        parameters=(
            *(Parameter(f"op_{node}", ops) for node in inner),
            *(Parameter(f"edge_{source}_{target}", Categorical((False, True))) for source, target in pairs),
        ),
        graph_template=GraphTemplate(
            nodes=(
                NodeTemplate("0", "input"),
                *(NodeTemplate(str(node), ValueOf(f"op_{node}")) for node in inner),
                NodeTemplate(str(_NODES_101 - 1), "output"),
            ),
            edges=tuple(
                EdgeTemplate(str(source), str(target), Condition(f"edge_{source}_{target}", (True,)))
                for source, target in pairs
            ),
        ),
        op_roles={"input": OpRole.INPUT, "output": OpRole.OUTPUT},
    )


def assignment_101(arch: NDArray[np.int16]) -> dict[str, Value]:
    """From the adjacency matrix [7, 7] row by row, then seven op codes: 0 input, 1 output, then ops."""
    adjacency = arch[: _NODES_101**2].reshape(_NODES_101, _NODES_101)
    codes = arch[_NODES_101**2 :].tolist()
    # In a smaller cell the output comes earlier; it always is the last node of the space.
    last = codes.index(1)
    place = {node: node for node in range(last)} | {last: _NODES_101 - 1}
    values: dict[str, Value] = {
        f"op_{node}": _OPS_101[codes[node]] if node < last else _OPS_101[2] for node in range(1, _NODES_101 - 1)
    }
    values |= {f"edge_{source}_{target}": False for target in range(_NODES_101) for source in range(target)}
    for source, target in np.argwhere(adjacency[: last + 1, : last + 1]).tolist():
        values[f"edge_{place[source]}_{place[target]}"] = True
    return values


def assignment_201(arch: NDArray[np.int16]) -> dict[str, Value]:
    """From six op numbers, in the order of the edges of the space."""
    names = [parameter.name for parameter in nas_bench_201().parameters]
    return {name: _OPS_201[code] for name, code in zip(names, arch.tolist(), strict=True)}


def nas_bench_301() -> SearchSpace:
    """The DARTS space: two cells of four nodes, each the sum of two ops on earlier nodes."""
    parameters: list[Parameter] = []
    nodes = [NodeTemplate("input", "input")]
    edges = []
    for cell in _CELLS_301:
        nodes += [NodeTemplate(f"{cell}_{source}", f"{cell}_input_{source}") for source in range(2)]
        edges += [EdgeTemplate("input", f"{cell}_{source}") for source in range(2)]
        for node in range(2, 6):
            nodes.append(NodeTemplate(f"{cell}_{node}", f"{cell}_sum"))
            edges.append(EdgeTemplate(f"{cell}_{node}", "output"))
            for which in _choices(cell, node):
                parameters.append(Parameter(f"{which}_input", Categorical(tuple(range(node)))))
                parameters.append(Parameter(f"{which}_op", Categorical(tuple(f"{cell}_{op}" for op in _OPS_301))))
                nodes.append(NodeTemplate(which, ValueOf(f"{which}_op")))
                edges.append(EdgeTemplate(which, f"{cell}_{node}"))
                edges += [
                    EdgeTemplate(f"{cell}_{source}", which, Condition(f"{which}_input", (source,)))
                    for source in range(node)
                ]
    nodes.append(NodeTemplate("output", "output"))
    return SearchSpace(
        "nas-bench-301",
        description="NAS-Bench-301: a normal and a reduction cell of the DARTS space",
        parameters=tuple(parameters),
        graph_template=GraphTemplate(tuple(nodes), tuple(edges)),
        op_roles={"input": OpRole.INPUT, "output": OpRole.OUTPUT},
    )


def assignment_301(arch: NDArray[np.int16]) -> dict[str, Value]:
    """From (input node, op) of the two choices of each of four nodes of the normal cell, then of the reduction cell."""
    values: dict[str, Value] = {}
    pairs = iter(arch.reshape(-1, 2).tolist())
    for cell in _CELLS_301:
        for node in range(2, 6):
            for which in _choices(cell, node):
                source, op = next(pairs)
                values |= {f"{which}_input": source, f"{which}_op": f"{cell}_{_OPS_301[op]}"}
    return values


def _choices(cell: str, node: int) -> Iterable[str]:
    return (f"{cell}_{node}_{side}" for side in ("a", "b"))
