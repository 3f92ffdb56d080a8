"""How much each past task counts for a new one.

Words and numbers of the tasks come first. Once the target has results of its own, the ranking that a source gives to
the same architectures is held against them: the source's own measurements where it has them, and what the graph
network says of the source's taste elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.similarity import (
    Evidence,
    SimilarTask,
    agreement,
    compare,
    mean_by_fingerprint,
    meta_feature_spreads,
)

# For each source task, a score of each architecture (higher is better) as a model of that task sees it.
SourceScores = Mapping[str, Mapping[str, float]]


def weigh_sources(target: Observations, sources: Sequence[Observations], predicted: SourceScores) -> list[SimilarTask]:
    """Every source with its weight (0 to 1) and what it rests on, the heaviest first."""
    spreads = meta_feature_spreads([target.task, *(source.task for source in sources)])
    measured = mean_by_fingerprint(target)
    similar = [
        compare(target.task, source.task, spreads, _agreement(measured, source, predicted)) for source in sources
    ]
    return sorted(similar, key=lambda task: (-task.weight, task.task_id))


def _agreement(target: Mapping[str, float], source: Observations, predicted: SourceScores) -> Evidence | None:
    """From the model of the source where it speaks of more architectures than were measured on both."""
    measured = mean_by_fingerprint(source)
    scores = predicted.get(source.task.task_id, {})
    known = measured if sum(f in measured for f in target) >= sum(f in scores for f in target) else scores
    shared = [fingerprint for fingerprint in target if fingerprint in known]
    return agreement(np.array([target[f] for f in shared]), np.array([known[f] for f in shared]))
