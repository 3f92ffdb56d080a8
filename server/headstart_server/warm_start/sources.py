"""How alike past tasks are to a new one by all that is known, and how much each of them counts.

Words, numbers and profiles of the tasks come first. Once the target has results of its own, the ranking that a source
gives to the same architectures is held against them: the source's own measurements where it has them, and what the
graph network, or a surrogate of its results, says of the others. How much a source counts is told by the surrogate of
the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.rank_correlation import Numbers
from headstart_server.knowledge.similarity.tasks import SimilarityEvidence, SimilarTask, agreement, compare

# For each source task, a score of each architecture completed on the target (higher is better) as a model of that
# source sees it: in the order of the target's means, NaN where none was asked for.
SourceScores = Mapping[str, Numbers]


def weigh_sources(
    target: Observations, sources: Sequence[Observations], predicted: SourceScores, context: SimilarityContext
) -> list[SimilarTask]:
    """Every source with its weight (0 to 1) and what it rests on, the heaviest first."""
    return compare(
        target.task,
        [source.task for source in sources],
        context.features,
        context.word_weights,
        agreements(target, sources, predicted),
        context.profiles.agreements(target.task.task_id, target.search_space_id),
    )


def expected_weights(similar: Sequence[SimilarTask], weights: Mapping[str, float]) -> list[SimilarTask]:
    """With the weights by task id that the surrogate gives, 0 for those that it was not asked for; heaviest first."""
    weighed = [replace(task, weight=weights.get(task.task_id, 0.0)) for task in similar]
    return sorted(weighed, key=lambda task: (-task.weight, task.task_id))


def agreements(
    target: Observations, sources: Sequence[Observations], predicted: SourceScores
) -> dict[str, SimilarityEvidence]:
    """By task id, of the sources of which it is known."""
    found = ((source.task.task_id, agreement_with(target, source, predicted)) for source in sources)
    return {task_id: evidence for task_id, evidence in found if evidence is not None}


def agreement_with(target: Observations, source: Observations, predicted: SourceScores) -> SimilarityEvidence | None:
    """From the model of the source where it speaks of more architectures than were measured on both."""
    measured = target.means.shared_with(source.means)
    scores = predicted.get(source.task.task_id)
    if scores is None or len(measured[0]) >= int(np.isfinite(scores).sum()):
        return agreement(*measured, details=(target.search_space_id,))
    told = np.isfinite(scores)
    return agreement(
        target.means.values[told],
        scores[told],
        details=(target.search_space_id, f"as the model of {source.task.task_id} sees what was measured here"),
    )
