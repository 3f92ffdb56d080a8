"""Groups of like tasks and a map of all tasks, from the distances between them; and what to call each group.

Groups come from k-medoids (Kaufman and Rousseeuw, "Finding Groups in Data", 1990, chapter 2), their number from the
mean silhouette; where no division is better than a weak one, all tasks are one group. The map is classical
multidimensional scaling (Torgerson, 1952), turned so that it lies as the map before did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_samples

from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.tasks import Task

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

# Below this mean silhouette there is one cluster.
_LEAST_SILHOUETTE = 0.1
_MOST_CLUSTERS = 24
_ROUNDS = 30
# The share of a cluster's tasks with a word, and its excess over other tasks, from which the word can name the
# cluster.
_COMMON = 0.6
_LIFT = 0.25
_EXTREME = 0.7
_NAME_LENGTH = 120
_TOLD_TRAITS = 4


@dataclass(frozen=True)
class Clustering:
    """``labels`` [n] and ``silhouettes`` [n], None for a single cluster; ``medoids`` by label."""

    labels: Places
    medoids: tuple[int, ...]
    silhouettes: Numbers | None


@dataclass(frozen=True)
class Group:
    """Indices of a cluster's tasks, nearest to the medoid first; ``silhouette`` is None for a single cluster."""

    members: tuple[int, ...]
    medoid: int
    silhouette: float | None
    name: str
    description: str


def cluster(distances: Numbers) -> Clustering:
    """Clusters from distances [n, n], 0 to 1, n at least 1."""
    count = len(distances)
    best = _one(distances)
    best_silhouette = _LEAST_SILHOUETTE
    medoids = [int(best.medoids[0])]
    for number in range(2, min(_MOST_CLUSTERS, count - 1) + 1):
        medoids = _one_more(distances, medoids)
        settled = _settle(distances, medoids)
        labels = distances[:, settled].argmin(axis=1)
        # A medoid stays in its own cluster, even if it is as near to another medoid.
        labels[settled] = np.arange(number)
        silhouettes = silhouette_samples(distances, labels, metric="precomputed")
        if silhouettes.mean() > best_silhouette + 1e-9:
            best_silhouette = float(silhouettes.mean())
            best = Clustering(labels.astype(np.int64), tuple(settled), silhouettes)
    if count == 2 and distances[0, 1] > 0.5:
        best = Clustering(np.array([0, 1]), (0, 1), np.zeros(2))
    return best


def _one(distances: Numbers) -> Clustering:
    return Clustering(np.zeros(len(distances), dtype=np.int64), (int(distances.sum(axis=1).argmin()),), None)


def _one_more(distances: Numbers, medoids: Sequence[int]) -> list[int]:
    """The medoids plus the index that brings all tasks nearest to a medoid."""
    nearest = distances[:, list(medoids)].min(axis=1)
    gains = np.maximum(nearest[:, None] - distances, 0.0).sum(axis=0)
    gains[list(medoids)] = -1.0
    return [*medoids, int(gains.argmax())]


def _settle(distances: Numbers, medoids: Sequence[int]) -> list[int]:
    """Medoids moved to the centre of their clusters until none moves."""
    current = list(medoids)
    for _ in range(_ROUNDS):
        labels = distances[:, current].argmin(axis=1)
        labels[current] = np.arange(len(current))
        moved = []
        for label in range(len(current)):
            members = np.flatnonzero(labels == label)
            moved.append(int(members[distances[np.ix_(members, members)].sum(axis=1).argmin()]))
        if moved == current:
            break
        current = moved
    return current


def positions(distances: Numbers, before: Mapping[int, tuple[float, float]]) -> Numbers:
    """A map [n, 2] on which near means similar; ``before`` are earlier positions of some tasks."""
    count = len(distances)
    if count < 2:
        return np.array([before.get(0, (0.0, 0.0))]) if count else np.empty((0, 2))
    centring = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ np.square(distances) @ centring)
    laid = vectors[:, [-1, -2]] * np.sqrt(np.maximum(values[[-1, -2]], 0.0))
    # The sign of an eigenvector is arbitrary: the farthest task is put to the right, and above.
    laid *= np.where(laid[np.abs(laid).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    known = sorted(before)
    if len(known) < 2:
        return np.asarray(laid)
    # Orthogonal Procrustes (Schoenemann, 1966): rotation, reflection and translation, without scaling.
    old = np.array([before[index] for index in known])
    new = laid[known]
    left, _, right = np.linalg.svd((new - new.mean(axis=0)).T @ (old - old.mean(axis=0)))
    return np.asarray((laid - new.mean(axis=0)) @ left @ right + old.mean(axis=0))


def groups(tasks: Sequence[Task], distances: Numbers, clustering: Clustering, features: MetaFeatures) -> list[Group]:
    """The clusters with unique names, the largest first."""
    order = sorted(range(len(clustering.medoids)), key=lambda label: (-int((clustering.labels == label).sum()), label))
    made: list[Group] = []
    for label in order:
        members = np.flatnonzero(clustering.labels == label)
        medoid = clustering.medoids[label]
        traits = _traits(tasks, members, features)
        silhouette = None if clustering.silhouettes is None else float(clustering.silhouettes[members].mean())
        name = _unused(traits, tasks[medoid].task_id, {group.name for group in made})
        description = _description(tasks, members, medoid, traits, distances)
        made.append(Group(tuple(members.tolist()), medoid, silhouette, name, description))
    return made


def _traits(tasks: Sequence[Task], members: Places, features: MetaFeatures) -> list[tuple[str, str]]:
    """The traits that a cluster's tasks share and others lack, the most distinctive first: a short form and a long
    one.
    """
    inside = set(members.tolist())
    own = [tasks[index] for index in sorted(inside)]
    others = [task for index, task in enumerate(tasks) if index not in inside]
    result: list[tuple[float, str, str]] = []
    for key, word in sorted({item for task in own for item in task.descriptor.items()}):
        share = sum(task.descriptor.get(key) == word for task in own) / len(own)
        elsewhere = sum(task.descriptor.get(key) == word for task in others) / len(others) if others else 0.0
        # A word that only one task has does not name a cluster.
        if share >= _COMMON and (share - elsewhere >= _LIFT) and word:
            common = f"{key}: {word} ({round(share * len(own))} of {len(own)}"
            common += f", elsewhere {elsewhere:.0%})" if others else ")"
            result.append((share - elsewhere, word, common))
    if others and features.names:
        result += _extremes(features, own, others)
    return [(short, long) for _, short, long in sorted(result, key=lambda trait: (-trait[0], trait[1]))]


def _extremes(features: MetaFeatures, own: Sequence[Task], others: Sequence[Task]) -> list[tuple[float, str, str]]:
    extremes = []
    inside, outside = _medians(features.scaled_all(own)), _medians(features.scaled_all(others))
    for name, one, other in zip(features.names, inside.tolist(), outside.tolist(), strict=True):
        # Words before meta-features: a meta-feature names a cluster only where it is more distinctive than a word can
        # be.
        if np.isfinite(one) and np.isfinite(other) and abs(one - other) >= _EXTREME:
            raw = sorted(task.meta_features[name] for task in own if name in task.meta_features)
            side = "high" if one > other else "low"
            long = f"{side} {name}: {raw[0]:.6g} to {raw[-1]:.6g}" if len(raw) > 1 else f"{side} {name}: {raw[0]:.6g}"
            extremes.append((min(abs(one - other), 3.0) / 4.0, f"{side} {name}", long))
    return extremes


def _medians(scaled: Numbers) -> Numbers:
    """The median of each column, NaN where nothing is known."""
    columns = (column[~np.isnan(column)] for column in scaled.T)
    return np.array([np.median(known) if len(known) else np.nan for known in columns])


def _unused(traits: Sequence[tuple[str, str]], medoid: str, taken: set[str]) -> str:
    """The most distinctive traits, as many as make the name unique, or else the medoid."""
    short = list(dict.fromkeys(trait for trait, _ in traits))
    for count in range(1, len(short) + 1):
        name = ", ".join(short[:count])[:_NAME_LENGTH]
        if name not in taken:
            return name
    name = f"like {medoid}"
    return name if name not in taken else f"{name} ({len(taken) + 1})"


def _description(
    tasks: Sequence[Task], members: Places, medoid: int, traits: Sequence[tuple[str, str]], distances: Numbers
) -> str:
    count = len(members)
    outside = np.setdiff1d(np.arange(len(tasks)), members)
    sentences = [f"{count} task{'' if count == 1 else 's'} around {tasks[medoid].task_id}."]
    if traits:
        opening = "What sets them apart" if len(outside) else "What they share"
        sentences.append(f"{opening}: {'; '.join(long for _, long in traits[:_TOLD_TRAITS])}.")
    if count > 1:
        inner = distances[np.ix_(members, members)].sum() / (count * (count - 1))
        sentences.append(f"Their mean similarity is {1 - inner:.2f}")
        if len(outside):
            sentences[-1] += f", to all others {1 - distances[np.ix_(members, outside)].mean():.2f}"
        sentences[-1] += "."
    elif len(outside):
        nearest = outside[distances[members[0], outside].argmin()]
        likeness = 1 - distances[members[0], nearest]
        sentences.append(f"The most similar task, {tasks[nearest].task_id}, counts {likeness:.2f}.")
    return " ".join(sentences)
