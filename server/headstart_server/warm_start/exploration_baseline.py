"""Exploration baseline: a metric that compares results of suggestions with results of random ones on the same task.

A share of the suggestions is drawn at random; every other result is compared with the last random one of its task. A
server process knows only its own suggestions and the results recorded through it, so each replica counts a sample.
The comparison never influences an answer.
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


class ExplorationBaseline:
    """Counts how often results of suggestions beat the last random one. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By namespace, task, space and fingerprint; None once its result has come.
        self._suggested: LatestValues[tuple[str, str, str, str], tuple[Task, Origin] | None] = LatestValues(
            _MOST_SUGGESTIONS
        )
        # The last result of a random suggestion, by namespace, task and space.
        self._random: LatestValues[tuple[str, str, str], float] = LatestValues(_MOST_TASKS)

    def remember(self, namespace: str, task: Task, search_space_id: str, suggestions: Iterable[Suggestion]) -> None:
        """Keep suggestions until their results come."""
        with self._lock:
            for suggestion in suggestions:
                key = (namespace, task.task_id, search_space_id, suggestion.canonical.fingerprint)
                self._suggested.put(key, (task, suggestion.origin))

    def settle(self, namespace: str, records: Iterable[NewExperiment]) -> None:
        """Compare the full results among new records, once for each suggestion.

        Random ones are compared with the random one before them, which half of them beat.
        """
        for record in records:
            scope = (namespace, record.task_id, record.search_space_id)
            with self._lock:
                key = (*scope, record.canonical.fingerprint)
                suggested = self._suggested.get(key)
                if suggested is None:
                    continue
                self._suggested.put(key, None)
                task, origin = suggested
                value = full_result(task, record)
                if value is None:
                    continue
                baseline = self._random.get(scope)
                if origin is Origin.EXPLORATION:
                    self._random.put(scope, value)
            if baseline is not None and value != baseline:
                better = (value > baseline) == task.maximize
                # Both outcomes, so that each series exists from the first comparison on.
                metrics.AGAINST_RANDOM.labels(origin.name, "better").inc(better)
                metrics.AGAINST_RANDOM.labels(origin.name, "worse").inc(not better)
