"""Source weights over the results of a task, so that a person sees which source counted when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.tasks import SimilarTask
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.sources.surrogate import target_weight
from headstart_server.warm_start.comparison import ComparedTask

_POINTS = 12


@dataclass(frozen=True)
class WeightPoint:
    """Source weights by task id after so many completed architectures, and the weight of the task itself against all
    of them."""

    completed_count: int
    target_weight: float
    weights: Mapping[str, float]


def weight_history(
    prediction: PredictionService,
    namespace: str,
    compared: ComparedTask,
    sources: Sequence[Observations],
    similar: Sequence[SimilarTask],
) -> list[WeightPoint]:
    """Weights of the ``sources`` from before the first result to now, when they are those of ``similar``."""
    target = compared.target
    ends = np.flatnonzero(target.completed) + 1
    chosen = sorted({0, *(int(number) for number in np.linspace(0, len(ends), _POINTS))})
    points = []
    for number in chosen:
        observed = _first(target, int(ends[number - 1]) if number else 0)
        count = len(observed.means.codes)
        if number < len(ends):
            earned = prediction.source_weights(namespace, observed, sources, compared.context)
        else:
            earned = {task.task_id: task.weight for task in similar}
        weights = {task.task_id: earned.get(task.task_id, 0.0) for task in similar}
        points.append(WeightPoint(count, target_weight(count), weights))
    return points


def _first(target: Observations, count: int) -> Observations:
    return replace(
        target,
        codes=target.codes[:count],
        values=target.values[:count],
        completed=target.completed[:count],
        proxies=target.proxies[:count],
    )
