"""How much each past task counted as the results of a task came in: for a person to see who was trusted when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.tasks import SimilarTask
from headstart_server.prediction.sources.surrogate import target_weight

_POINTS = 12


@dataclass(frozen=True)
class WeightPoint:
    """After so many completed architectures: weights by task id, and the task's own share against all of them."""

    completed_count: int
    own_share: float
    weights: Mapping[str, float]


def weight_history(
    target: Observations,
    similar: Sequence[SimilarTask],
    weights_of: Callable[[Observations], Mapping[str, float]],
) -> list[WeightPoint]:
    """From before the first result to now, when the weights are those of ``similar``.

    ``weights_of`` tells the weights that the first results of the target gave, by task id.
    """
    ends = np.flatnonzero(target.completed) + 1
    chosen = sorted({0, *(int(place) for place in np.linspace(0, len(ends), _POINTS))})
    points = []
    for place in chosen:
        until = _until(target, int(ends[place - 1]) if place else 0)
        count = len(until.means.codes)
        earned = weights_of(until) if place < len(ends) else {task.task_id: task.weight for task in similar}
        weights = {task.task_id: earned.get(task.task_id, 0.0) for task in similar}
        points.append(WeightPoint(count, target_weight(count), weights))
    return points


def _until(target: Observations, end: int) -> Observations:
    return replace(
        target,
        codes=target.codes[:end],
        values=target.values[:end],
        completed=target.completed[:end],
        proxies=target.proxies[:end],
    )
