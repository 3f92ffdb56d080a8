"""Predicts how each task would rank the same probe architectures of a space: its performance profile.

A Gaussian process over structural features, fitted to the task's own results, predicts them. The heads of the graph
network do not: they share an embedding, so all tasks look alike (on the tables of HPOBench, with 60 results of each
task, profiles by heads rank the other tasks by true similarity with a correlation of 0.50, these with 0.66).

Probes are drawn from the declared space with a fixed seed; in a space of explicit graphs they are the first recorded
architectures. A profile is computed again when its task has a fifth more experiments, or when the probes have changed,
because only profiles of the same probes are comparable.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, Engine, func, not_, or_, select

from headstart.spaces import CanonicalCandidate, SearchSpace, canonicalize, sample
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.similarity.profiles import Profile, write_profiles
from headstart_server.knowledge.tables import (
    architectures,
    namespaces,
    search_spaces,
    task_embeddings,
    task_summaries,
    tasks,
)
from headstart_server.prediction.learners.gaussian_process import GaussianProcess, Numbers
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.service import PredictionService
from headstart_server.prediction.task.labels import labels_of
from headstart_server.runtime.database.engine import run_transaction

# Least and largest number of distinct completed architectures behind a profile; the largest is drawn evenly.
LEAST_RESULTS = 10
_MOST_RESULTS = 300
_PROBES = 256
_FRUITLESS_DRAWS = 300
_GROWTH = 1.2
_SEED = "probes-1"


@dataclass(frozen=True)
class Probes:
    """The probe architectures of a space. ``version`` changes with them."""

    version: str
    candidates: tuple[CanonicalCandidate, ...]


class TaskProfiler:
    """Computes the profiles of all tasks of a space."""

    def __init__(self, engine: Engine, knowledge: KnowledgeService, prediction: PredictionService) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._prediction = prediction
        self._drawn: dict[tuple[str, str], Probes] = {}

    def stale_spaces(self) -> list[tuple[str, str]]:
        """Namespace and id of spaces with a missing or outdated profile."""
        with self._engine.connect() as connection:
            return _stale(connection)

    def refresh(self, namespace: str, space_id: str) -> int:
        """Compute missing and outdated profiles; returns their number."""
        with self._engine.connect() as connection:
            wanted = {task for ns, space, task in _stale_tasks(connection) if (ns, space) == (namespace, space_id)}
            versions = _versions(connection, namespace, space_id)
        probes = self._probes(namespace, space_id)
        wanted |= {task for task, version in versions.items() if version != probes.version}
        made = [
            self._profile(namespace, observations, probes)
            for observations in self._knowledge.tasks_observed(namespace, space_id)
            if observations.task.task_id in wanted
        ]
        run_transaction(self._engine, lambda connection: write_profiles(connection, namespace, made))
        return len(made)

    def _profile(self, namespace: str, observations: Observations, probes: Probes) -> Profile:
        """The profile of a task; its scores are empty if there are too few results."""
        scores = self._predicted(namespace, observations, probes) if len(probes.candidates) > 1 else None
        stored = np.empty(0, np.float32) if scores is None else scores.astype(np.float32)
        task_id, space_id = observations.task.task_id, observations.search_space_id
        return Profile(task_id, space_id, probes.version, stored, observations.count)

    def _predicted(self, namespace: str, observations: Observations, probes: Probes) -> Numbers | None:
        """Predicted normal scores of the probes; None with too few results."""
        labels = labels_of(observations)
        finite = np.flatnonzero(np.isfinite(labels.values))
        finite = finite[np.unique(np.linspace(0, len(finite) - 1, min(len(finite), _MOST_RESULTS)).astype(int))]
        names = [labels.fingerprints[index] for index in finite]
        recorded = self._knowledge.architectures(namespace, observations.search_space_id, names)
        known = [index for index in finite.tolist() if labels.fingerprints[index] in recorded]
        if len(known) < LEAST_RESULTS:
            return None
        features = self._prediction.features(namespace, observations.search_space_id)
        vectors = features.vectors([recorded[labels.fingerprints[index]].canonical for index in known])
        targets = normal_scores(labels.values[known], observations.task.maximize)
        process = GaussianProcess(vectors.astype(np.float64), np.zeros((len(known), 0)), targets)
        inputs = features.vectors(probes.candidates).astype(np.float64)
        return process.predict(inputs, np.zeros((len(inputs), 0)))[0]

    def _probes(self, namespace: str, space_id: str) -> Probes:
        space = self._knowledge.search_space(namespace, space_id)
        if space.explicit_graphs:
            return self._recorded_probes(namespace, space_id)
        key = (namespace, space_id)
        if key not in self._drawn:
            self._drawn[key] = drawn_probes(space)
        return self._drawn[key]

    def _recorded_probes(self, namespace: str, space_id: str) -> Probes:
        first = (
            select(architectures.c.fingerprint)
            .join(search_spaces, architectures.c.search_space_id == search_spaces.c.id)
            .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
            .where(namespaces.c.name == namespace, search_spaces.c.name == space_id)
            .order_by(architectures.c.id)
            .limit(_PROBES)
        )
        with self._engine.connect() as connection:
            names = list(connection.execute(first).scalars())
        recorded = self._knowledge.architectures(namespace, space_id, names)
        return _versioned([recorded[name].canonical for name in names if name in recorded])


def drawn_probes(space: SearchSpace) -> Probes:
    """Distinct architectures of a declared space: always the same ones, and all of them in a small space."""
    generator = random.Random(f"{_SEED}/{space.search_space_id}")
    probes: dict[str, CanonicalCandidate] = {}
    fruitless = 0
    while len(probes) < _PROBES and fruitless < _FRUITLESS_DRAWS:
        canonical = canonicalize(space, sample(space, generator))
        fruitless = fruitless + 1 if canonical.fingerprint in probes else 0
        probes[canonical.fingerprint] = canonical
    return _versioned(list(probes.values()))


def _versioned(candidates: Sequence[CanonicalCandidate]) -> Probes:
    digest = hashlib.sha256("".join(candidate.fingerprint for candidate in candidates).encode()).hexdigest()
    return Probes(f"{_SEED}/{digest[:16]}", tuple(candidates))


def _stale(connection: Connection) -> list[tuple[str, str]]:
    """Spaces with profiles that are missing, outdated, or not comparable (of several versions, or of another seed)."""
    incomparable = (
        select(namespaces.c.name, search_spaces.c.name)
        .select_from(task_embeddings)
        .join(search_spaces, task_embeddings.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .group_by(namespaces.c.name, search_spaces.c.name)
        .having(
            or_(
                func.min(task_embeddings.c.version) != func.max(task_embeddings.c.version),
                not_(func.min(task_embeddings.c.version).startswith(f"{_SEED}/", autoescape=True)),
            )
        )
    )
    stale = {(namespace, space) for namespace, space, _ in _stale_tasks(connection)}
    return sorted(stale | {(namespace, space) for namespace, space in connection.execute(incomparable)})


def _versions(connection: Connection, namespace: str, space_id: str) -> dict[str, str]:
    """The versions of the probes behind the profiles of tasks in a space."""
    query = (
        select(tasks.c.name, task_embeddings.c.version)
        .select_from(task_embeddings)
        .join(tasks, task_embeddings.c.task_id == tasks.c.id)
        .join(search_spaces, task_embeddings.c.search_space_id == search_spaces.c.id)
        .join(namespaces, search_spaces.c.namespace_id == namespaces.c.id)
        .where(namespaces.c.name == namespace, search_spaces.c.name == space_id)
    )
    return {row.name: row.version for row in connection.execute(query)}


def _stale_tasks(connection: Connection) -> list[tuple[str, str, str]]:
    """Namespace, search space and task of every missing or outdated profile."""
    query = (
        select(namespaces.c.name, search_spaces.c.name, tasks.c.name)
        .select_from(task_summaries)
        .join(tasks, task_summaries.c.task_id == tasks.c.id)
        .join(search_spaces, task_summaries.c.search_space_id == search_spaces.c.id)
        .join(namespaces, tasks.c.namespace_id == namespaces.c.id)
        .join(
            task_embeddings,
            (task_embeddings.c.task_id == task_summaries.c.task_id)
            & (task_embeddings.c.search_space_id == task_summaries.c.search_space_id),
            isouter=True,
        )
        .where(
            task_summaries.c.completed_count >= LEAST_RESULTS,
            or_(
                task_embeddings.c.task_id.is_(None),
                task_summaries.c.experiment_count >= _GROWTH * task_embeddings.c.experiment_count,
            ),
        )
    )
    return [(namespace, space, task) for namespace, space, task in connection.execute(query)]
