"""What other tasks teach of candidates: the heads of the space's model, or where there is none a process of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations import Observations
from headstart_server.prediction.evidence import Evidence
from headstart_server.prediction.gaussian_process import Numbers
from headstart_server.prediction.kept_scores import KeptScores, Score
from headstart_server.prediction.search_processes import Fitted, SearchProcesses
from headstart_server.prediction.serving_models import ServingModels
from headstart_server.prediction.source_processes import SourceProcess, SourceProcesses
from headstart_server.prediction.structural_features import StructuralFeatures
from headstart_server.prediction.surrogate import Surrogate
from headstart_server.prediction.task_predictors import TaskPredictors
from headstart_server.runtime.errors import NotFound, Unavailable

_log = logging.getLogger(__name__)

# By what processes say, of candidates and results.
_KEPT_SCORES = 20_000

# Recorded architectures by fingerprint, as far as they are known.
Recorded = Callable[[Sequence[str]], Mapping[str, Architecture]]
# Tasks to ask where no model speaks for the space.
LazySources = Callable[[], Sequence[Observations]]


@dataclass(frozen=True)
class SourceScores:
    """Scores float [n, tasks], higher is better, NaN for an architecture that is not recorded any more.

    ``model_version`` whose heads gave them, for recorded architectures by networks that had not seen them; empty where
    processes of the tasks did.
    """

    task_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    model_version: str


@dataclass(frozen=True)
class _Teachers:
    """Who has a say of a task beside its own results: ``name`` tells them from all others.

    ``scores`` [m, heads] of candidates, by learners that have not seen their results; the first are of ``task_ids``.
    ``scores_of_results``: the same of candidates that have a result.
    """

    name: str
    task_ids: tuple[str, ...]
    scores: Score
    scores_of_results: Score


class OtherTasks:
    """Thread-safe."""

    def __init__(
        self, evidence: Evidence, models: ServingModels, processes: SourceProcesses, predictors: TaskPredictors
    ) -> None:
        self._evidence = evidence
        self._models = models
        self._processes = processes
        self._predictors = predictors
        self._searches = SearchProcesses()
        self._kept_scores = KeptScores(_KEPT_SCORES)

    def scores(
        self,
        namespace: str,
        search_space_id: str,
        fingerprints: Sequence[str],
        recorded: Recorded,
        sources: LazySources,
    ) -> SourceScores | None:
        """Of recorded architectures, given by fingerprint: by every head of the model, or else by the sources' own."""
        told = self._model_scores(namespace, search_space_id, fingerprints, recorded)
        if told is not None or not fingerprints:
            return told
        processes = self._processes.of(namespace, sources())
        if not processes:
            return None
        ask = self._asking(processes, self._evidence.features(namespace, search_space_id))
        scores = _of_recorded(fingerprints, recorded, ask)
        if scores is None:
            return None
        return SourceScores(tuple(process.task_id for process in processes), scores, "")

    def without_pattern(self, namespace: str, search_space_id: str, sources: LazySources) -> frozenset[str]:
        """By task id, the sources whose own results tell nothing of one another; none where a model speaks for them."""
        if self._models.of(namespace, search_space_id) is not None:
            return frozenset()
        return frozenset(each.task_id for each in self._processes.of(namespace, sources()) if not each.patterned)

    def surrogate(self, namespace: str, observations: Observations, sources: Sequence[Observations]) -> Surrogate:
        """For a task of which at least two architectures completed. Raises Unavailable."""
        space_id = observations.search_space_id
        teachers = self._teachers(namespace, space_id, self._evidence.features(namespace, space_id), sources)
        if teachers is not None:
            try:
                return self._surrogate(namespace, observations, teachers)
            except (Unavailable, NotFound) as error:
                _log.warning("other tasks have no say: %s", error)
        return self._surrogate(namespace, observations, None)

    def _surrogate(self, namespace: str, observations: Observations, teachers: _Teachers | None) -> Surrogate:
        space_id = observations.search_space_id
        features = self._evidence.features(namespace, space_id)
        labels = self._predictors.telling_labels(namespace, observations)

        def canonicals() -> list[CanonicalCandidate]:
            recorded = self._evidence.architectures(namespace, space_id, labels.fingerprints)
            return [recorded[fingerprint].canonical for fingerprint in labels.fingerprints]

        def told() -> Numbers:
            assert teachers is not None
            return teachers.scores_of_results(canonicals())

        task_ids = () if teachers is None else teachers.task_ids

        def fitted_with(asked: str, told: Callable[[], Numbers]) -> Fitted:
            space = self._evidence.knowledge.search_space(namespace, space_id)
            return self._searches.fitted(
                namespace, asked, observations, labels, space, features, canonicals, told, len(task_ids)
            )

        # Its shape is that of the task alone: one found beside what leads the mean is that of the rest.
        alone = fitted_with("", lambda: np.zeros((len(labels.fingerprints), 0)))
        fitted = alone if teachers is None else fitted_with(teachers.name, told)
        return Surrogate(
            fitted.process,
            alone.process,
            len(labels.fingerprints),
            fitted.incumbent,
            dict(zip(task_ids, fitted.agreement.tolist(), strict=True)),
            lambda candidates: fitted.scale.place(features.vectors(candidates)),
            None if teachers is None else teachers.scores,
        )

    def _teachers(
        self, namespace: str, space_id: str, features: StructuralFeatures, sources: Sequence[Observations]
    ) -> _Teachers | None:
        if not sources:
            return None
        version = self._models.of(namespace, space_id)
        if version is not None:
            try:
                known = self._models.knowledge(version)
            except (Unavailable, NotFound) as error:
                _log.warning("no heads of model %s: %s", version.name, error)
            else:
                return _Teachers(
                    version.name,
                    tuple(head.task_id for head in known.tasks),
                    lambda candidates: self._models.unseen_scores(version, candidates),
                    lambda candidates: self._models.unseen_scores_of_results(version, candidates),
                )
        processes = self._processes.of(namespace, sources)
        if not processes:
            return None
        ask = self._asking(processes, features)
        return _Teachers(
            _name(processes),
            tuple(process.task_id for process in processes),
            ask,
            ask,
        )

    def _model_scores(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], recorded: Recorded
    ) -> SourceScores | None:
        version = self._models.of(namespace, search_space_id)
        if version is None:
            return None
        try:
            heads = self._models.knowledge(version).tasks
            scores = _of_recorded(
                fingerprints, recorded, lambda canonicals: self._models.unseen_scores_of_results(version, canonicals)
            )
        except (Unavailable, NotFound) as error:
            _log.warning("no source scores from model %s: %s", version.name, error)
            return None
        if scores is None:
            return None
        return SourceScores(tuple(head.task_id for head in heads), scores[:, : len(heads)], version.name)

    def _asking(self, processes: Sequence[SourceProcess], features: StructuralFeatures) -> Score:
        name = _name(processes)
        return lambda candidates: self._kept_scores.of(
            name, candidates, lambda missing: _ask(processes, features, missing)
        )


def _of_recorded(fingerprints: Sequence[str], recorded: Recorded, score: Score) -> Numbers | None:
    """Scores [n, heads], NaN for an architecture that is not recorded any more; None where none is."""
    found = recorded(fingerprints)
    known = np.array([name in found for name in fingerprints], bool)
    if not known.any():
        return None
    scores = score([found[name].canonical for name in fingerprints if name in found])
    rows = np.full((len(fingerprints), scores.shape[1]), np.nan)
    rows[known] = scores
    return rows


def _ask(
    processes: Sequence[SourceProcess], features: StructuralFeatures, candidates: Sequence[CanonicalCandidate]
) -> Numbers:
    vectors: Numbers = features.vectors(candidates).astype(np.float64)
    return np.stack([process.scores(vectors) for process in processes], axis=1)


def _name(processes: Sequence[SourceProcess]) -> str:
    return "processes/" + ",".join(str(process.serial) for process in processes)
