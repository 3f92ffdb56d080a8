"""Similarity of two tasks: by words, meta-features, profiles on the same probes, and results measured on both.

Words and meta-features are a prior that counts for ten architectures measured on both tasks. A profile is predicted,
so it counts for a quarter of the results behind it, fifteen at most. Measured agreement counts for the results it
rests on: ten results equal the prior, and a hundred leave little to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.similarity.meta_features import MetaFeatures
from headstart_server.knowledge.similarity.rank_correlation import Numbers, kendall_tau
from headstart_server.knowledge.tasks import Task

# What words and numbers together count for, in architectures measured on both tasks; and what a profile does at most.
_PRIOR_STRENGTH = 10.0
_PROFILE_STRENGTH = 15.0

# Weight of a task of which no words or numbers are known, and what that counts for: it comes after those of which
# anything is known.
_UNKNOWN, _UNKNOWN_STRENGTH = 0.01, 2.0
_TOLD_DETAILS = 3


class Basis(IntEnum):
    DESCRIPTOR = 1
    META_FEATURES = 2
    MEASURED_AGREEMENT = 3
    PERFORMANCE_PROFILE = 4


@dataclass(frozen=True)
class SimilarityEvidence:
    """``value`` is 0 to 1 for words and numbers, else Kendall's tau; ``count`` is what it rests on.

    ``details`` names for a person what tells most. Of a profile, ``count`` is that of the results it was predicted
    from, on the task that has fewer.
    """

    basis: Basis
    value: float
    count: int
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class SimilarTask:
    task_id: str
    weight: float
    evidence: tuple[SimilarityEvidence, ...]


def compare(
    target: Task,
    sources: Sequence[Task],
    features: MetaFeatures,
    word_weights: Mapping[str, float],
    agreements: Mapping[str, SimilarityEvidence],
    profiles: Mapping[str, SimilarityEvidence],
) -> list[SimilarTask]:
    """Everything that tells how alike each source is to the target, and the weight (0 to 1) that follows from it.

    ``agreements`` and ``profiles`` are by task id. The heaviest come first. Tasks that disagree get no weight, never a
    negative one.
    """
    numbers = by_meta_features(target, sources, features)
    similar = []
    for source, closeness in zip(sources, numbers, strict=True):
        words = by_descriptor(target, source, word_weights)
        found = (words, closeness, profiles.get(source.task_id), agreements.get(source.task_id))
        evidence = tuple(each for each in found if each is not None)
        similar.append(SimilarTask(source.task_id, weight_of(evidence), evidence))
    return sorted(similar, key=lambda task: (-task.weight, task.task_id))


def weight_of(evidence: Sequence[SimilarityEvidence]) -> float:
    """The mean of the prior and what speaks for or against it, each by the architectures that it counts for."""
    priors = [each.value for each in evidence if each.basis in (Basis.DESCRIPTOR, Basis.META_FEATURES)]
    prior = sum(priors) / len(priors) if priors else _UNKNOWN
    strength = _PRIOR_STRENGTH if priors else _UNKNOWN_STRENGTH
    total = strength * prior
    for each in evidence:
        counts_for = strength_of(each)
        total, strength = total + counts_for * each.value, strength + counts_for
    return min(1.0, max(0.0, total / strength))


def strength_of(evidence: SimilarityEvidence) -> float:
    """What it counts for, in architectures measured on both tasks; 0 of words and numbers, which are the prior."""
    if evidence.basis is Basis.PERFORMANCE_PROFILE:
        return min(_PROFILE_STRENGTH, evidence.count / 4)
    return float(evidence.count) if evidence.basis is Basis.MEASURED_AGREEMENT else 0.0


def by_descriptor(target: Task, source: Task, weights: Mapping[str, float]) -> SimilarityEvidence | None:
    """The share of the words of either task that both have, each by its weight (1 where none was learned).

    None where one of them is not described at all.
    """
    if not target.descriptor or not source.descriptor:
        return None
    keys = target.descriptor.keys() | source.descriptor.keys()
    shared = [key for key in keys if target.descriptor.get(key) == source.descriptor.get(key)]
    total = sum(weights.get(key, 1.0) for key in keys)
    share = sum(weights.get(key, 1.0) for key in shared) / total if total > 0 else len(shared) / len(keys)
    told = sorted(shared, key=lambda key: (-weights.get(key, 1.0), key))[:_TOLD_DETAILS]
    details = tuple(f"{key}: {target.descriptor[key]}" for key in told)
    return SimilarityEvidence(Basis.DESCRIPTOR, min(1.0, share), len(keys), details)


def by_meta_features(target: Task, sources: Sequence[Task], features: MetaFeatures) -> list[SimilarityEvidence | None]:
    """Closeness of the numbers that both tasks have, for each source; None where they share none."""
    found: list[SimilarityEvidence | None] = []
    for source, told in zip(sources, features.closeness(target, sources), strict=True):
        if told is None:
            found.append(None)
            continue
        value, count, heaviest = told
        details = tuple(
            f"{name}: {target.meta_features[name]:.6g} and {source.meta_features[name]:.6g}"
            for name in heaviest[:_TOLD_DETAILS]
        )
        found.append(SimilarityEvidence(Basis.META_FEATURES, value, count, details))
    return found


def measured_agreement(target: Observations, source: Observations) -> SimilarityEvidence | None:
    """Kendall's tau over the architectures measured on both tasks; None below two of them."""
    return agreement(*target.means.shared_with(source.means), details=(target.search_space_id,))


def agreement(target: Numbers, source: Numbers, details: tuple[str, ...] = ()) -> SimilarityEvidence | None:
    """Kendall's tau between two score vectors [n], higher better in both; None where it is not defined."""
    tau = kendall_tau(target, source)
    return None if tau is None else SimilarityEvidence(Basis.MEASURED_AGREEMENT, tau, len(target), details)
