"""Predictions for a task with few or no results, pooled from other tasks with the same metric.

There is no evidence yet of which sources resemble the task, so all have the same weight, and the interval is as wide as
their disagreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import t as student_t

from headstart_server.prediction.graph.model import ModelTask
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.learners.members.nearest import K_NEAREST
from headstart_server.prediction.learners.members.task_heads import GRAPH_NETWORK
from headstart_server.prediction.learners.nearest_neighbours import NearestNeighbours
from headstart_server.prediction.learners.normal_scores import Scale, normal_scores
from headstart_server.prediction.task.predictor import AnyFloats, Estimates, MemberEstimates


def from_heads(
    heads: Sequence[ModelTask],
    scores: Numbers,
    level: float,
    incumbent: float | None,
    maximize: bool,
    out_of_distribution: NDArray[np.bool_],
) -> Estimates:
    """Predictions from the heads of a model: scores [m, heads], each mapped to the unit by the scale of its task.

    ``out_of_distribution`` [m] marks candidates far from everything that the model was trained on.
    """
    predicted = [
        head.scale.moments(scores[:, column], np.full(len(scores), head.error)) for column, head in enumerate(heads)
    ]
    spreads = [float(head.scale.oriented.std()) for head in heads]
    return _pooled(GRAPH_NETWORK, predicted, spreads, level, incumbent, maximize, out_of_distribution)


@dataclass(frozen=True, eq=False)
class SourceNeighbours:
    """The recorded architectures of one source, ready for queries."""

    scale: Scale
    nearest: NearestNeighbours

    @classmethod
    def of(cls, features: AnyFloats, values: Numbers, maximize: bool) -> SourceNeighbours:
        """Fit to features [n, d] and values [n], NaN for a failed run, of a task with the target's objective."""
        nearest = NearestNeighbours(np.asarray(features, np.float64), normal_scores(values, maximize))
        return cls(Scale.of(values, maximize), nearest)


def from_neighbours(
    sources: Sequence[SourceNeighbours], features: AnyFloats, level: float, incumbent: float | None, maximize: bool
) -> Estimates:
    """Predictions from the nearest recorded architectures of each source."""
    inputs: Numbers = np.asarray(features, np.float64)
    predicted, spreads, out_of_distribution = [], [], np.ones(len(inputs), bool)
    for source in sources:
        means, deviations, distant = source.nearest.predict(inputs)
        predicted.append(source.scale.moments(means, deviations))
        spreads.append(float(source.scale.oriented.std()))
        out_of_distribution &= distant
    return _pooled(K_NEAREST, predicted, spreads, level, incumbent, maximize, out_of_distribution)


def _pooled(
    member: str,
    predicted: Sequence[tuple[Numbers, Numbers]],
    spreads: Sequence[float],
    level: float,
    incumbent: float | None,
    maximize: bool,
    out_of_distribution: NDArray[np.bool_],
) -> Estimates:
    """Pool predictions: the target is treated as one more draw from the distribution of its sources.

    With a single source, the spread of that source's values stands for the spread between sources.
    """
    means = np.stack([mean for mean, _ in predicted])
    within = np.square(np.stack([deviation for _, deviation in predicted])).mean(axis=0)
    count = len(predicted)
    between = means.var(axis=0, ddof=1) * (1.0 + 1.0 / count) if count > 1 else np.full(means.shape[1], spreads[0] ** 2)
    mean, deviation = means.mean(axis=0), np.sqrt(within + between + 1e-18)
    half = float(student_t.ppf(0.5 + level / 2, df=max(count - 1, 2))) * deviation
    ahead = None if incumbent is None else (mean - incumbent if maximize else incumbent - mean)
    return Estimates(
        means=mean,
        deviations=deviation,
        lower=mean - half,
        upper=mean + half,
        improvement=None if ahead is None else ndtr(ahead / deviation),
        members=(MemberEstimates(member, mean, deviation, np.ones(len(mean))),),
        out_of_distribution=out_of_distribution,
    )
