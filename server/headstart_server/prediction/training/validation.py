"""Validation metrics of a new model by cross-validation.

Each fold of a task is predicted as the service would, by the model adapted to the task's other folds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import kendalltau

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.features.batch import Floats
from headstart_server.prediction.graph.model import FOLDS, GraphModel, fold_of
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.registry.records import TaskValidation
from headstart_server.prediction.task.labels import Labels, TaskLabels, most_informative
from headstart_server.prediction.task.predictor import AdaptedPredictor, LabelledArchitectures, Queries

# Tasks with fewer completed architectures get no metrics.
MIN_COMPLETED_FOR_METRICS = 30
_TASKS_WITH_METRICS = 64
_COVERAGE_LEVEL = 0.9
_COVERAGE_LEVELS = (0.5, 0.8, 0.9)


def validation_metrics(
    model: GraphModel, learned: Sequence[TaskLabels], candidates: Sequence[CanonicalCandidate], scores: Numbers
) -> Iterator[TaskValidation]:
    """Yield the validation metrics of each task with enough results; ``scores`` [candidates, scores]."""
    row_of = {candidate.fingerprint: row for row, candidate in enumerate(candidates)}
    features = model.features.vectors(candidates)
    enough = [each for each in learned if each.labels.completed_count >= MIN_COMPLETED_FOR_METRICS]
    for each in enough[:_TASKS_WITH_METRICS]:
        labels = most_informative(each.labels, each.task.maximize)
        rows = np.array([row_of[fingerprint] for fingerprint in labels.fingerprints])
        yield _task_validation(each.task, labels, features[rows], scores[rows], len(model.tree_tasks))


def _task_validation(task: Task, labels: Labels, features: Floats, scores: Numbers, tree_heads: int) -> TaskValidation:
    folds = np.array([fold_of(fingerprint) for fingerprint in labels.fingerprints])
    finite = np.isfinite(labels.values)
    counts, taus = [], []
    inside = np.zeros(len(_COVERAGE_LEVELS))
    for fold in range(FOLDS):
        known, held_out = folds != fold, (folds == fold) & finite
        if held_out.sum() < 2 or (known & finite).sum() < 2:
            continue
        predictor = AdaptedPredictor(
            LabelledArchitectures(
                features[known],
                labels.values[known],
                task.maximize,
                scores[known],
                tree_heads,
                None if labels.proxies is None else labels.proxies[known],
            )
        )
        proxies = None if labels.proxies is None else labels.proxies[held_out]
        queries = Queries(features[held_out], scores[held_out], proxies)
        values = labels.values[held_out]
        at_levels = [predictor.predict(queries, level) for level in _COVERAGE_LEVELS]
        tau = float(kendalltau(at_levels[0].means, values).statistic)
        taus.append(tau if np.isfinite(tau) else 0.0)
        counts.append(len(values))
        inside += [((values >= predicted.lower) & (values <= predicted.upper)).sum() for predicted in at_levels]
    total = max(sum(counts), 1)
    shares = (inside / total).tolist()
    return TaskValidation(
        task.task_id,
        sum(counts),
        float(np.dot(taus, counts)) / total,
        shares[_COVERAGE_LEVELS.index(_COVERAGE_LEVEL)],
        tuple(zip(_COVERAGE_LEVELS, shares, strict=True)),
    )
