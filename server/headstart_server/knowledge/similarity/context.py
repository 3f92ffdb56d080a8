"""The similarity context of a namespace: scales and weights of meta-features, weights of words, and profiles.

It is cached, and read again when the database reports a change of any part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, bindparam, func, select

from headstart_server.knowledge.similarity import weights as meta_feature_weights
from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.similarity.profiles import Profiles, read_profiles
from headstart_server.knowledge.similarity.tasks import by_descriptor, by_meta_features, weight_of
from headstart_server.knowledge.tables import meta_feature_weights as weights_table
from headstart_server.knowledge.tables import namespaces, task_embeddings, tasks
from headstart_server.knowledge.tasks import Task, task_from_row
from headstart_server.runtime.database.prepared_statements import prepared_once

# The factor on the similarity of tasks with different metrics.
_OTHER_METRIC = 0.25


@dataclass(frozen=True, eq=False)
class SimilarityContext:
    """The similarity context of one namespace. ``tasks`` are by row number."""

    features: MetaFeatures = field(default_factory=MetaFeatures)
    word_weights: Mapping[str, float] = field(default_factory=dict)
    profiles: Profiles = field(default_factory=Profiles)
    tasks: Mapping[int, Task] = field(default_factory=dict)

    def likeness(self, target: Task, sources: Sequence[Task], space_id: str) -> NDArray[np.float64]:
        """The similarity [k] of each source to the target from descriptions and profiles: 0 to 1, NaN where nothing
        is known.

        Results on both tasks take no part. Tasks with different metrics are less similar; tasks with the same metric
        in the opposite direction are not similar.
        """
        profiles = self.profiles.agreements(target.task_id, space_id)
        numbers = by_meta_features(target, sources, self.features)
        weights = np.full(len(sources), np.nan)
        for index, (source, closeness) in enumerate(zip(sources, numbers, strict=True)):
            words = by_descriptor(target, source, self.word_weights)
            evidence = [each for each in (words, closeness, profiles.get(source.task_id)) if each is not None]
            if evidence:
                weights[index] = weight_of(evidence)
            if source.metric != target.metric:
                weights[index] *= _OTHER_METRIC
            elif source.maximize != target.maximize:
                weights[index] = 0.0
        return weights


@dataclass(frozen=True)
class _CachedContext:
    stamp: tuple[Any, ...]
    stamps: Mapping[int, Any]
    context: SimilarityContext


class SimilarityContextCache:
    """Similarity contexts by namespace. Thread-safe."""

    def __init__(self) -> None:
        self._cache: dict[str, _CachedContext] = {}
        self._lock = Lock()

    def of(self, connection: Connection, namespace: str) -> SimilarityContext:
        stamp = tuple(connection.execute(_STAMP, {"namespace": namespace}).one())
        with self._lock:
            cached = self._cache.get(namespace)
        if cached is not None and cached.stamp == stamp:
            return cached.context
        cached = _read(connection, namespace, stamp, cached)
        with self._lock:
            self._cache[namespace] = cached
        return cached.context


def _stamp_of_namespace() -> Select[Any]:
    number = select(namespaces.c.id).where(namespaces.c.name == bindparam("namespace")).scalar_subquery()
    own = tasks.c.namespace_id == number
    profiles = task_embeddings.join(tasks, task_embeddings.c.task_id == tasks.c.id)
    weights = weights_table.c.namespace_id == number
    return select(
        select(func.count()).select_from(tasks).where(own).scalar_subquery(),
        select(func.max(tasks.c.updated_at)).where(own).scalar_subquery(),
        select(func.max(tasks.c.id)).where(own).scalar_subquery(),
        select(func.count()).select_from(profiles).where(own).scalar_subquery(),
        select(func.max(task_embeddings.c.updated_at)).select_from(profiles).where(own).scalar_subquery(),
        select(func.count()).select_from(weights_table).where(weights).scalar_subquery(),
        select(func.max(weights_table.c.updated_at)).where(weights).scalar_subquery(),
    )


# Differs when tasks, profiles or weights of the namespace have changed.
_STAMP = prepared_once(_stamp_of_namespace())


def _read(
    connection: Connection, namespace: str, stamp: tuple[Any, ...], before: _CachedContext | None
) -> _CachedContext:
    all_stamps = select(tasks.c.id, tasks.c.updated_at).join(namespaces).where(namespaces.c.name == namespace)
    stamps = {row.id: row.updated_at for row in connection.execute(all_stamps.order_by(tasks.c.id))}
    known = before.stamps if before else {}
    changed = [number for number, updated_at in stamps.items() if known.get(number) != updated_at]
    declared = dict(before.context.tasks) if before else {}
    declared.update((row.id, task_from_row(row)) for row in _rows(connection, changed))
    present = {number: declared[number] for number in stamps if number in declared}
    words, numbers = meta_feature_weights.read(connection, namespace)
    context = SimilarityContext(
        features=MetaFeatures.of(present.values(), numbers),
        word_weights=words,
        profiles=read_profiles(connection, namespace, before.context.profiles if before else Profiles()),
        tasks=present,
    )
    return _CachedContext(stamp, stamps, context)


def _rows(connection: Connection, numbers: list[int]) -> list[Row[Any]]:
    if not numbers:
        return []
    return list(connection.execute(select(tasks).where(tasks.c.id == func.any(numbers))))
