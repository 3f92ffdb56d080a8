"""The values of the contract about the knowledge base itself: experiments to list, clusters of tasks, explanations.

Plain frozen data, free of protobuf: ``codec_knowledge`` translates. Enum numbers are those of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from headstart.spaces.declaration import Candidate
from headstart.values.experiments import ExperimentStatus
from headstart.values.warm_start import Gate, SimilarTask, Suggestion


@dataclass(frozen=True)
class ArchitectureResult:
    """The best completed result of an architecture on one task."""

    task_id: str
    experiment_id: str
    objective_value: float


@dataclass(frozen=True)
class ArchitectureMatch:
    """``distance`` is by the requested measure; ``upper_bound`` if the time did not suffice."""

    candidate: Candidate
    fingerprint: str
    distance: float
    results: tuple[ArchitectureResult, ...] = ()
    upper_bound: bool = False


@dataclass(frozen=True)
class ArchitectureMatches:
    """The answer of ``Client.search_architectures``, nearest first."""

    matches: tuple[ArchitectureMatch, ...]
    degraded: bool = False
    embedding_version: str = ""


class ExperimentOrder(Enum):
    """RECORDING: by space and sequence number; OBJECTIVE_VALUE: lowest first, without those that have no finite value;
    RECORD_TIME: oldest first, the only one over several tasks."""

    RECORDING = 1
    OBJECTIVE_VALUE = 2
    RECORD_TIME = 3


class ArchitectureMeasure(Enum):
    """Distances between architectures: EMBEDDING compares all of the space, the others the nearest by embedding."""

    EMBEDDING = 1
    OP_DISTRIBUTION = 2
    GRAPH_EDIT_DISTANCE = 3


@dataclass(frozen=True)
class NumberRange:
    """A range with both ends included; None is open."""

    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class ExperimentFilter:
    """A filter of experiments: all conditions that are set must hold.

    ``statuses``: any of these, empty for all. ``objective_value`` in the task's unit. ``node_count``: nodes of the
    canonical graph, whole numbers, 0 without a graph. ``proxies`` by name. ``recorded_from`` belongs to the range,
    ``recorded_before`` does not; times without a zone are UTC.
    """

    statuses: tuple[ExperimentStatus, ...] = ()
    objective_value: NumberRange = NumberRange()
    node_count: NumberRange = NumberRange()
    proxies: Mapping[str, NumberRange] = field(default_factory=dict)
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True)
class TaskPosition:
    """A position on the task map, near to similar tasks; without unit."""

    x: float
    y: float


@dataclass(frozen=True)
class TaskCluster:
    """Similar tasks. ``positions`` are in the order of ``task_ids``; ``silhouette`` (-1 to 1) is None for a single
    cluster.
    """

    name: str
    task_ids: tuple[str, ...]
    description: str = ""
    positions: tuple[TaskPosition, ...] = ()
    medoid_task_id: str = ""
    silhouette: float | None = None
    update_time: datetime | None = None


@dataclass(frozen=True)
class SourceWeights:
    """The weight of each source task (0 to 1, by task id) when the task had this number of completed architectures.

    ``own_share`` is the weight of the task's own results against all others, 0 to 1; it never falls.
    """

    completed_count: int
    own_share: float
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """The answer of ``Client.explain_task``: what the service would transfer to a task, and why.

    ``history``: the weights of source tasks as results came in, the last one now.
    """

    similar_tasks: tuple[SimilarTask, ...]
    gate: Gate | None
    explanation: str
    suggestions: tuple[Suggestion, ...] = ()
    history: tuple[SourceWeights, ...] = ()
