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

# The number of architectures measured on both tasks that words and meta-features together count for, and that a
# profile counts for at most.
_PRIOR_STRENGTH = 10.0
_PROFILE_STRENGTH = 15.0

# Weight of a task without description, and what that counts for: it ranks behind described tasks.
_UNKNOWN, _UNKNOWN_STRENGTH = 0.01, 2.0
_TOLD_DETAILS = 3


class Basis(IntEnum):
    DESCRIPTOR = 1
    META_FEATURES = 2
    MEASURED_AGREEMENT = 3
    PERFORMANCE_PROFILE = 4


@dataclass(frozen=True)
class SimilarityEvidence:
    """``value`` is 0 to 1 for words and meta-features, else Kendall's tau; ``count`` is the number of results behind
    it.

    ``details`` names the most important parts for people. For a profile, ``count`` is the number of results of the
    task that has fewer.
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
    """The evidence of each source's similarity to the target, and the resulting weight, 0 to 1.

    ``agreements`` and ``profiles`` are by task id. The heaviest come first. Tasks that disagree get no weight, never
    a negative one.
    """
    numbers = by_meta_features(target, sources, features)
    similar = []
    for source, closeness in zip(sources, numbers, strict=True):
        words = by_descriptor(target, source, word_weights)
        result = (words, closeness, profiles.get(source.task_id), agreements.get(source.task_id))
        evidence = tuple(each for each in result if each is not None)
        similar.append(SimilarTask(source.task_id, weight_of(evidence), evidence))
    return sorted(similar, key=lambda task: (-task.weight, task.task_id))


def weight_of(evidence: Sequence[SimilarityEvidence]) -> float:
    """The mean of the prior and the evidence, each weighed by the architectures that it counts for."""
    priors = [each.value for each in evidence if each.basis in (Basis.DESCRIPTOR, Basis.META_FEATURES)]
    prior = sum(priors) / len(priors) if priors else _UNKNOWN
    strength = _PRIOR_STRENGTH if priors else _UNKNOWN_STRENGTH
    total = strength * prior
    for each in evidence:
        counts_for = strength_of(each)
        total, strength = total + counts_for * each.value, strength + counts_for
    return min(1.0, max(0.0, total / strength))


def strength_of(evidence: SimilarityEvidence) -> float:
    """The number of architectures measured on both tasks that the evidence counts for; 0 for words and meta-features,
    which are the prior.
    """
    if evidence.basis is Basis.PERFORMANCE_PROFILE:
        return min(_PROFILE_STRENGTH, evidence.count / 4)
    return float(evidence.count) if evidence.basis is Basis.MEASURED_AGREEMENT else 0.0


def by_descriptor(target: Task, source: Task, weights: Mapping[str, float]) -> SimilarityEvidence | None:
    """The weighted share of the words of either task that both have (weight 1 unless learned).

    None if one of them has no description.
    """
    if not target.descriptor or not source.descriptor:
        return None
    keys = target.descriptor.keys() | source.descriptor.keys()
    shared = [key for key in keys if target.descriptor.get(key) == source.descriptor.get(key)]
    total = sum(weights.get(key, 1.0) for key in keys)
    share = sum(weights.get(key, 1.0) for key in shared) / total if total > 0 else len(shared) / len(keys)
    predicted = sorted(shared, key=lambda key: (-weights.get(key, 1.0), key))[:_TOLD_DETAILS]
    details = tuple(f"{key}: {target.descriptor[key]}" for key in predicted)
    return SimilarityEvidence(Basis.DESCRIPTOR, min(1.0, share), len(keys), details)


def by_meta_features(target: Task, sources: Sequence[Task], features: MetaFeatures) -> list[SimilarityEvidence | None]:
    """Closeness of the meta-features that both tasks have, for each source; None if they share none."""
    evidence: list[SimilarityEvidence | None] = []
    for source, predicted in zip(sources, features.closeness(target, sources), strict=True):
        if predicted is None:
            evidence.append(None)
            continue
        value, count, heaviest = predicted
        details = tuple(
            f"{name}: {target.meta_features[name]:.6g} and {source.meta_features[name]:.6g}"
            for name in heaviest[:_TOLD_DETAILS]
        )
        evidence.append(SimilarityEvidence(Basis.META_FEATURES, value, count, details))
    return evidence


def measured_agreement(target: Observations, source: Observations) -> SimilarityEvidence | None:
    """Kendall's tau over the architectures measured on both tasks; None below two of them."""
    return agreement(*target.means.shared_with(source.means), details=(target.search_space_id,))


def agreement(target: Numbers, source: Numbers, details: tuple[str, ...] = ()) -> SimilarityEvidence | None:
    """Kendall's tau between two score vectors [n], higher is better in both; None if undefined."""
    tau = kendall_tau(target, source)
    return None if tau is None else SimilarityEvidence(Basis.MEASURED_AGREEMENT, tau, len(target), details)
