"""The budget of a training, so that a space of large graphs does not occupy a worker for hours.

Its cost is counted in elements, the nodes and edges that pass through a network; one takes some 3 microseconds of a
core. A space within the budget is trained in full. Beyond it there is first less pre-training, then fewer epochs,
then a sample of the architectures. The log and the version's figures state what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart.spaces import CanonicalCandidate
from headstart_server.prediction.task.labels import Labels, TaskLabels, subset
from headstart_server.prediction.training.fit import LEAST_EPOCHS, MIN_COMPLETED, TrainingOptions
from headstart_server.prediction.training.pretraining import BATCH

# Elements that pass through networks: about 90 s of a core.
BUDGET = 32_000_000
# Elements of distinct architectures; features of deep graphs take some 25 microseconds an element.
MOST_READ = 2_000_000
_PRETRAINING_SHARE = 0.25
# Fewest epochs.
_LEAST_PRETRAINING_STEPS = 30
# Cost of a graph beside its elements.
_OVERHEAD = 8
# Each network is trained without one of three folds.
_PASSES_IN_AN_EPOCH = 2


@dataclass(frozen=True)
class Plan:
    """The plan of a training: ``architectures`` of the ``recorded`` ones are used."""

    architectures: int
    recorded: int
    epochs: int
    pretraining_steps: int

    @property
    def reduced(self) -> bool:
        """Whether some are left out."""
        return self.architectures < self.recorded

    def summary(self, usual_epochs: int) -> str | None:
        """A description of the reductions for the log; None without any."""
        if not self.reduced and self.epochs >= usual_epochs:
            return None
        return (
            f"its graphs are large: trained on {self.architectures} of {self.recorded} architectures, {self.epochs} "
            f"epochs in place of {usual_epochs}"
        )


def size_of(candidate: CanonicalCandidate) -> int:
    """The number of elements of a candidate's graph."""
    graph = candidate.graph
    return _OVERHEAD + (0 if graph is None else len(graph.ops) + len(graph.edges))


def plan(sizes: Sequence[int], epochs: int, pretraining_steps: int) -> Plan:
    """The plan for architectures of these sizes, given the epochs and steps without a budget."""
    mean = max(float(np.mean(sizes)), 1.0)
    steps = min(pretraining_steps, int(_PRETRAINING_SHARE * BUDGET / (BATCH * mean)))
    if steps < min(_LEAST_PRETRAINING_STEPS, pretraining_steps):
        steps = 0
    left = BUDGET - steps * BATCH * mean
    one_epoch = _PASSES_IN_AN_EPOCH * mean
    count = int(min(len(sizes), MOST_READ / mean, left / (one_epoch * min(LEAST_EPOCHS, epochs))))
    count = max(count, 1)
    return Plan(count, len(sizes), min(epochs, int(left / (one_epoch * count))), steps)


def sampled(tasks: Sequence[TaskLabels], count: int) -> list[TaskLabels]:
    """The results of ``count`` architectures: half of the task with most results, the others of all tasks.

    They are chosen by fingerprint, so equal records give an equal sample.
    """
    largest = max(tasks, key=lambda each: each.labels.completed_count)
    chosen = set(sorted(largest.labels.fingerprints)[: -(-count // 2)])
    rest = sorted({name for each in tasks for name in each.labels.fingerprints} - chosen)
    chosen.update(rest[: count - len(chosen)])
    return [replace(each, labels=_of(each.labels, chosen)) for each in tasks]


def _of(labels: Labels, chosen: set[str]) -> Labels:
    return subset(labels, np.array([row for row, name in enumerate(labels.fingerprints) if name in chosen], np.int64))


def within_budget(
    tasks: Sequence[TaskLabels], architectures: Mapping[str, CanonicalCandidate], options: TrainingOptions
) -> tuple[list[TaskLabels], TrainingOptions, Plan]:
    """Results, options and the plan; results and options are unchanged if the space is within the budget."""
    learned = [each for each in tasks if each.labels.completed_count >= MIN_COMPLETED]
    names = {name for each in learned for name in each.labels.fingerprints}
    sizes = [size_of(architectures[name]) for name in names]
    epochs = options.epochs_for(len(sizes))
    decided = plan(sizes or [0], epochs, options.pretraining_steps)
    if decided.reduced:
        tasks = sampled(learned, decided.architectures)
    options = replace(options, pretraining_steps=decided.pretraining_steps)
    if decided.epochs != options.epochs_for(decided.architectures):
        options = replace(options, fixed_epochs=decided.epochs)
    return list(tasks), options, decided
