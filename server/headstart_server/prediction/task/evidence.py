"""The evidence behind predictions: results of a task, features of its space, and a description for users."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.task.predictor import Estimates
from headstart_server.runtime.errors import Unavailable
from headstart_server.runtime.lru import Lru

# From this number of completed architectures on, a task's own results suffice for a prediction.
ENOUGH_OWN = 5
# Number of cached spaces; each caches the features of recent candidates.
_CACHED_SPACES = 64
# The prediction of a task is pooled from at most this number of sources, those with most results.
MOST_SOURCES = 32


@dataclass(frozen=True)
class TaskPredictions:
    """Estimates and their basis; ``model_version`` is empty if no model took part."""

    estimates: Estimates
    basis: str
    model_version: str = ""


class Evidence:
    """Recorded results and features, as predictions need them. Thread-safe."""

    def __init__(self, knowledge: KnowledgeService) -> None:
        self.knowledge = knowledge
        self._features: Lru[tuple[str, str], StructuralFeatures] = Lru(_CACHED_SPACES)

    def features(self, namespace: str, search_space_id: str) -> StructuralFeatures:
        """The structural features of a space. Raises NotFound."""
        key = (namespace, search_space_id)
        features = self._features.get(key)
        if features is None:
            features = StructuralFeatures(feature_layout(self.knowledge.search_space(namespace, search_space_id)))
            features = self._features.setdefault(key, features)
        return features

    def architectures(self, namespace: str, space_id: str, wanted: Collection[str]) -> Mapping[str, Architecture]:
        """All wanted architectures, by fingerprint. Raises Unavailable if a deletion of a task removed one."""
        recorded = self.knowledge.architectures(namespace, space_id, wanted)
        if any(fingerprint not in recorded for fingerprint in wanted):
            raise Unavailable("a task was deleted while it was read: ask again", "TASK_DELETED_MEANWHILE")
        return recorded


def same_objective(one: Task, other: Task) -> bool:
    """Whether two tasks have the same metric and direction."""
    return one.metric == other.metric and one.maximize == other.maximize


def incumbent(observations: Observations) -> float | None:
    """The best completed value of a task in a space."""
    values = observations.values[observations.completed]
    if not len(values):
        return None
    return float(values.max() if observations.task.maximize else values.min())


def few(count: int) -> str:
    return f"this task has {count or 'no'} completed architecture{'' if count == 1 else 's'}"


def other_tasks(count: int) -> str:
    return f"from {count} other task{'' if count == 1 else 's'} with the same metric, on a wide interval"
