"""Source surrogates: a Gaussian process over the results of each past task, with the measured scores of its good ones.

A surrogate is fitted on the first request, and again when its task has grown by a quarter. Scores are normal scores, so
that tasks of any unit and direction compare. Far from the architectures of the task they approach 0, its average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.observations.observations import Observations
from headstart_server.knowledge.sizes import bytes_of_canonical
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.learners.gaussian_process import GaussianProcess, Numbers
from headstart_server.prediction.learners.normal_scores import normal_scores
from headstart_server.prediction.task.evidence import Evidence
from headstart_server.prediction.task.labels import most_informative
from headstart_server.prediction.task.predictors import TaskPredictors
from headstart_server.runtime.array_bytes import array_bytes
from headstart_server.runtime.lru import Lru

# A fit costs the cube of the number of results: longer histories give their best hundred, and the newest of the rest.
_MOST_RESULTS = 300
# Results held out for the other sources, evenly spaced by rank.
_HELD_OUT = 48
_GROWTH_BEFORE_REFIT = 1.25
# With 300 results each takes a megabyte or two, more in spaces of wide vectors.
_CACHED_BYTES = 1024 * 2**20


@dataclass(frozen=True, eq=False)
class SourceSurrogate:
    """The surrogate of one source task. ``serial`` is unique among all that this process has fitted.

    ``gaussian_process`` is None below two results, or if all are equal. ``values`` are those of the observations at
    the fit. ``measured`` gives, by fingerprint, the normal scores of results above the task's median. ``held_out`` are
    some architectures of the task, with the normal scores of their results.
    """

    task_id: str
    serial: int
    gaussian_process: GaussianProcess | None
    values: NDArray[np.float64]
    measured: Mapping[str, float]
    held_out: tuple[tuple[CanonicalCandidate, ...], Numbers]

    def scores(self, candidates: Sequence[CanonicalCandidate], features: Numbers) -> Numbers:
        """Normal scores [m] of candidates with features [m, d]: the measured score, or else the predicted one."""
        scores = self.predicted(features)
        for index, candidate in enumerate(candidates):
            score = self.measured.get(candidate.fingerprint)
            if score is not None:
                scores[index] = score
        return scores

    def predicted(self, features: Numbers) -> Numbers:
        """Normal scores [m] by the Gaussian process alone; 0 without one."""
        if self.gaussian_process is None:
            return np.zeros(len(features))
        return self.gaussian_process.predict(features, np.zeros((len(features), 0)))[0]

    def is_current(self, observations: Observations) -> bool:
        """Whether the surrogate still serves: its task has not grown by a quarter, and was not created anew."""
        count = len(self.values)
        grown = observations.count > _GROWTH_BEFORE_REFIT * count
        return not grown and np.array_equal(observations.values[:count], self.values, equal_nan=True)


class SourceSurrogates:
    """Source surrogates cached by namespace, space and task. Thread-safe."""

    def __init__(self, evidence: Evidence, predictors: TaskPredictors) -> None:
        self._evidence = evidence
        self._predictors = predictors
        self._cache: Lru[tuple[str, str, str], SourceSurrogate] = Lru(_CACHED_BYTES, _bytes_of)
        self._serials = count()

    def of(self, namespace: str, sources: Sequence[Observations]) -> list[SourceSurrogate]:
        """The surrogates of those sources that have completed results."""
        surrogates = [self._surrogate(namespace, source) for source in sources]
        return [each for each in surrogates if each is not None]

    def _surrogate(self, namespace: str, source: Observations) -> SourceSurrogate | None:
        key = (namespace, source.search_space_id, source.task.task_id)
        cached = self._cache.get(key)
        if cached is not None and cached.is_current(source):
            return cached
        fitted = self._fit(namespace, source)
        if fitted is not None:
            self._cache.put(key, fitted)
        return fitted

    def _fit(self, namespace: str, source: Observations) -> SourceSurrogate | None:
        labels = self._predictors.labels(namespace, source)
        if not labels.completed_count:
            return None
        space_id, maximize = source.search_space_id, source.task.maximize
        scores = dict(zip(labels.fingerprints, normal_scores(labels.values, maximize).tolist(), strict=True))
        chosen = most_informative(labels, maximize, _MOST_RESULTS)
        recorded = self._evidence.knowledge.architectures(namespace, space_id, chosen.fingerprints)
        # A deletion of the task may have removed architectures meanwhile.
        indices = [index for index, fingerprint in enumerate(chosen.fingerprints) if fingerprint in recorded]
        fingerprints = [chosen.fingerprints[index] for index in indices]
        completed = np.flatnonzero(np.isfinite(chosen.values[indices]))
        if not len(completed):
            return None
        canonicals = [recorded[fingerprint].canonical for fingerprint in fingerprints]
        targets = np.array([scores[fingerprint] for fingerprint in fingerprints])
        gaussian_process = _gaussian_process(self._evidence.features(namespace, space_id), canonicals, targets)
        noise = 0.0 if gaussian_process is None else gaussian_process.hyperparameters.noise
        return SourceSurrogate(
            source.task.task_id,
            next(self._serials),
            gaussian_process,
            source.values,
            _better_than_median(fingerprints, targets, completed, noise),
            _spread_by_rank(canonicals, targets, completed),
        )


def _gaussian_process(
    features: StructuralFeatures, canonicals: Sequence[CanonicalCandidate], targets: Numbers
) -> GaussianProcess | None:
    if len(targets) < 2 or np.ptp(targets) <= 0.0:
        return None
    vectors = features.vectors(canonicals).astype(np.float64)
    return GaussianProcess(vectors, np.zeros((len(vectors), 0)), targets)


def _bytes_of(surrogate: SourceSurrogate) -> int:
    return array_bytes(surrogate.gaussian_process) + sum(map(bytes_of_canonical, surrogate.held_out[0]))


def _better_than_median(
    fingerprints: Sequence[str], targets: Numbers, completed: NDArray[np.int64], noise: float
) -> dict[str, float]:
    """Normal scores above the median, by fingerprint; each is shrunk by the noise to its mean given the measurement."""
    return {
        fingerprints[index]: float(targets[index] / (1.0 + noise))
        for index in completed.tolist()
        if targets[index] > 0.0
    }


def _spread_by_rank(
    canonicals: Sequence[CanonicalCandidate], targets: Numbers, completed: NDArray[np.int64]
) -> tuple[tuple[CanonicalCandidate, ...], Numbers]:
    order = completed[np.argsort(-targets[completed], kind="stable")]
    indices = np.unique(np.linspace(0, len(order) - 1, min(_HELD_OUT, len(order))).astype(np.int64))
    chosen = order[indices]
    return tuple([canonicals[index] for index in chosen.tolist()]), targets[chosen]
