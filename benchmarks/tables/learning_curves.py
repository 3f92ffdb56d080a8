"""Tables of measured learning curves, read from a folder that is not part of this repository.

NAS-Bench-NLP (Klyuchnikov et al., 2020): recurrent cells on WikiText-2, as explicit graphs. TaskSet (Metz et al.,
2020): settings of an optimizer on twelve text classification tasks. Losses, lower is better; runs that diverged stay
in, held at twice the loss of guessing.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tables.table import MissingTable
from headstart.spaces import Candidate, Float, Graph, Node, OpRole, Parameter, SearchSpace

Numbers = np.ndarray[Any, np.dtype[np.float64]]

NLP_FILE = Path("nasbench_nlp_curves") / "wikitext2_rnn.npz"
TASKSET_FILE = Path("taskset_curves") / "taskset_rnn_text.npz"
# Words of WikiText-2, and classes of the reviews.
_WORDS, _CLASSES = 33_278, 2


@dataclass(frozen=True)
class CurveTable:
    """``losses`` [tasks, candidates, fidelities], at most ``worst``; the last fidelity is the full training."""

    name: str
    space: SearchSpace
    tasks: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    fidelities: Numbers
    losses: Numbers
    worst: float

    def seen(self, share: float) -> int:
        """Points up to a share of the training."""
        return int(np.searchsorted(self.fidelities, share * self.fidelities[-1], side="right"))


def nas_bench_nlp(folder: Path, losses: str = "val_losses") -> CurveTable:
    """Raises MissingTable where the folder does not hold it."""
    held = _load(folder, NLP_FILE)
    space = SearchSpace(
        "nas-bench-nlp",
        op_roles={"input": OpRole.INPUT, "output": OpRole.OUTPUT},
        explicit_graphs=True,
        description="Recurrent cells of NAS-Bench-NLP",
    )
    candidates = tuple(Candidate(graph=cell_graph(json.loads(str(recipe)))) for recipe in held["recepie"])
    worst = 2 * math.log(_WORDS)
    values = _held_at(held[losses], worst)
    return CurveTable(
        space.search_space_id,
        space,
        ("wikitext-2",),
        candidates,
        np.arange(1.0, values.shape[1] + 1),
        values[None],
        worst,
    )


def taskset(folder: Path, losses: str = "valid_loss") -> CurveTable:
    """Raises MissingTable where the folder does not hold it."""
    held = _load(folder, TASKSET_FILE)
    names, settings = [str(name) for name in held["hp_names"]], held["hp"].astype(float)
    parameters = tuple(
        Parameter(name, Float(float(column.min()), float(column.max()), bool(column.min() > 0)))
        for name, column in zip(names, settings.T, strict=True)
    )
    candidates = tuple(Candidate(dict(zip(names, row.tolist(), strict=True))) for row in settings)
    worst = 2 * math.log(_CLASSES)
    values = _held_at(held[losses], worst)
    space = SearchSpace("taskset", parameters, description="Settings of an optimizer in TaskSet")
    tasks = tuple(str(name).removeprefix("FixedTextRNNClassification_").lower() for name in held["tasks"])
    return CurveTable(space.search_space_id, space, tasks, candidates, np.arange(0.0, values.shape[2]), values, worst)


def cell_graph(recipe: dict[str, dict[str, Any]]) -> Graph:
    """Of a recurrent cell: what comes in, its operations by their names, and the new states as output."""
    sources = sorted({name for node in recipe.values() for name in node["input"] if name not in recipe})
    names = [*sources, *recipe]
    nodes = [Node("input", {"name": name}) for name in sources] + [Node(node["op"]) for node in recipe.values()]
    edges = [(names.index(source), names.index(name)) for name, node in recipe.items() for source in node["input"]]
    nodes.append(Node("output"))
    used = {source for source, _ in edges}
    edges += [(place, len(names)) for place, name in enumerate(names) if name.startswith("h_new") or place not in used]
    return Graph(tuple(nodes), tuple(edges))


def _load(folder: Path, name: Path) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise MissingTable(f"no learning curves in {path}: give the folder that holds {name.parent} with --data")
    with np.load(path, allow_pickle=False) as held:
        return dict(held)


def _held_at(values: Any, worst: float) -> Numbers:
    numbers = np.asarray(values, np.float64)
    return np.clip(np.where(np.isfinite(numbers), numbers, worst), None, worst)
