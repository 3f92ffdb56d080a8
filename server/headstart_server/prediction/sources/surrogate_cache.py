"""Keeps the process that each search goes by, and fits it again when the task has new results.

Its shape is searched for again when the task has a tenth more results.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from headstart.spaces import CanonicalCandidate, SearchSpace
from headstart_server.knowledge.observations import Observations
from headstart_server.prediction.feature_scale import FeatureScale, scale_of_space
from headstart_server.prediction.gaussian_process import Numbers
from headstart_server.prediction.labels import Labels
from headstart_server.prediction.normal_scores import normal_scores
from headstart_server.prediction.search_process import SearchProcess
from headstart_server.prediction.source_heads import agreement
from headstart_server.prediction.structural_features import StructuralFeatures

# Of a thousand results each holds ten megabytes or so.
_KEPT = 96
_GROWTH_BEFORE_NEW_SHAPE = 1.1


@dataclass(frozen=True, eq=False)
class Fitted:
    """``agreement`` of each of the tasks that were asked with the results, 0 to 1; ``incumbent``: the best result."""

    values: Numbers
    process: SearchProcess
    scale: FeatureScale
    agreement: Numbers
    incumbent: float
    chosen_at: int


class SearchProcesses:
    """By namespace, task, space and who is asked beside the task. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str, str], Fitted] = OrderedDict()
        self._scales: WeakKeyDictionary[StructuralFeatures, FeatureScale] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def fitted(
        self,
        namespace: str,
        asked: str,
        observations: Observations,
        labels: Labels,
        space: SearchSpace,
        features: StructuralFeatures,
        canonicals: Callable[[], Sequence[CanonicalCandidate]],
        told: Callable[[], Numbers],
        tasks: int,
    ) -> Fitted:
        """For the labels [n] of these observations; ``told`` [n, k]: what those who are ``asked`` say of them, one
        number for each of the ``tasks`` first."""
        key = (namespace, observations.task.task_id, observations.search_space_id, asked)
        with self._lock:
            kept = self._kept.get(key)
        # Observations are replaced, never changed.
        if kept is not None and kept.values is observations.values:
            return kept
        vectors = features.vectors(canonicals())
        scale = FeatureScale.of(vectors) if space.explicit_graphs else self._scale(space, features)
        scores, targets = told(), normal_scores(labels.values, observations.task.maximize)
        count = len(targets)
        shape, chosen_at = None, count
        if kept is not None and kept.chosen_at <= count <= _GROWTH_BEFORE_NEW_SHAPE * kept.chosen_at:
            shape, chosen_at = kept.process.shape, kept.chosen_at
        process = SearchProcess(scale.place(vectors), np.nan_to_num(scores), targets, shape)
        fitted = Fitted(
            observations.values, process, scale, agreement(scores[:, :tasks], targets), float(targets.max()), chosen_at
        )
        with self._lock:
            self._kept[key] = fitted
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return fitted

    def _scale(self, space: SearchSpace, features: StructuralFeatures) -> FeatureScale:
        with self._lock:
            scale = self._scales.get(features)
        if scale is None:
            scale = scale_of_space(space, features)
            with self._lock:
                self._scales[features] = scale
        return scale
