"""Performance profiles of tasks: predicted ranks of the same probe architectures, stored in ``task_embeddings``.

Tasks that behave alike rank the probes alike, even where their data differ. The worker predicts profiles
(``prediction.task_profiles``); this module stores, reads and compares them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from headstart_server.knowledge.similarity.rank_correlation import pair_signs
from headstart_server.knowledge.similarity.tasks import Basis, SimilarityEvidence
from headstart_server.knowledge.tables import namespaces, search_spaces, task_embeddings, tasks


@dataclass(frozen=True, eq=False)
class Profile:
    """``scores`` float32 [probes], empty where too little is known for a prediction.

    It was predicted when the task had ``experiment_count`` experiments in the space.
    """

    task_id: str
    search_space_id: str
    version: str
    scores: NDArray[np.float32]
    experiment_count: int
    updated_at: datetime | None = None

    @cached_property
    def signs(self) -> NDArray[np.float32]:
        """Signs of all pairs of probes, as ``pair_signs`` returns them."""
        return pair_signs(self.scores)


@dataclass(frozen=True, eq=False)
class Profiles:
    """The profiles of a namespace, comparable within a space and version."""

    by_key: Mapping[tuple[str, str], Profile] = field(default_factory=dict)
    # Pair signs of the profiles of one space and version: task ids and a matrix [tasks, pairs].
    _signs: dict[tuple[str, str], tuple[tuple[str, ...], NDArray[np.float32]]] = field(default_factory=dict)

    def of(self, task_id: str, space_id: str) -> Profile | None:
        return self.by_key.get((task_id, space_id))

    def spaces_of(self, task_id: str) -> list[str]:
        return sorted(space for name, space in self.by_key if name == task_id)

    def agreements(self, task_id: str, space_id: str) -> dict[str, SimilarityEvidence]:
        """Kendall's tau between a task's profile and those of all other tasks in the space, by task id."""
        own = self.of(task_id, space_id)
        if own is None or not len(own.scores):
            return {}
        task_ids, signs = self._comparable(space_id, own.version)
        position = task_ids.index(task_id)
        evidence = {}
        for other, tau in zip(task_ids, np.clip(signs @ signs[position], -1.0, 1.0).tolist(), strict=True):
            if other != task_id:
                count = min(own.experiment_count, self.by_key[other, space_id].experiment_count)
                details = (space_id, f"predicted ranks of {len(own.scores)} probes")
                evidence[other] = SimilarityEvidence(Basis.PERFORMANCE_PROFILE, tau, count, details)
        return evidence

    def _comparable(self, space_id: str, version: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        key = (space_id, version)
        if key not in self._signs:
            chosen = [
                profile
                for (_, space), profile in sorted(self.by_key.items())
                if space == space_id and profile.version == version and len(profile.scores)
            ]
            task_ids = tuple(profile.task_id for profile in chosen)
            self._signs[key] = (task_ids, np.stack([profile.signs for profile in chosen]))
        return self._signs[key]


def read_profiles(connection: Connection, namespace: str, before: Profiles) -> Profiles:
    """All profiles of a namespace; unchanged ones are taken from ``before``."""
    keys = connection.execute(
        select(
            task_embeddings.c.task_id,
            task_embeddings.c.search_space_id,
            task_embeddings.c.updated_at,
            tasks.c.name.label("task"),
            search_spaces.c.name.label("space"),
        )
        .join(tasks, task_embeddings.c.task_id == tasks.c.id)
        .join(search_spaces, task_embeddings.c.search_space_id == search_spaces.c.id)
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace)
    ).all()
    result: dict[tuple[str, str], Profile] = {}
    names: dict[tuple[int, int], tuple[str, str]] = {}
    for row in keys:
        cached = before.of(row.task, row.space)
        if cached is not None and cached.updated_at == row.updated_at:
            result[row.task, row.space] = cached
        else:
            names[row.task_id, row.search_space_id] = (row.task, row.space)
    if names:
        changed = select(task_embeddings).where(
            tuple_(task_embeddings.c.task_id, task_embeddings.c.search_space_id).in_(list(names))
        )
        for row in connection.execute(changed):
            task, space = names[row.task_id, row.search_space_id]
            scores = np.array(row.profile, dtype=np.float32)
            result[task, space] = Profile(task, space, row.version, scores, int(row.experiment_count), row.updated_at)
    return before if not names and result.keys() == before.by_key.keys() else Profiles(result)


def write_profiles(connection: Connection, namespace: str, profiles: Sequence[Profile]) -> None:
    """Store profiles in place of earlier ones; deleted tasks are left out."""
    if not profiles:
        return
    numbers = {
        row.name: row.id
        for row in connection.execute(
            select(tasks.c.id, tasks.c.name)
            .join(namespaces)
            .where(namespaces.c.name == namespace, tasks.c.name.in_([profile.task_id for profile in profiles]))
            .order_by(tasks.c.id)
            .with_for_update(of=tasks, key_share=True, read=True)
        )
    }
    spaces = {
        row.name: row.id
        for row in connection.execute(
            select(search_spaces.c.id, search_spaces.c.name).join(namespaces).where(namespaces.c.name == namespace)
        )
    }
    rows = [
        {
            "task_id": numbers[profile.task_id],
            "search_space_id": spaces[profile.search_space_id],
            "version": profile.version,
            "profile": profile.scores.astype(float).tolist(),
            "experiment_count": profile.experiment_count,
        }
        for profile in profiles
        if profile.task_id in numbers
    ]
    if not rows:
        return
    statement = insert(task_embeddings)
    statement = statement.on_conflict_do_update(
        index_elements=["task_id", "search_space_id"],
        set_={
            "version": statement.excluded.version,
            "profile": statement.excluded.profile,
            "experiment_count": statement.excluded.experiment_count,
            "updated_at": func.clock_timestamp(),
        },
    )
    connection.execute(statement, rows)
