"""Whether suggestions are better than random ones, told to the metrics: a share of them is drawn at random, and the
results of the others are held against the last of these on the same task.

A process knows its own suggestions and the results that were recorded through it, so of several replicas each counts a
sample. Nothing here has a say in an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from headstart_server.knowledge.outcomes import NewExperiment
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.online_evaluation import LatestValues, full_result
from headstart_server.runtime.observability import metrics
from headstart_server.warm_start.suggestions import Origin, Suggestion

_MOST_SUGGESTIONS = 8192
_MOST_TASKS = 1024


class LiveComparison:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By namespace, task, space and fingerprint; None: it has its result.
        self._made: LatestValues[tuple[str, str, str, str], tuple[Task, Origin] | None] = LatestValues(
            _MOST_SUGGESTIONS
        )
        # The last result of a random suggestion, by namespace, task and space.
        self._random: LatestValues[tuple[str, str, str], float] = LatestValues(_MOST_TASKS)

    def remember(self, namespace: str, task: Task, search_space_id: str, suggestions: Iterable[Suggestion]) -> None:
        with self._lock:
            for suggestion in suggestions:
                key = (namespace, task.task_id, search_space_id, suggestion.canonical.fingerprint)
                self._made.put(key, (task, suggestion.origin))

    def settle(self, namespace: str, records: Iterable[NewExperiment]) -> None:
        """Full results that are recorded now. Random ones too are compared, with those before them: half are better."""
        for record in records:
            place = (namespace, record.task_id, record.search_space_id)
            with self._lock:
                key = (*place, record.canonical.fingerprint)
                made = self._made.get(key)
                if made is None:
                    continue
                self._made.put(key, None)
                task, origin = made
                value = full_result(task, record)
                if value is None:
                    continue
                at_random = self._random.get(place)
                if origin is Origin.EXPLORATION:
                    self._random.put(place, value)
            if at_random is not None and value != at_random:
                better = (value > at_random) == task.maximize
                # Both, so that both are there to be compared.
                metrics.AGAINST_RANDOM.labels(origin.name, "better").inc(better)
                metrics.AGAINST_RANDOM.labels(origin.name, "worse").inc(not better)
