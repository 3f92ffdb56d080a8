"""The trained model of a search space, in memory and as bytes.

Architectures are divided into folds by fingerprint. Each fold has a graph network and a tree ensemble that were trained
without it (cross-fitting), so every architecture has scores that do not depend on its own results, and a task predictor
is fitted to those. The bytes are a numpy archive with a JSON header; reading them executes nothing.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.features.batch import BatchAssembler, Floats
from headstart_server.prediction.features.layout import FeatureLayout, layout_from_json, layout_to_json
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.graph.message_passing import GraphKernels
from headstart_server.prediction.graph.network import GraphNetwork, NetworkShape
from headstart_server.prediction.learners.nearest_neighbours import NearestNeighbours
from headstart_server.prediction.learners.normal_scores import Scale
from headstart_server.prediction.learners.tree_ensemble import TreeEnsemble
from headstart_server.runtime import archives

Hashes = NDArray[np.uint64]

KIND = "graph_network+tree_ensemble"
FOLDS = 3

_FORMAT = 2
# Graphs in one forward pass; more take several passes.
_CHUNK = 1024
_MAX_STANDARDISED = 5.0


@dataclass(frozen=True)
class ModelTask:
    """A task with a head. ``error`` is the head's typical error on unseen architectures, in normal scores."""

    task_id: str
    metric: str
    maximize: bool
    count: int
    scale: Scale
    error: float


@dataclass(frozen=True)
class Standardisation:
    """Standardisation of structural features [s]. Columns that are constant in training become 0."""

    centre: Floats
    factor: Floats

    @classmethod
    def of(cls, features: Floats) -> Standardisation:
        spread = features.std(axis=0)
        return cls(
            features.mean(axis=0), np.where(spread > 1e-3, 1.0 / np.maximum(spread, 1e-3), 0.0).astype(np.float32)
        )

    def apply(self, features: Floats) -> Floats:
        applied: Floats = (features - self.centre) * self.factor
        return applied.clip(-_MAX_STANDARDISED, _MAX_STANDARDISED)


@dataclass(frozen=True)
class Scores:
    """Embeddings [n, e], and the scores of every fold's learners, float32 [n, folds, scores].

    There is one score column for each head of the network, then one for each task of the trees.
    """

    embeddings: Floats
    folds: Floats

    def unseen(self, candidates: Sequence[CanonicalCandidate], seen: Hashes) -> NDArray[np.float64]:
        """Scores [n, scores] by learners that were trained without the architecture.

        They are those of the learners of its fold, or the mean over all folds if no learner was trained on it.
        """
        scores: NDArray[np.float64] = self.folds.mean(axis=1, dtype=np.float64)
        hashes = hashes_of(candidate.fingerprint for candidate in candidates)
        for row in np.flatnonzero(np.isin(hashes, seen)).tolist():
            scores[row] = self.folds[row, fold_of(candidates[row].fingerprint)]
        return scores


@dataclass(frozen=True, eq=False)
class ModelKnowledge:
    """Facts about a model that need no networks.

    ``tasks`` are those of its heads, in the order of its scores, and ``tree_tasks`` those of its trees. ``seen`` are
    hashes of the architectures that it was trained on, and ``reference`` structural features [r, s] of some of them.
    """

    tasks: tuple[ModelTask, ...]
    tree_tasks: tuple[int, ...]
    seen: Hashes
    reference: Floats

    def out_of_distribution(self, features: Floats) -> NDArray[np.bool_]:
        """Whether each of structural features [n, s] is far from everything that the model was trained on."""
        if len(self.reference) < 2:
            return np.zeros(len(features), bool)
        return self._reference_neighbours.out_of_distribution(features.astype(np.float64))

    @property
    def nbytes(self) -> int:
        """Approximate size in memory, derived arrays included."""
        scales = sum(task.scale.scores.nbytes + task.scale.oriented.nbytes for task in self.tasks)
        return self.seen.nbytes + 5 * self.reference.nbytes + scales + 1000

    @cached_property
    def _reference_neighbours(self) -> NearestNeighbours:
        return NearestNeighbours(self.reference.astype(np.float64), np.zeros(len(self.reference)))


class GraphModel:
    """Networks and trees ready to score. Thread-safe."""

    def __init__(
        self,
        layout: FeatureLayout,
        tasks: tuple[ModelTask, ...],
        standardisation: Standardisation,
        seen: Hashes,
        networks: Sequence[GraphNetwork],
        trees: Sequence[TreeEnsemble] = (),
        tree_tasks: tuple[int, ...] = (),
        reference: Floats | None = None,
    ) -> None:
        """``seen`` and ``reference`` are as in ``ModelKnowledge``; ``tree_tasks`` are the tasks of the trees.

        There is one ensemble of trees for each network, or none at all.
        """
        self.layout = layout
        self.seen = seen
        self.tasks = tasks
        self.standardisation = standardisation
        self.networks = tuple(networks)
        self.trees = tuple(trees)
        self.tree_tasks = tree_tasks
        self.reference = np.zeros((0, 0), np.float32) if reference is None else reference
        self.assembler = BatchAssembler(layout)
        self.features = StructuralFeatures(layout, self.assembler)
        for network in self.networks:
            network.eval()

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for network in self.networks for parameter in network.parameters())

    def score(self, candidates: Sequence[CanonicalCandidate]) -> Scores:
        """Embeddings and scores of n candidates by the learners of every fold."""
        embeddings, scores = [], []
        for start in range(0, len(candidates), _CHUNK):
            chunk = candidates[start : start + _CHUNK]
            batch = self.assembler.assemble(chunk)
            structural = self.standardisation.apply(self.features.vectors(chunk))
            with torch.inference_mode():
                predicted = [network(batch, structural) for network in self.networks]
            embeddings.append(np.concatenate([embedding.cpu().numpy() for embedding, _ in predicted], axis=1))
            parts = [np.stack([score.cpu().numpy() for _, score in predicted], axis=1)]
            if self.trees:
                parts.append(np.stack([trees.predict(structural) for trees in self.trees], axis=1))
            scores.append(np.concatenate(parts, axis=2))
        if not embeddings:
            width = sum(network.shape.embedding_width for network in self.networks)
            columns = len(self.tasks) + len(self.tree_tasks)
            return Scores(np.zeros((0, width), np.float32), np.zeros((0, len(self.networks), columns), np.float32))
        return Scores(np.concatenate(embeddings), np.concatenate(scores))

    def to_bytes(self) -> bytes:
        header = {
            "format": _FORMAT,
            "layout": layout_to_json(self.layout),
            "shape": asdict(self.networks[0].shape),
            "networks": len(self.networks),
            "tasks": [_task_to_json(task) for task in self.tasks],
            "trees": len(self.trees),
            "tree_tasks": self.tree_tasks,
        }
        arrays: dict[str, Any] = {
            "centre": self.standardisation.centre,
            "factor": self.standardisation.factor,
            "seen": self.seen,
            "reference": self.reference.astype(np.float16),
        }
        for index, network in enumerate(self.networks):
            arrays |= {f"{index}/{name}": value.cpu().numpy() for name, value in network.state_dict().items()}
        for index, trees in enumerate(self.trees):
            arrays |= {f"trees/{index}/{name}": value for name, value in trees.to_arrays().items()}
        content = io.BytesIO()
        np.savez_compressed(content, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, kernels: GraphKernels, device: str = "cpu") -> GraphModel:
        """Read a stored model. Raises ValueError for bytes that are not a model of a known format."""
        with archives.opened(content) as archive:
            header = _header(archive)
            shape = NetworkShape(**header["shape"])
            _require_weights(archive, shape, kernels)
            networks = []
            for index in range(header["networks"]):
                network = GraphNetwork(shape, kernels)
                names = network.state_dict().keys()
                network.load_state_dict({name: torch.from_numpy(archive[f"{index}/{name}"]) for name in names})
                networks.append(network.to(device))
            trees = []
            for index in range(header["trees"]):
                prefix = f"trees/{index}/"
                arrays = [name for name in archive.files if name.startswith(prefix)]
                trees.append(TreeEnsemble.from_arrays({name.removeprefix(prefix): archive[name] for name in arrays}))
            return cls(
                layout_from_json(header["layout"]),
                tuple(_task_from_json(task) for task in header["tasks"]),
                Standardisation(archive["centre"], archive["factor"]),
                archive["seen"],
                networks,
                trees,
                tuple(header["tree_tasks"]),
                _reference(archive),
            )


def read_knowledge(content: bytes) -> ModelKnowledge:
    """The knowledge of a stored model, without its networks. Raises ValueError for another format."""
    with archives.opened(content) as archive:
        header = _header(archive)
        tasks = tuple(_task_from_json(task) for task in header["tasks"])
        return ModelKnowledge(tasks, tuple(header["tree_tasks"]), archive["seen"], _reference(archive))


def _reference(archive: Mapping[str, NDArray[Any]]) -> Floats:
    return archive["reference"].astype(np.float32) if "reference" in archive else np.zeros((0, 0), np.float32)


def _require_weights(archive: Mapping[str, NDArray[Any]], shape: NetworkShape, kernels: GraphKernels) -> None:
    """Raise ValueError if the archive lacks weights for the header's networks, before any is built."""
    if shape.layers > len(archive):
        raise ValueError(f"a network of {shape.layers} layers in an archive of {len(archive)} arrays")
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in GraphNetwork(shape, kernels).state_dict().items()}
    for name, expected in shapes.items():
        if archive[f"0/{name}"].shape != expected:
            raise ValueError(f"the weights {name} are {archive[f'0/{name}'].shape}, the header tells of {expected}")


def _header(archive: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The header of a model of this format, or of the one before, which had no trees."""
    header: dict[str, Any] = json.loads(archive["header"].tobytes())
    if header.get("format") not in (1, _FORMAT):
        raise ValueError(f"model format {header.get('format')!r} is not {_FORMAT}")
    return {"trees": 0, "tree_tasks": [], **header}


def hashes_of(fingerprints: Iterable[str]) -> Hashes:
    """The first 64 bits of each fingerprint."""
    return np.array([int(fingerprint[:16], 16) for fingerprint in fingerprints], np.uint64)


def fold_of(fingerprint: str) -> int:
    """The fold of an architecture; the network of that number is trained without it."""
    return int(fingerprint[:8], 16) % FOLDS


def _task_to_json(task: ModelTask) -> dict[str, object]:
    return {
        "task_id": task.task_id,
        "metric": task.metric,
        "maximize": task.maximize,
        "count": task.count,
        "scores": task.scale.scores.tolist(),
        "oriented": task.scale.oriented.tolist(),
        "error": task.error,
    }


def _task_from_json(content: dict[str, object]) -> ModelTask:
    fields = dict(content)
    scores, oriented = np.array(fields.pop("scores")), np.array(fields.pop("oriented"))
    return ModelTask(scale=Scale(scores, oriented, bool(content["maximize"])), **fields)  # type: ignore[arg-type]
