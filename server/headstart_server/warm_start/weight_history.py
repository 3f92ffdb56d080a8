"""How much each past task counted as the results of a task came in: for a person to see who was trusted when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from headstart_server.knowledge.observations import Observations
from headstart_server.prediction.source_heads import agreement
from headstart_server.prediction.surrogate import own_share
from headstart_server.warm_start.comparison import Compared
from headstart_server.warm_start.sources import weigh_sources

_POINTS = 12


@dataclass(frozen=True)
class WeightPoint:
    """After so many completed architectures: weights by task id, and the task's own share against all of them."""

    completed_count: int
    own_share: float
    weights: Mapping[str, float]


def weight_history(compared: Compared, enough: int) -> list[WeightPoint]:
    """From the first result to now; from ``enough`` results on weights are earned by them (see ``sources``)."""
    target = compared.target
    ends = np.flatnonzero(target.completed) + 1
    chosen = sorted({0, *(int(place) for place in np.linspace(0, len(ends), _POINTS))})
    return [_point(compared, _until(target, int(ends[place - 1]) if place else 0), enough) for place in chosen]


def _point(compared: Compared, target: Observations, enough: int) -> WeightPoint:
    means = target.means
    places = np.searchsorted(compared.target.means.codes, means.codes)
    told = {task_id: scores[places] for task_id, scores in compared.scores.items()}
    count = len(means.codes)
    if count < enough:
        similar = weigh_sources(target, compared.sources, told, compared.lens)
        weights = {task.task_id: task.weight for task in similar}
    else:
        weights = {task.task_id: 0.0 for task in compared.similar}
        for task_id, scores in told.items():
            heard = np.isfinite(scores)
            if task_id in weights and heard.any():
                weights[task_id] = float(agreement(scores[heard, None], means.values[heard])[0])
    weights.update(dict.fromkeys(compared.patternless & weights.keys(), 0.0))
    return WeightPoint(count, own_share(count) if count else 0.0, weights)


def _until(target: Observations, end: int) -> Observations:
    return replace(
        target,
        codes=target.codes[:end],
        values=target.values[:end],
        completed=target.completed[:end],
        proxies=target.proxies[:end],
    )
