"""Keeps the clusters and the map of each namespace's tasks up to date, and what their numbers are worth to compare by.

A worker makes them: from all pairs of tasks, compared as a search for like tasks compares them, but by results and
profiles alone where it comes to learning weights. Calls read what was made last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity import weights as meta_feature_weights
from headstart_server.knowledge.similarity.context import SimilarityContext
from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.similarity.tasks import (
    Basis,
    SimilarityEvidence,
    compare,
    measured_agreement,
    strength_of,
)
from headstart_server.knowledge.similarity.weights import Pair
from headstart_server.knowledge.tables import (
    namespaces,
    search_spaces,
    task_cluster_members,
    task_clusters,
    task_embeddings,
    task_summaries,
    tasks,
)
from headstart_server.knowledge.task_map.clustering import Group, cluster, groups, positions
from headstart_server.knowledge.tasks import Task
from headstart_server.runtime.database.engine import run_transaction

# Pairs grow with the square: beyond the first number only the tasks changed last are on the map; beyond the second,
# profiles replace results.
MOST_TASKS = 2000
_MOST_MEASURED = 300
# Fewest results behind an agreement from which weights are learned.
_TELLING = 10.0


@dataclass(frozen=True)
class TaskCluster:
    """``task_ids`` are sorted, ``positions`` in their order; ``number`` counts from 1, the largest first."""

    number: int
    name: str
    description: str
    medoid: str
    silhouette: float | None
    task_ids: tuple[str, ...]
    positions: tuple[tuple[float, float], ...]
    updated_at: datetime


class TaskMap:
    def __init__(self, engine: Engine, knowledge: KnowledgeService) -> None:
        self._engine = engine
        self._knowledge = knowledge

    def stale_namespaces(self) -> list[str]:
        """Namespaces whose tasks or profiles have changed since their clusters were computed."""
        with self._engine.connect() as connection:
            return _stale(connection)

    def refresh(self, namespace: str) -> int:
        """Learn weights, cluster, and lay out the map; returns the number of clusters."""
        with self._engine.connect() as connection:
            started = connection.execute(select(func.clock_timestamp())).scalar_one()
            number = connection.execute(select(namespaces.c.id).where(namespaces.c.name == namespace)).scalar_one()
            chosen = _newest(connection, number)
        context = self._knowledge.similarity_context(namespace)
        numbers = sorted((n for n in chosen if n in context.tasks), key=lambda n: context.tasks[n].task_id)
        declared = [context.tasks[n] for n in numbers]
        agreements = self._agreements(namespace, declared, context)
        learned = meta_feature_weights.learn(declared, _pairs(agreements))
        features = MetaFeatures.of(context.tasks.values(), learned.numbers)
        distances = _distances(declared, features, learned.words, agreements)
        made = groups(declared, distances, cluster(distances), features) if declared else []

        def keep(connection: Connection) -> None:
            meta_feature_weights.write(connection, number, learned)
            before = _positions(connection, number)
            known = {index: before[task] for index, task in enumerate(numbers) if task in before}
            laid = positions(distances, known)
            _write(connection, number, numbers, declared, made, laid, started)

        run_transaction(self._engine, keep)
        return len(made)

    def clusters(self, namespace: str, after: int, limit: int) -> list[TaskCluster]:
        """The clusters as last computed, without tasks deleted since; those with a number after ``after``."""
        with self._engine.connect() as connection:
            return _read(connection, namespace, after, limit)

    def _agreements(
        self, namespace: str, declared: Sequence[Task], context: SimilarityContext
    ) -> dict[tuple[int, int], dict[Basis, SimilarityEvidence]]:
        """Evidence from results and profiles for pairs of tasks, by their indices, the lesser first."""
        place_of = {task.task_id: index for index, task in enumerate(declared)}
        result: dict[tuple[int, int], dict[Basis, SimilarityEvidence]] = {}

        def keep(one: int, other: int, evidence: SimilarityEvidence) -> None:
            of_pair = result.setdefault((min(one, other), max(one, other)), {})
            if evidence.basis not in of_pair or of_pair[evidence.basis].count < evidence.count:
                of_pair[evidence.basis] = evidence

        for task_id, space_id in sorted(context.profiles.by_key):
            if task_id in place_of:
                for name, evidence in context.profiles.agreements(task_id, space_id).items():
                    if place_of.get(name, -1) > place_of[task_id]:
                        keep(place_of[task_id], place_of[name], evidence)
        for space_id in self._spaces(namespace):
            observed = self._knowledge.tasks_observed(namespace, space_id)
            known = [o for o in observed if o.task.task_id in place_of and len(o.means.codes)]
            for first, second in combinations(known, 2):
                one, other = place_of[first.task.task_id], place_of[second.task.task_id]
                if len(declared) <= _MOST_MEASURED or (min(one, other), max(one, other)) not in result:
                    measured = measured_agreement(first, second)
                    if measured is not None:
                        keep(one, other, measured)
        return result

    def _spaces(self, namespace: str) -> list[str]:
        with self._engine.connect() as connection:
            query = (
                select(search_spaces.c.name)
                .join(namespaces)
                .where(namespaces.c.name == namespace)
                .where(select(task_summaries).where(task_summaries.c.search_space_id == search_spaces.c.id).exists())
                .order_by(search_spaces.c.name)
            )
            return list(connection.execute(query).scalars())


def _pairs(agreements: dict[tuple[int, int], dict[Basis, SimilarityEvidence]]) -> list[Pair]:
    """The pairs whose results and profiles suffice to learn from."""
    pairs = []
    for (one, other), evidence in sorted(agreements.items()):
        total = strength = 0.0
        for each in evidence.values():
            counts_for = strength_of(each)
            total, strength = total + counts_for * each.value, strength + counts_for
        if strength >= _TELLING:
            pairs.append(Pair(one, other, total / strength, strength))
    return pairs


def _distances(
    declared: Sequence[Task],
    features: MetaFeatures,
    word_weights: Mapping[str, float],
    agreements: dict[tuple[int, int], dict[Basis, SimilarityEvidence]],
) -> NDArray[np.float64]:
    """1 less the mutual similarity weight [n, n]."""
    distances = np.zeros((len(declared), len(declared)))
    place_of = {task.task_id: index for index, task in enumerate(declared)}
    for index, task in enumerate(declared[:-1]):
        known = {other: agreements.get((index, other), {}) for other in range(index + 1, len(declared))}
        agreements_of_task = {
            basis: {declared[other].task_id: evidence[basis] for other, evidence in known.items() if basis in evidence}
            for basis in (Basis.MEASURED_AGREEMENT, Basis.PERFORMANCE_PROFILE)
        }
        similar = compare(
            task,
            declared[index + 1 :],
            features,
            word_weights,
            agreements_of_task[Basis.MEASURED_AGREEMENT],
            agreements_of_task[Basis.PERFORMANCE_PROFILE],
        )
        for each in similar:
            other = place_of[each.task_id]
            distances[index, other] = distances[other, index] = 1.0 - each.weight
    return distances


def _newest(connection: Connection, namespace_number: int) -> list[int]:
    query = select(tasks.c.id).where(tasks.c.namespace_id == namespace_number)
    return list(connection.execute(query.order_by(tasks.c.updated_at.desc(), tasks.c.id).limit(MOST_TASKS)).scalars())


def _stale(connection: Connection) -> list[str]:
    of_namespace = tasks.c.namespace_id == namespaces.c.id
    profiles = task_embeddings.join(tasks, task_embeddings.c.task_id == tasks.c.id)
    clustered = task_clusters.c.namespace_id == namespaces.c.id
    query = select(
        namespaces.c.name,
        select(func.count()).select_from(tasks).where(of_namespace).scalar_subquery().label("tasks"),
        select(func.max(tasks.c.updated_at)).where(of_namespace).scalar_subquery().label("changed"),
        select(func.max(task_embeddings.c.updated_at))
        .select_from(profiles)
        .where(of_namespace)
        .scalar_subquery()
        .label("profiled"),
        select(func.count())
        .select_from(task_cluster_members)
        .where(task_cluster_members.c.namespace_id == namespaces.c.id)
        .scalar_subquery()
        .label("members"),
        select(func.min(task_clusters.c.updated_at)).where(clustered).scalar_subquery().label("made"),
    )
    return [row.name for row in connection.execute(query) if _is_stale(row)]


def _is_stale(row: Any) -> bool:
    tasks_now, made = row.tasks, row.made
    if made is None:
        return bool(tasks_now)
    changes = [when for when in (row.changed, row.profiled) if when is not None]
    return row.members != min(tasks_now, MOST_TASKS) or any(when > made for when in changes)


def _positions(connection: Connection, namespace_number: int) -> dict[int, tuple[float, float]]:
    query = select(task_cluster_members).where(task_cluster_members.c.namespace_id == namespace_number)
    return {row.task_id: (row.x, row.y) for row in connection.execute(query)}


def _write(
    connection: Connection,
    namespace_number: int,
    numbers: Sequence[int],
    declared: Sequence[Task],
    made: Sequence[Group],
    laid: NDArray[np.float64],
    started: datetime,
) -> None:
    """Store the clusters in place of earlier ones; tasks deleted meanwhile are left out."""
    still_there = select(tasks.c.id).where(tasks.c.id.in_(numbers)).order_by(tasks.c.id)
    present = set(connection.execute(still_there.with_for_update(key_share=True, read=True)).scalars())
    connection.execute(delete(task_clusters).where(task_clusters.c.namespace_id == namespace_number))
    rows: list[dict[str, Any]] = []
    members: list[dict[str, Any]] = []
    for group in made:
        own = [index for index in group.members if numbers[index] in present]
        if not own:
            continue
        medoid = group.medoid if group.medoid in own else own[0]
        rows.append(
            {
                "namespace_id": namespace_number,
                "number": len(rows) + 1,
                "name": group.name,
                "description": group.description,
                "medoid": declared[medoid].task_id,
                "silhouette": group.silhouette,
                "updated_at": started,
            }
        )
        members += [
            {
                "task_id": numbers[index],
                "namespace_id": namespace_number,
                "number": len(rows),
                "x": float(laid[index, 0]),
                "y": float(laid[index, 1]),
            }
            for index in own
        ]
    if rows:
        connection.execute(insert(task_clusters).values(rows))
        connection.execute(insert(task_cluster_members).values(members))


def _read(connection: Connection, namespace: str, after: int, limit: int) -> list[TaskCluster]:
    query = (
        select(task_clusters)
        .join(namespaces)
        .where(namespaces.c.name == namespace, task_clusters.c.number > after)
        # A cluster whose tasks are all deleted disappears before the worker comes.
        .where(
            select(task_cluster_members.c.task_id)
            .where(
                task_cluster_members.c.namespace_id == task_clusters.c.namespace_id,
                task_cluster_members.c.number == task_clusters.c.number,
            )
            .exists()
        )
        .order_by(task_clusters.c.number)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    if not rows:
        return []
    belonging = (
        select(task_cluster_members, tasks.c.name)
        .join(tasks, task_cluster_members.c.task_id == tasks.c.id)
        .where(task_cluster_members.c.namespace_id == rows[0].namespace_id)
        .where(task_cluster_members.c.number.in_([row.number for row in rows]))
        .order_by(tasks.c.name)
    )
    members: dict[int, list[tuple[str, tuple[float, float]]]] = {}
    for row in connection.execute(belonging):
        members.setdefault(row.number, []).append((row.name, (row.x, row.y)))
    return [_cluster(row, members[row.number]) for row in rows if row.number in members]


def _cluster(row: Row[Any], members: Sequence[tuple[str, tuple[float, float]]]) -> TaskCluster:
    task_ids = tuple(task_id for task_id, _ in members)
    medoid = row.medoid if row.medoid in task_ids else task_ids[0]
    return TaskCluster(
        number=row.number,
        name=row.name,
        description=row.description,
        medoid=medoid,
        silhouette=row.silhouette,
        task_ids=task_ids,
        positions=tuple(position for _, position in members),
        updated_at=row.updated_at,
    )
