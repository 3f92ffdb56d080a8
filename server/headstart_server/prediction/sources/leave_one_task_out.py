"""Leave-one-task-out agreement: each source is held out as if it were the new task, and the others score its results.

Scores are cached by pair of surrogates, so a new fit of one source only computes its own pairs anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import Numbers
from headstart_server.prediction.sources.expected_agreement import ExpectedAgreement, HeldOut, expect_agreement
from headstart_server.prediction.sources.source_surrogates import SourceSurrogate
from headstart_server.runtime.lru import Lru

_CACHED_PAIRS = 16_384
_CACHED_SIMILARITIES = 256


class LeaveOneTaskOut:
    """Agreements among the source tasks, each held out in turn. Thread-safe."""

    def __init__(self) -> None:
        # Keys: serials of the scoring surrogate and of the one whose results are held out.
        self._scores: Lru[tuple[int, int], Numbers] = Lru(_CACHED_PAIRS)
        self._between: Lru[tuple[SimilarityContext, str, tuple[str, ...]], Numbers] = Lru(_CACHED_SIMILARITIES)

    def expected(
        self,
        target: Task,
        tasks: Sequence[Task],
        space_id: str,
        surrogates: Sequence[SourceSurrogate],
        features: StructuralFeatures,
        context: SimilarityContext,
    ) -> ExpectedAgreement:
        """The expected agreement of the sources [k] with the target, before any of its results.

        ``tasks`` [k] are the tasks of the surrogates.
        """
        held_out = [HeldOut(each.held_out[1], self._scores_of(each, surrogates, features)) for each in surrogates]
        similarity = context.likeness(target, tasks, space_id)
        return expect_agreement(held_out, self._similarity_between(tasks, space_id, context), similarity)

    def _scores_of(
        self, held_out: SourceSurrogate, surrogates: Sequence[SourceSurrogate], features: StructuralFeatures
    ) -> Numbers:
        """Scores [n, k] of the held-out results by the surrogates."""
        candidates = held_out.held_out[0]
        cached = {each.serial: self._scores.get((each.serial, held_out.serial)) for each in surrogates}
        missing = [each for each in surrogates if cached[each.serial] is None]
        if missing:
            vectors: Numbers = features.vectors(candidates).astype(np.float64)
            for each in missing:
                cached[each.serial] = scores = each.predicted(vectors)
                self._scores.put((each.serial, held_out.serial), scores)
        return np.column_stack([scores for scores in cached.values() if scores is not None])

    def _similarity_between(self, tasks: Sequence[Task], space_id: str, context: SimilarityContext) -> Numbers:
        """Pairwise similarity [k, k] of the tasks, cached for all targets until a task's description changes."""
        key = (context, space_id, tuple(task.task_id for task in tasks))
        cached = self._between.get(key)
        if cached is None:
            cached = np.stack([context.likeness(task, tasks, space_id) for task in tasks])
            self._between.put(key, cached)
        return cached
