"""Weights of meta-features and words, learned from how well tasks of one namespace agree.

Pairs of tasks with known agreement are regressed on how close they are in each meta-feature and word, with
non-negative coefficients. A ridge pulls the coefficients towards equal ones; its strength is chosen by leaving out
whole tasks, because pairs that share a task are not independent. All count the same where few agreements are known,
or where none of them explains anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sqlalchemy import Connection, delete, func, insert, select

from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.tables import meta_feature_weights, namespaces
from headstart_server.knowledge.tasks import Task

_NUMBER, _WORD = "number:", "word:"
_LEAST_TASKS = 4
_FOLDS = 5
# Strengths of the pull towards equal weights, in pairs for each task; the last is as good as equal.
_PULLS = (0.25, 1.0, 4.0, 16.0, 1e6)

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two tasks by index, the agreement of their results (Kendall's tau), and the number of results behind it."""

    one: int
    other: int
    agreement: float
    strength: float


@dataclass(frozen=True)
class Learned:
    """Weights around 1, by name; both are empty where nothing was learned."""

    words: Mapping[str, float]
    numbers: Mapping[str, float]
    pair_count: int


def learn(tasks: Sequence[Task], pairs: Sequence[Pair]) -> Learned:
    """Weights from pairs of these tasks. Meta-features and words that all tasks share get no weight."""
    involved = {index for pair in pairs for index in (pair.one, pair.other)}
    if len(involved) < _LEAST_TASKS:
        return Learned({}, {}, len(pairs))
    names, columns = _columns(tasks, pairs)
    if not names:
        return Learned({}, {}, len(pairs))
    wanted = np.array([pair.agreement for pair in pairs])
    trust = np.array([pair.strength / (pair.strength + 10.0) for pair in pairs])
    folds = np.array([[pair.one % _FOLDS, pair.other % _FOLDS] for pair in pairs])
    errors = [_held_out_error(columns, wanted, trust, folds, len(involved), pull) for pull in _PULLS]
    # A narrow gain on few tasks is chance.
    best = int(np.argmin(errors))
    pull = _PULLS[best] if errors[best] < errors[-1] * (1 - 1 / len(involved)) else _PULLS[-1]
    coefficients = _fit(columns, wanted, trust, len(involved), pull)
    words = _around_one({n.removeprefix(_WORD): c for n, c in zip(names, coefficients, strict=True) if n[0] == "w"})
    numbers = _around_one({n.removeprefix(_NUMBER): c for n, c in zip(names, coefficients, strict=True) if n[0] == "n"})
    return Learned(words, numbers, len(pairs))


def read(connection: Connection, namespace: str) -> tuple[dict[str, float], dict[str, float]]:
    """Weights of words and of meta-features, by name."""
    rows = connection.execute(
        select(meta_feature_weights.c.name, meta_feature_weights.c.weight)
        .join(namespaces)
        .where(namespaces.c.name == namespace)
    ).all()
    words = {row.name.removeprefix(_WORD): row.weight for row in rows if row.name.startswith(_WORD)}
    numbers = {row.name.removeprefix(_NUMBER): row.weight for row in rows if row.name.startswith(_NUMBER)}
    return words, numbers


def write(connection: Connection, namespace_number: int, learned: Learned) -> None:
    """Store weights in place of earlier ones."""
    connection.execute(delete(meta_feature_weights).where(meta_feature_weights.c.namespace_id == namespace_number))
    named = [(_WORD + name, weight) for name, weight in learned.words.items()]
    named += [(_NUMBER + name, weight) for name, weight in learned.numbers.items()]
    if named:
        rows = [{"name": name, "weight": weight} for name, weight in named]
        statement = insert(meta_feature_weights).values(
            namespace_id=namespace_number, pair_count=learned.pair_count, updated_at=func.clock_timestamp()
        )
        connection.execute(statement, rows)


def _columns(tasks: Sequence[Task], pairs: Sequence[Pair]) -> tuple[list[str], Numbers]:
    """Closeness of each pair in each meta-feature and word [pairs, names], centred; 0 where one task lacks it."""
    one, other = np.array([pair.one for pair in pairs], int), np.array([pair.other for pair in pairs], int)
    features = MetaFeatures.of(tasks)
    names = [_NUMBER + name for name in features.names]
    scaled = features.scaled_all(tasks)
    parts = [np.exp(-np.abs(scaled[one] - scaled[other]))]
    for key in sorted({key for task in tasks for key in task.descriptor}):
        words = np.array([task.descriptor.get(key, "") for task in tasks], dtype=object)
        missing = np.array([key not in task.descriptor for task in tasks])
        same = (words[one] == words[other]).astype(float)
        parts.append(np.where(missing[one] & missing[other], np.nan, same)[:, None])
        names.append(_WORD + key)
    if not parts:
        return [], np.empty((len(pairs), 0))
    columns = np.concatenate(parts, axis=1)
    known = ~np.isnan(columns)
    means = np.where(known, columns, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, columns - means, 0.0)
    telling = centred.std(axis=0) > 1e-9
    return [name for name, tells in zip(names, telling.tolist(), strict=True) if tells], centred[:, telling]


def _held_out_error(
    columns: Numbers, wanted: Numbers, trust: Numbers, folds: NDArray[np.int64], task_count: int, pull: float
) -> float:
    """The error on pairs with a task of which the fit has seen no pair."""
    error, count = 0.0, 0.0
    for fold in range(_FOLDS):
        held_out = (folds == fold).any(axis=1)
        if not held_out.any() or held_out.all():
            continue
        coefficients = _fit(columns[~held_out], wanted[~held_out], trust[~held_out], task_count, pull)
        centre = float(np.average(wanted[~held_out], weights=trust[~held_out]))
        predicted = columns[held_out] @ coefficients + centre
        error += float((trust[held_out] * np.square(wanted[held_out] - predicted)).sum())
        count += float(trust[held_out].sum())
    return error / max(count, 1e-9)


def _fit(columns: Numbers, wanted: Numbers, trust: Numbers, task_count: int, pull: float) -> Numbers:
    """Non-negative coefficients [names], pulled towards the best equal one."""
    targets = (wanted - np.average(wanted, weights=trust)) * np.sqrt(trust)
    weighted = columns * np.sqrt(trust)[:, None]
    together = weighted.sum(axis=1)
    equal = max(float(together @ targets / max(together @ together, 1e-12)), 0.0)
    size = float(np.square(weighted).mean())
    ridge = np.sqrt(pull * task_count * max(size, 1e-12))
    design = np.concatenate([weighted, ridge * np.eye(columns.shape[1])])
    solution, _ = nnls(design, np.concatenate([targets, np.full(columns.shape[1], ridge * equal)]))
    return np.asarray(solution)


def _around_one(coefficients: Mapping[str, float]) -> dict[str, float]:
    mean = sum(coefficients.values()) / len(coefficients) if coefficients else 0.0
    return {name: float(value / mean) for name, value in coefficients.items()} if mean > 1e-12 else {}
