"""Answers of WarmStart: suggestions, similar tasks, the gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from headstart.spaces.declaration import Candidate
from headstart.values.predictions import Estimate


class SuggestionOrigin(Enum):
    TRANSFERRED = 1
    GENERATED = 2
    EXPLORATION = 3
    DEFAULT = 4


class SimilarityKind(Enum):
    """DESCRIPTOR and META_FEATURES are from 0 to 1, the others are Kendall tau from -1 to 1."""

    DESCRIPTOR = 1
    META_FEATURES = 2
    MEASURED_AGREEMENT = 3
    PERFORMANCE_PROFILE = 4


class GateState(Enum):
    OPEN = 1
    CLOSED = 2


@dataclass(frozen=True)
class SourceEvidence:
    """The result of a suggestion on a source: the value in the source's own unit, and the share of its architectures
    it beats.
    """

    task_id: str
    experiment_id: str
    objective_value: float
    quantile: float


@dataclass(frozen=True)
class Suggestion:
    candidate: Candidate
    fingerprint: str
    origin: SuggestionOrigin
    prediction: Estimate | None = None
    sources: tuple[SourceEvidence, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SimilarityBasis:
    """``count`` is the number of words, meta-features or architectures behind the value; ``details`` names the most
    important.
    """

    kind: SimilarityKind
    value: float
    count: int
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class SimilarTask:
    """``weight`` is never negative; a task of weight 0 takes no part."""

    task_id: str
    weight: float
    basis: tuple[SimilarityBasis, ...] = ()


@dataclass(frozen=True)
class Gate:
    """Whether the past of other tasks takes part in an answer."""

    state: GateState
    reason: str = ""


@dataclass(frozen=True)
class WarmStart:
    """The answer of ``Client.warm_start``; ``model_version`` is empty if no model took part."""

    suggestions: tuple[Suggestion, ...]
    similar_tasks: tuple[SimilarTask, ...] = ()
    gate: Gate | None = None
    model_version: str = ""
    degraded: bool = False
