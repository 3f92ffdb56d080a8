"""Source weights: the similarity of past tasks to a new one, and how much each of them counts.

Descriptors, meta-features and profiles of the tasks come first. Once the target has results of its own, each source's
ranking of the same architectures is compared with them: by the source's own measurements, or by the scores of the
graph network or of a surrogate of the source, whichever cover more architectures. The surrogate of the search then
sets the weight of each source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.rank_correlation import Numbers
from headstart_server.knowledge.similarity.tasks import SimilarityEvidence, SimilarTask, agreement, compare

# By source task id: scores [n] of the target's completed architectures, higher is better, as a model of that source
# predicts them, in the order of the target's means. NaN where none was computed.
PredictedScores = Mapping[str, Numbers]


def weigh_sources(
    target: Observations, sources: Sequence[Observations], predicted: PredictedScores, context: SimilarityContext
) -> list[SimilarTask]:
    """Every source with its weight (0 to 1) and the evidence for it, the heaviest first."""
    return compare(
        target.task,
        [source.task for source in sources],
        context.features,
        context.word_weights,
        agreements(target, sources, predicted),
        context.profiles.agreements(target.task.task_id, target.search_space_id),
    )


def with_surrogate_weights(similar: Sequence[SimilarTask], weights: Mapping[str, float]) -> list[SimilarTask]:
    """The tasks with the surrogate's weights by task id, 0 for those that it does not use; the heaviest first."""
    weighed = [replace(task, weight=weights.get(task.task_id, 0.0)) for task in similar]
    return sorted(weighed, key=lambda task: (-task.weight, task.task_id))


def agreements(
    target: Observations, sources: Sequence[Observations], predicted: PredictedScores
) -> dict[str, SimilarityEvidence]:
    """Agreement of the target with each source, by task id; sources without evidence are left out."""
    pairs = ((source.task.task_id, agreement_with(target, source, predicted)) for source in sources)
    return {task_id: evidence for task_id, evidence in pairs if evidence is not None}


def agreement_with(target: Observations, source: Observations, predicted: PredictedScores) -> SimilarityEvidence | None:
    """Agreement of measured results, or with predicted scores of the source where those cover more architectures."""
    measured = target.means.shared_with(source.means)
    scores = predicted.get(source.task.task_id)
    if scores is None or len(measured[0]) >= int(np.isfinite(scores).sum()):
        return agreement(*measured, details=(target.search_space_id,))
    scored = np.isfinite(scores)
    return agreement(
        target.means.values[scored],
        scores[scored],
        details=(target.search_space_id, f"as the model of {source.task.task_id} sees what was measured here"),
    )
