"""Offline training of a search space's model from all results recorded in the space.

The targets of each task are the normal scores of its results. The loss is pairwise logistic (Burges et al., ICML 2005)
plus a squared error of lower weight. Each network is trained without one fold of the architectures; all results of an
architecture are in the same fold. Validation predicts each fold as the service would, adapted to the other folds. The
learning rate follows one cycle over a fixed number of epochs; more epochs did not improve the held-out ranking.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch

from headstart.spaces import CanonicalCandidate, SearchSpace
from headstart_server.prediction.features.batch import Floats
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.graph.message_passing import GraphKernels
from headstart_server.prediction.graph.model import (
    FOLDS,
    KIND,
    GraphModel,
    ModelTask,
    Standardisation,
    fold_of,
    hashes_of,
)
from headstart_server.prediction.graph.network import GraphNetwork, NetworkShape
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.normal_scores import Scale, normal_scores
from headstart_server.prediction.learners.tree_ensemble import TreeEnsemble
from headstart_server.prediction.registry.records import ModelArtefact
from headstart_server.prediction.task.labels import TaskLabels
from headstart_server.prediction.training.pretraining import READING, STEPS, drawn_candidates, pretrain
from headstart_server.prediction.training.validation import validation_metrics

_log = logging.getLogger(__name__)

# A task with fewer completed architectures gets no head.
MIN_COMPLETED = 10
# Up to this number of architectures a training has its full number of epochs.
_FEW = 512
# Architectures stored with the model as the reference of its out-of-distribution checks.
_MOST_REFERENCE = 256
# Trees learn the tasks with the most results; they do not improve with hundreds of outputs.
_MOST_TREE_TASKS = 64
LEAST_EPOCHS = 10


@dataclass(frozen=True)
class TrainingOptions:
    """Hyperparameters of a training.

    ``epochs`` apply to few architectures; larger sets get fewer, because each of their epochs has more steps.
    ``fixed_epochs``, set by a budget, apply to any number of architectures.
    """

    epochs: int = 60
    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    squared_error_weight: float = 0.3
    pretraining_steps: int = STEPS
    trees: bool = True
    width: int = 48
    layers: int = 3
    seed: int = 0
    threads: int | None = None
    fixed_epochs: int | None = None

    def epochs_for(self, architectures: int) -> int:
        """The number of epochs for a number of architectures."""
        if self.fixed_epochs is not None:
            return self.fixed_epochs
        shrunk = round(self.epochs * math.sqrt(_FEW / max(architectures, _FEW)))
        return max(shrunk, min(LEAST_EPOCHS, self.epochs))


@dataclass(frozen=True)
class _Entries:
    """One entry per result of a task: row of its architecture, head of its task, normal score; each [entries]."""

    rows: torch.Tensor
    heads: torch.Tensor
    targets: torch.Tensor


def train_model(
    space: SearchSpace,
    tasks: Sequence[TaskLabels],
    architectures: Mapping[str, CanonicalCandidate],
    kernels: GraphKernels,
    options: TrainingOptions = TrainingOptions(),
) -> ModelArtefact | None:
    """The model of a space, or None if no task has MIN_COMPLETED completed architectures."""
    started = time.monotonic()
    learned = [each for each in tasks if each.labels.completed_count >= MIN_COMPLETED]
    if not learned:
        return None
    fingerprints = sorted({fingerprint for each in learned for fingerprint in each.labels.fingerprints})
    candidates = [architectures[fingerprint] for fingerprint in fingerprints]
    model = _untrained(space, learned, candidates, kernels, options)
    entries = _entries(learned, {fingerprint: row for row, fingerprint in enumerate(fingerprints)})
    folds = np.array([fold_of(fingerprint) for fingerprint in fingerprints])
    structural = model.standardisation.apply(model.features.vectors(candidates))
    with _threads(options.threads):
        _pretrain(model, space, candidates, _proxies(learned, fingerprints), options)
        for fold, network in enumerate(model.networks):
            rows = np.flatnonzero(folds != fold)
            _train_network(network, model, candidates, structural, entries, rows, options, fold)
            _log.info(
                "%s: network %d of %d trained on %d architectures", space.search_space_id, fold + 1, FOLDS, len(rows)
            )
        if options.trees:
            _grow_trees(model, learned, entries, candidates, structural, folds, options.seed)
        scores = model.score(candidates).unseen(candidates, model.seen)
    model.tasks = tuple(
        replace(task, error=_typical_error(entries, head, scores)) for head, task in enumerate(model.tasks)
    )
    validation = tuple(validation_metrics(model, learned, candidates, scores))
    seconds = time.monotonic() - started
    _log.info("trained %s on %d results in %.1f s", space.search_space_id, len(entries.rows), seconds)
    return ModelArtefact(model.to_bytes(), KIND, len(entries.rows), model.parameter_count, seconds, validation)


def _untrained(
    space: SearchSpace,
    learned: Sequence[TaskLabels],
    candidates: Sequence[CanonicalCandidate],
    kernels: GraphKernels,
    options: TrainingOptions,
) -> GraphModel:
    layout = feature_layout(space)
    heads = tuple(
        ModelTask(
            task_id=each.task.task_id,
            metric=each.task.metric,
            maximize=each.task.maximize,
            count=each.labels.completed_count,
            scale=Scale.of(each.labels.values, each.task.maximize).coarse(),
            error=1.0,
        )
        for each in learned
    )
    features = StructuralFeatures(layout).vectors(candidates)
    shape = NetworkShape(
        op_count=layout.op_count,
        attribute_width=layout.attribute_width,
        structural_width=features.shape[1],
        task_count=len(heads),
        width=options.width,
        layers=options.layers,
    )
    networks = []
    for fold in range(FOLDS):
        torch.manual_seed(options.seed + fold)
        networks.append(GraphNetwork(shape, kernels))
    seen = hashes_of(candidate.fingerprint for candidate in candidates)
    reference = features[:: max(1, -(-len(features) // _MOST_REFERENCE))]
    return GraphModel(layout, heads, Standardisation.of(features), seen, networks, reference=reference)


def _entries(learned: Sequence[TaskLabels], row_of: Mapping[str, int]) -> _Entries:
    rows, heads, targets = [], [], []
    for head, each in enumerate(learned):
        rows += [row_of[fingerprint] for fingerprint in each.labels.fingerprints]
        heads += [head] * len(each.labels.fingerprints)
        targets.append(normal_scores(each.labels.values, each.task.maximize))
    return _Entries(
        torch.tensor(rows), torch.tensor(heads), torch.from_numpy(np.concatenate(targets).astype(np.float32))
    )


def _proxies(learned: Sequence[TaskLabels], fingerprints: Sequence[str]) -> Numbers:
    """Proxies [architectures, proxies] as normal scores: the mean over the tasks that recorded the proxy."""
    names = sorted({name for each in learned for name in each.labels.proxy_names})
    column = {name: index for index, name in enumerate(names)}
    row_of = {fingerprint: row for row, fingerprint in enumerate(fingerprints)}
    sums, counts = np.zeros((len(fingerprints), len(names))), np.zeros((len(fingerprints), len(names)))
    for each in learned:
        if each.labels.proxies is None:
            continue
        rows = np.array([row_of[fingerprint] for fingerprint in each.labels.fingerprints])
        columns = np.array([column[name] for name in each.labels.proxy_names])
        scores = np.stack([_proxy_scores(values) for values in each.labels.proxies.T], axis=1)
        present = np.isfinite(scores)
        np.add.at(sums, (rows[:, None], columns), np.where(present, scores, 0.0))
        np.add.at(counts, (rows[:, None], columns), present)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _proxy_scores(values: Numbers) -> Numbers:
    """Normal scores of the finite values, NaN for the others."""
    scores = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    scores[finite] = normal_scores(values[finite], True)
    return scores


def _pretrain(
    model: GraphModel,
    space: SearchSpace,
    candidates: Sequence[CanonicalCandidate],
    proxies: Numbers,
    options: TrainingOptions,
) -> None:
    """Give all networks the same pre-trained graph layers, which no result has influenced."""
    if not options.pretraining_steps or not len(model.networks[0].layers):
        return
    drawn = drawn_candidates(space, options.seed)
    pool = [*candidates, *drawn]
    structural = model.standardisation.apply(model.features.vectors(pool))
    unknown = np.full((len(drawn), proxies.shape[1]), np.nan)
    properties = np.concatenate([structural, np.concatenate([proxies, unknown])], axis=1)
    first = model.networks[0]
    pretrain(first, model.assembler, pool, properties, options.seed, options.pretraining_steps)
    for network in model.networks[1:]:
        network.load_state_dict(
            {
                name: value if name.split(".")[0] in READING else network.state_dict()[name]
                for name, value in first.state_dict().items()
            }
        )


def _grow_trees(
    model: GraphModel,
    learned: Sequence[TaskLabels],
    entries: _Entries,
    candidates: Sequence[CanonicalCandidate],
    structural: Floats,
    folds: np.ndarray[tuple[int], np.dtype[np.int64]],
    seed: int,
) -> None:
    """Grow an ensemble of trees without each fold. The networks' scores fill in what a task has not measured."""
    counts = [each.labels.completed_count for each in learned]
    chosen = sorted(sorted(range(len(learned)), key=lambda head: -counts[head])[:_MOST_TREE_TASKS])
    targets = model.score(candidates).unseen(candidates, model.seen)
    targets[entries.rows.numpy(), entries.heads.numpy()] = entries.targets.numpy()
    if not all((folds != fold).any() for fold in range(FOLDS)) or not np.isfinite(targets).all():
        return
    model.trees = tuple(
        TreeEnsemble.grow(structural[folds != fold], targets[folds != fold][:, chosen], seed + fold)
        for fold in range(FOLDS)
    )
    model.tree_tasks = tuple(chosen)


def _train_network(
    network: GraphNetwork,
    model: GraphModel,
    candidates: Sequence[CanonicalCandidate],
    structural: Floats,
    entries: _Entries,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    options: TrainingOptions,
    fold: int,
) -> None:
    if not len(rows):
        return
    generator = np.random.default_rng(options.seed + fold)
    size = 64 if len(rows) <= 1024 else 128
    steps, epochs = -(-len(rows) // size), options.epochs_for(len(rows))
    optimizer = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=epochs * steps, pct_start=0.15
    )
    network.train()
    for _ in range(epochs):
        for chosen in np.array_split(generator.permutation(rows), steps):
            batch = model.assembler.assemble([candidates[row] for row in chosen])
            _, scores = network(batch, structural[chosen])
            loss = _loss(scores, _entries_of(entries, chosen, len(candidates)), options)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()


def _entries_of(entries: _Entries, chosen: np.ndarray[tuple[int], np.dtype[np.int64]], count: int) -> _Entries:
    """The entries of the chosen architectures; their rows are indices into ``chosen``."""
    new_index = torch.full((count,), -1)
    new_index[torch.from_numpy(chosen)] = torch.arange(len(chosen))
    rows = new_index[entries.rows]
    inside = rows >= 0
    return _Entries(rows[inside], entries.heads[inside], entries.targets[inside])


def _loss(scores: torch.Tensor, entries: _Entries, options: TrainingOptions) -> torch.Tensor:
    """Pairwise logistic loss over all pairs of a task, weighted by their difference, plus squared error."""
    predicted = scores[entries.rows, entries.heads]
    squared = torch.square(predicted - entries.targets).mean()
    left, right = _pairs(entries.heads)
    differences = entries.targets[left] - entries.targets[right]
    weight = differences.abs()
    total = weight.sum()
    if not float(total):
        return options.squared_error_weight * squared
    losses = torch.nn.functional.softplus(-(predicted[left] - predicted[right]) * torch.sign(differences))
    return (losses * weight).sum() / total + options.squared_error_weight * squared


def _pairs(heads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """All pairs of entries with the same head."""
    left, right = [], []
    for head in torch.unique(heads):
        pairs = torch.combinations(torch.nonzero(heads == head)[:, 0], 2)
        left.append(pairs[:, 0])
        right.append(pairs[:, 1])
    return torch.cat(left), torch.cat(right)


def _typical_error(entries: _Entries, head: int, scores: Numbers) -> float:
    """Root mean squared error of a head's scores on its own results."""
    own = (entries.heads == head).numpy()
    predicted = scores[entries.rows.numpy()[own], head]
    return float(np.sqrt(np.square(predicted - entries.targets.numpy()[own]).mean()))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Give training its own number of threads; serving uses fewer, because many calls share its processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
