"""What past tasks would say of any candidate, without a model: a Gaussian process over the results of each.

Fitted on the first question and again when a task has grown by a quarter. Scores are expected normal scores, so that
tasks of any unit and direction compare; far from what a task has tried they go to 0, its average.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.rank_agreement import kendall_tau
from headstart_server.prediction.evidence import Evidence
from headstart_server.prediction.gaussian_process import GaussianProcess, Numbers
from headstart_server.prediction.labels import Labels, most_telling
from headstart_server.prediction.normal_scores import normal_scores
from headstart_server.prediction.source_heads import standard_error
from headstart_server.prediction.task_predictors import TaskPredictors

# Of a longer history the best hundred and the newest of the rest: a fit costs the cube of their number.
_MOST_RESULTS = 300
# Completed architectures without which a task has no say.
_LEAST_RESULTS = 5
_GROWTH_BEFORE_REFIT = 1.25
# From so many results on, a task whose left-out results its own process ranks no better than chance, within so many
# standard errors, shows no pattern: there is nothing to learn from it. Of fewer results it cannot be told.
_ENOUGH_FOR_A_PATTERN = 50
_BEYOND_CHANCE = 3.0
# Of 300 results each holds a megabyte or two.
_KEPT_PROCESSES = 512


@dataclass(frozen=True, eq=False)
class SourceProcess:
    """``serial`` tells it from every other that this process of the service has fitted.

    ``patterned``: whether its results can be told from one another at all, as far as is known.
    """

    task_id: str
    serial: int
    process: GaussianProcess
    values: NDArray[np.float64]
    patterned: bool

    def scores(self, features: Numbers) -> Numbers:
        """Expected normal scores [m] of candidates with features [m, d], higher is better."""
        return self.process.predict(features, np.zeros((len(features), 0)))[0]

    def still_tells(self, observations: Observations) -> bool:
        """Whether the task has grown too little since to be learned again, and is not another one of the same name."""
        known = len(self.values)
        grown = observations.count > _GROWTH_BEFORE_REFIT * known
        return not grown and np.array_equal(observations.values[:known], self.values, equal_nan=True)


class SourceProcesses:
    """By namespace, space and task. Thread-safe."""

    def __init__(self, evidence: Evidence, predictors: TaskPredictors) -> None:
        self._evidence = evidence
        self._predictors = predictors
        self._kept: OrderedDict[tuple[str, str, str], SourceProcess] = OrderedDict()
        self._serials = count()
        self._lock = threading.Lock()

    def of(self, namespace: str, sources: Sequence[Observations]) -> list[SourceProcess]:
        """Of those of the sources that have enough results to tell anything."""
        found = [self._process(namespace, source) for source in sources]
        return [process for process in found if process is not None]

    def _process(self, namespace: str, source: Observations) -> SourceProcess | None:
        key = (namespace, source.search_space_id, source.task.task_id)
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept.still_tells(source):
            return kept
        labels = self._predictors.labels(namespace, source)
        if labels.completed_count < _LEAST_RESULTS:
            return None
        made = self._fit(namespace, source, most_telling(labels, source.task.maximize, _MOST_RESULTS))
        if made is not None:
            with self._lock:
                self._kept[key] = made
                self._kept.move_to_end(key)
                if len(self._kept) > _KEPT_PROCESSES:
                    self._kept.popitem(last=False)
        return made

    def _fit(self, namespace: str, source: Observations, labels: Labels) -> SourceProcess | None:
        space_id = source.search_space_id
        recorded = self._evidence.knowledge.architectures(namespace, space_id, labels.fingerprints)
        # What was deleted meanwhile is left out.
        known = [place for place, fingerprint in enumerate(labels.fingerprints) if fingerprint in recorded]
        values = labels.values[known]
        if np.isfinite(values).sum() < _LEAST_RESULTS:
            return None
        canonicals = [recorded[labels.fingerprints[place]].canonical for place in known]
        features = self._evidence.features(namespace, space_id).vectors(canonicals).astype(np.float64)
        targets = normal_scores(values, source.task.maximize)
        process = GaussianProcess(features, np.zeros((len(features), 0)), targets)
        return SourceProcess(
            source.task.task_id, next(self._serials), process, source.values, shows_pattern(process, targets)
        )


def shows_pattern(process: GaussianProcess, targets: Numbers) -> bool:
    """Whether a process ranks the results [n] it was fitted to, each left out, better than by chance; True of few."""
    count = len(targets)
    if count < _ENOUGH_FOR_A_PATTERN:
        return True
    told = kendall_tau(process.leave_one_out().means, targets)
    return told is not None and told > _BEYOND_CHANCE * standard_error(count)
