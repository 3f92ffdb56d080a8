"""The budget of a training, which keeps a space of large graphs from occupying a worker for hours.

The cost is counted in elements: nodes and edges that pass through a network, some 3 microseconds of a core each. A
space within the budget is trained in full. Beyond it, pre-training is shortened first, then the epochs, then the set
of architectures. The log and the stored version state the training_plan.
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
# Elements of distinct architectures; features of deep graphs take some 25 microseconds per element.
MOST_READ = 2_000_000
_PRETRAINING_SHARE = 0.25
# Fewer steps than this are skipped altogether.
_LEAST_PRETRAINING_STEPS = 30
# The fixed cost of a graph, in elements.
_OVERHEAD = 8
# Three networks, each trained on two of three folds.
_PASSES_IN_AN_EPOCH = 2


@dataclass(frozen=True)
class Plan:
    """The plan of a training, which uses ``architectures`` of the ``recorded`` ones."""

    architectures: int
    recorded: int
    epochs: int
    pretraining_steps: int

    @property
    def reduced(self) -> bool:
        """Whether the training leaves architectures out."""
        return self.architectures < self.recorded

    def summary(self, usual_epochs: int) -> str | None:
        """A description of the reductions for people; None if there are none."""
        if not self.reduced and self.epochs >= usual_epochs:
            return None
        return (
            f"its graphs are large: trained on {self.architectures} of {self.recorded} architectures, {self.epochs} "
            f"epochs in place of {usual_epochs}"
        )


def size_of(candidate: CanonicalCandidate) -> int:
    """The cost of a candidate's graph, in elements."""
    graph = candidate.graph
    return _OVERHEAD + (0 if graph is None else len(graph.ops) + len(graph.edges))


def plan(sizes: Sequence[int], epochs: int, pretraining_steps: int) -> Plan:
    """The plan for architectures of these sizes; ``epochs`` and ``pretraining_steps`` apply within the budget."""
    mean = max(float(np.mean(sizes)), 1.0)
    steps = min(pretraining_steps, int(_PRETRAINING_SHARE * BUDGET / (BATCH * mean)))
    if steps < min(_LEAST_PRETRAINING_STEPS, pretraining_steps):
        steps = 0
    remaining = BUDGET - steps * BATCH * mean
    one_epoch = _PASSES_IN_AN_EPOCH * mean
    count = int(min(len(sizes), MOST_READ / mean, remaining / (one_epoch * min(LEAST_EPOCHS, epochs))))
    count = max(count, 1)
    return Plan(count, len(sizes), min(epochs, int(remaining / (one_epoch * count))), steps)


def sampled(tasks: Sequence[TaskLabels], count: int) -> list[TaskLabels]:
    """The results of ``count`` architectures: half from the task with the most results, the rest from all tasks.

    They are chosen by fingerprint, so equal records give an equal sample.
    """
    largest = max(tasks, key=lambda each: each.labels.completed_count)
    chosen = set(sorted(largest.labels.fingerprints)[: -(-count // 2)])
    rest = sorted({fingerprint for each in tasks for fingerprint in each.labels.fingerprints} - chosen)
    chosen.update(rest[: count - len(chosen)])
    return [replace(each, labels=_selected(each.labels, chosen)) for each in tasks]


def _selected(labels: Labels, chosen: set[str]) -> Labels:
    rows = [row for row, fingerprint in enumerate(labels.fingerprints) if fingerprint in chosen]
    return subset(labels, np.array(rows, np.int64))


def within_budget(
    tasks: Sequence[TaskLabels], architectures: Mapping[str, CanonicalCandidate], options: TrainingOptions
) -> tuple[list[TaskLabels], TrainingOptions, Plan]:
    """Results and options reduced to the budget, and the plan. A space within the budget keeps both as they are."""
    learned = [each for each in tasks if each.labels.completed_count >= MIN_COMPLETED]
    fingerprints = {fingerprint for each in learned for fingerprint in each.labels.fingerprints}
    sizes = [size_of(architectures[fingerprint]) for fingerprint in fingerprints]
    epochs = options.epochs_for(len(sizes))
    training_plan = plan(sizes or [0], epochs, options.pretraining_steps)
    if training_plan.reduced:
        tasks = sampled(learned, training_plan.architectures)
    options = replace(options, pretraining_steps=training_plan.pretraining_steps)
    if training_plan.epochs != options.epochs_for(training_plan.architectures):
        options = replace(options, fixed_epochs=training_plan.epochs)
    return list(tasks), options, training_plan
