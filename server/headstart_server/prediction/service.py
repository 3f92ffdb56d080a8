"""The prediction room: how good candidates will be, from a trained model, recorded neighbours, or other tasks.

It decides what an answer may rest on. With a model and a few results of the task: the model, adapted to them. With
results but no model: the nearest of them. With next to no results: tasks that measure the same in the same unit, on an
interval as wide as they disagree. A candidate's own partial curve joins whatever there is. With nothing at all it
refuses; a number is never made up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from headstart.spaces import CanonicalCandidate
from headstart_server.knowledge.architectures import Architecture
from headstart_server.knowledge.observations import Observations
from headstart_server.knowledge.service import KnowledgeService
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.adaptation import Estimates
from headstart_server.prediction.answers import (
    Answer,
    CurveForecast,
    MemberPrediction,
    Prediction,
    Query,
    left_aside,
    predictions_of,
)
from headstart_server.prediction.embeddings import choose_embedding, model_of_embedding
from headstart_server.prediction.feature_layout import feature_layout
from headstart_server.prediction.graph_kernels import load_kernels
from headstart_server.prediction.graph_model import Hashes, ModelTask, read_knowledge
from headstart_server.prediction.kept_scores import KeptScores, Recorded
from headstart_server.prediction.labels import Labels, labels_of
from headstart_server.prediction.recent_architectures import RecentArchitectures
from headstart_server.prediction.registry import ModelVersion, load_artefact, newest_version, promote, write_version
from headstart_server.prediction.scorer import LocalScorer, Scorer, open_scorer
from headstart_server.prediction.source_prediction import SourceNeighbours, from_heads, from_neighbours
from headstart_server.prediction.structural_features import EMBEDDING_VERSION, StructuralFeatures
from headstart_server.prediction.task_curves import TaskCurves
from headstart_server.prediction.task_predictors import TaskPredictors
from headstart_server.prediction.training import TaskLabels, TrainingOptions, train_model
from headstart_server.runtime.database import run_transaction
from headstart_server.runtime.errors import FailedPrecondition, NotFound, Unavailable
from headstart_server.runtime.settings import Settings

__all__ = [
    "Answer",
    "CurveForecast",
    "MemberPrediction",
    "ModelVersion",
    "Prediction",
    "PredictionService",
    "Query",
    "SourceScores",
    "open_scorer",
]

_log = logging.getLogger(__name__)

# Completed architectures of a task from which on its own results carry a prediction, and without which they cannot.
_ENOUGH_OWN = 5
_LEAST_OWN = 2
_LEAST_OF_SOURCE = 5
# How long a server may go on with a model version after a newer one was promoted.
_LOOK_UP_SECONDS = 1.0
_KEPT_DESCRIPTIONS = 256
# Of at most MAX_LABELS architectures each, some megabytes.
_KEPT_NEIGHBOURS = 96
# A task is pooled from so many sources at most, those with most results.
_MOST_SOURCES = 32
# ... and without a model from so many architectures of each, and as many that failed: its spread over the sources is
# far wider than its error.
_MOST_OF_SOURCE = 256


@dataclass(frozen=True)
class SourceScores:
    """Scores float [n, tasks] of the model's heads, higher is better; for recorded architectures by unseen networks."""

    task_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    model_version: str


@dataclass(frozen=True)
class _Told:
    estimates: Estimates
    basis: str
    model_version: str = ""
    degraded: bool = False


class PredictionService:
    """Thread-safe; scores and adapts in the thread of its caller."""

    def __init__(self, engine: Engine, knowledge: KnowledgeService, scorer: Scorer, settings: Settings) -> None:
        self._engine = engine
        self._knowledge = knowledge
        self._scorer = scorer
        self._settings = settings
        self._predictors = TaskPredictors()
        self._curves = TaskCurves(knowledge)
        self._lock = threading.Lock()
        self._features: dict[tuple[str, str], StructuralFeatures] = {}
        self._newest: dict[tuple[str, str], tuple[float, ModelVersion | None]] = {}
        self._known: dict[str, tuple[tuple[ModelTask, ...], Hashes]] = {}
        self._kept_scores = KeptScores()
        self._source_neighbours: OrderedDict[tuple[str, str, str], tuple[Labels, SourceNeighbours]] = OrderedDict()
        self._recent = RecentArchitectures()

    def prepare(self) -> None:
        """Do now what the first question would have to wait for: load the graph kernels where this process scores."""
        if isinstance(self._scorer, LocalScorer):
            self._scorer.kernels()

    def close(self) -> None:
        """Nothing is asked of it afterwards."""
        self._scorer.close()

    # What candidates are worth

    def predict(
        self, namespace: str, task_id: str, search_space_id: str, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """Raises NotFound for an unknown task or space, InvalidInput for a curve beyond the full training,
        FailedPrecondition where nothing is known to rest on.
        """
        observations = self._knowledge.observations(namespace, task_id, search_space_id)
        return self.predict_from(namespace, observations, queries, interval_level)

    def predict_from(
        self, namespace: str, observations: Observations, queries: Sequence[Query], interval_level: float
    ) -> Answer:
        """For the task of these observations. Raises FailedPrecondition where nothing is known to rest on."""
        search_space_id = observations.search_space_id
        candidates = [query.canonical for query in queries]
        curves = self._curves.told(namespace, observations, queries, interval_level, _incumbent(observations))
        version = self._serving(namespace, search_space_id)
        degraded = False
        told: _Told | None = None
        if version is not None:
            try:
                told = self._from_model(namespace, observations, candidates, interval_level, version)
            except (Unavailable, NotFound) as error:
                _log.warning("predicting without model %s: %s", version.name, error)
                degraded = True
        aside = curves.basis + left_aside(queries, curves.others)
        if told is None:
            try:
                told = self._from_records(namespace, observations, candidates, interval_level, degraded)
            except FailedPrecondition:
                if not curves.covers(len(queries)):
                    raise
                return Answer(curves.predictions(None, len(queries)), "", f"no model or results{aside}", degraded)
        predictions = curves.predictions(predictions_of(told.estimates), len(queries))
        return Answer(predictions, told.model_version, told.basis + aside, degraded)

    def source_scores(
        self, namespace: str, search_space_id: str, fingerprints: Sequence[str], recorded: Recorded
    ) -> SourceScores | None:
        """What every head of the space's model says of recorded architectures, given by fingerprint.

        ``recorded`` looks up those that were not scored before. None without a model, or with it out of reach.
        """
        version = self._serving(namespace, search_space_id)
        if version is None:
            return None
        try:
            heads, _ = self._known_to(version)
            scores = self._kept_scores.of(
                version.name,
                fingerprints,
                recorded,
                lambda canonicals: self._unseen_scores(version, canonicals),
            )
        except (Unavailable, NotFound) as error:
            _log.warning("no source scores from model %s: %s", version.name, error)
            return None
        if not len(scores):
            return None
        return SourceScores(tuple(head.task_id for head in heads), scores, version.name)

    def features(self, namespace: str, search_space_id: str) -> StructuralFeatures:
        """Of a space. Raises NotFound."""
        return self._features_of(namespace, search_space_id)

    # The vector index and what stands in for it

    def choose_embedding(self, namespace: str, search_space_id: str, held: str | None) -> str:
        """The embedding that the vector index of a space should have, which has ``held``."""
        with self._engine.connect() as connection:
            return choose_embedding(connection, namespace, search_space_id, held)

    def embed(
        self, namespace: str, search_space_id: str, embedding: str, canonicals: Sequence[CanonicalCandidate]
    ) -> NDArray[np.float32]:
        """Embeddings float32 [n, d]. Raises NotFound for an unknown space or embedding, Unavailable."""
        if embedding == EMBEDDING_VERSION:
            return self._features_of(namespace, search_space_id).vectors(canonicals)
        model = model_of_embedding(namespace, search_space_id, embedding)
        if model is None:
            raise NotFound(f"embedding {embedding!r} is not known to this version", "EMBEDDING_NOT_FOUND")
        try:
            return self._scorer.score(model, canonicals).embeddings
        except (ValueError, KeyError, EOFError, BadZipFile) as error:
            raise Unavailable(f"model {model} cannot be read", "MODEL_UNREADABLE") from error

    def nearest_recorded(
        self, namespace: str, search_space_id: str, canonical: CanonicalCandidate, count: int
    ) -> list[tuple[str, float]]:
        """Without the vector index: of the architectures recorded last, those nearest by structural embedding.

        Fingerprints with Euclidean distances, nearest first.
        """
        features = self._features_of(namespace, search_space_id)
        recent = self._recent.of(self._knowledge, namespace, search_space_id, features.vectors)
        return recent.nearest(features.vectors([canonical])[0], count)

    # Models

    def needs_training(self, namespace: str, search_space_id: str, experiment_count: int) -> bool:
        """Whether the space has grown or shrunk enough since its last version, or grown enough for a first one."""
        with self._engine.connect() as connection:
            version = newest_version(connection, namespace, search_space_id)
        if version is None or experiment_count < self._settings.training_min_experiments:
            return experiment_count >= self._settings.training_min_experiments
        growth = self._settings.training_growth
        return experiment_count >= growth * version.trained_through or version.trained_through >= (
            growth * experiment_count
        )

    def train(self, namespace: str, search_space_id: str) -> ModelVersion | None:
        """Train on all that is recorded, keep the version and let it serve. None where there is too little."""
        space = self._knowledge.search_space(namespace, search_space_id)
        observed = self._knowledge.tasks_observed(namespace, search_space_id)
        experiment_count = sum(observations.count for observations in observed)
        if experiment_count < self._settings.training_min_experiments:
            return None
        wanted = {fingerprint for observations in observed for fingerprint in observations.fingerprints}
        recorded = self._recorded(namespace, search_space_id, wanted)
        artefact = train_model(
            space,
            [TaskLabels(observations.task, labels_of(observations)) for observations in observed],
            {fingerprint: architecture.canonical for fingerprint, architecture in recorded.items()},
            load_kernels(self._settings.graph_kernels),
            TrainingOptions(threads=self._settings.torch_threads),
            _log.info,
        )
        if artefact is None:
            return None
        version = run_transaction(
            self._engine,
            lambda connection: write_version(connection, namespace, search_space_id, artefact, experiment_count),
        )
        run_transaction(self._engine, lambda connection: promote(connection, version))
        return version

    def predictor(self, namespace: str, search_space_id: str) -> ModelVersion:
        """The version that serves. Raises NotFound where there is none yet."""
        with self._engine.connect() as connection:
            version = newest_version(connection, namespace, search_space_id)
        if version is None:
            raise NotFound(
                f"search space {search_space_id[:63]!r} has no model yet: the worker trains one from "
                f"{self._settings.training_min_experiments} experiments on",
                reason="PREDICTOR_NOT_FOUND",
            )
        return version

    # What an answer rests on

    def _from_model(
        self,
        namespace: str,
        observations: Observations,
        candidates: Sequence[CanonicalCandidate],
        level: float,
        version: ModelVersion,
    ) -> _Told | None:
        """None where the model knows no task that this one can be compared with."""
        space_id = observations.search_space_id
        heads, _ = self._known_to(version)
        made = f"graph network {version.name}, trained on {version.training_size} results of {len(heads)} tasks"
        labels = self._predictors.labels(namespace, observations)
        if labels.completed_count >= _ENOUGH_OWN:
            fitted = self._predictors.fitted(
                namespace,
                version.name,
                observations,
                lambda wanted: self._recorded(namespace, space_id, wanted),
                self._features_of(namespace, space_id),
                lambda missing: self._unseen_scores(version, missing),
            )
            scores = self._unseen_scores(version, candidates)
            features = self._features_of(namespace, space_id).vectors(candidates)
            estimates = fitted.predict(candidates, features, scores, level)
            return _Told(estimates, f"{made}, adapted to {fitted.completed_count} of this task", version.name)
        # The model may have learned from tasks that were deleted since.
        present = {other.task.task_id for other in self._knowledge.tasks_observed(namespace, space_id)}
        chosen = [
            column
            for column, head in enumerate(heads)
            if head.task_id in present and _comparable(head, observations.task)
        ]
        chosen = sorted(chosen, key=lambda column: -heads[column].count)[:_MOST_SOURCES]
        if not chosen:
            return None
        scores = self._unseen_scores(version, candidates)[:, chosen]
        estimates = from_heads(
            [heads[column] for column in chosen], scores, level, _incumbent(observations), observations.task.maximize
        )
        return _Told(estimates, f"{made}; {_few(labels.completed_count)}, so {_other_tasks(len(chosen))}", version.name)

    def _from_records(
        self,
        namespace: str,
        observations: Observations,
        candidates: Sequence[CanonicalCandidate],
        level: float,
        degraded: bool,
    ) -> _Told:
        labels = self._predictors.labels(namespace, observations)
        why = "the model is out of reach" if degraded else "no model that could help exists yet"
        sources = [] if labels.completed_count >= _ENOUGH_OWN else self._sources(namespace, observations)
        features = self._features_of(namespace, observations.search_space_id)
        neighbours = [self._neighbours(namespace, observations.search_space_id, features, source) for source in sources]
        told = [made for made in neighbours if made is not None]
        if told:
            estimates = from_neighbours(
                told,
                features.vectors(candidates),
                level,
                _incumbent(observations),
                observations.task.maximize,
            )
            return _Told(
                estimates,
                f"k nearest recorded architectures ({why}); {_few(labels.completed_count)}, so "
                f"{_other_tasks(len(told))}",
            )
        if labels.completed_count < _LEAST_OWN:
            raise FailedPrecondition(
                f"nothing to predict from: task {observations.task.task_id!r} has {labels.completed_count} completed "
                f"architectures in {observations.search_space_id!r} (at least {_LEAST_OWN} are needed), and no other "
                f"task with {_LEAST_OF_SOURCE} of them there measures {observations.task.metric!r} in its direction",
                reason="NO_EVIDENCE",
            )
        fitted = self._predictors.fitted(
            namespace,
            "",
            observations,
            lambda wanted: self._recorded(namespace, observations.search_space_id, wanted),
            features,
            None,
        )
        estimates = fitted.predict(candidates, features.vectors(candidates), None, level)
        return _Told(estimates, f"k nearest of {fitted.completed_count} recorded architectures of this task ({why})")

    def _sources(self, namespace: str, target: Observations) -> list[tuple[Task, Labels]]:
        """The other tasks that measure the same with their labels, those with most results first."""
        found = []
        for observations in self._knowledge.tasks_observed(namespace, target.search_space_id):
            task = observations.task
            if task.task_id == target.task.task_id or not _same_objective(task, target.task):
                continue
            labels = self._predictors.telling_labels(namespace, observations)
            if labels.completed_count >= _LEAST_OF_SOURCE:
                found.append((task, labels))
        return sorted(found, key=lambda source: -len(source[1].fingerprints))[:_MOST_SOURCES]

    def _recorded(self, namespace: str, space_id: str, wanted: Collection[str]) -> Mapping[str, Architecture]:
        """Every architecture of observations. Raises Unavailable where a task that was deleted took one along."""
        recorded = self._knowledge.architectures(namespace, space_id, wanted)
        if any(fingerprint not in recorded for fingerprint in wanted):
            raise Unavailable("a task was deleted while it was read: ask again", "TASK_DELETED_MEANWHILE")
        return recorded

    def _neighbours(
        self, namespace: str, space_id: str, features: StructuralFeatures, source: tuple[Task, Labels]
    ) -> SourceNeighbours | None:
        """Of one source, made once for each state of its labels; None where too little of it is left."""
        task, labels = source
        key = (namespace, space_id, task.task_id)
        with self._lock:
            kept = self._source_neighbours.get(key)
        if kept is not None and kept[0] is labels:
            return kept[1]
        recorded = self._knowledge.architectures(namespace, space_id, labels.fingerprints)
        # What was deleted meanwhile is left out.
        known = [place for place, fingerprint in enumerate(labels.fingerprints) if fingerprint in recorded]
        # Apart: runs that failed must not crowd out the values of those that did not.
        finite = _thinned([place for place in known if np.isfinite(labels.values[place])])
        if len(finite) < _LEAST_OWN:
            return None
        known = sorted(finite + _thinned([place for place in known if not np.isfinite(labels.values[place])]))
        vectors = features.vectors([recorded[labels.fingerprints[place]].canonical for place in known])
        made = SourceNeighbours.of(vectors, labels.values[known], task.maximize)
        with self._lock:
            self._source_neighbours[key] = (labels, made)
            self._source_neighbours.move_to_end(key)
            if len(self._source_neighbours) > _KEPT_NEIGHBOURS:
                self._source_neighbours.popitem(last=False)
        return made

    # What is kept in memory

    def _serving(self, namespace: str, search_space_id: str) -> ModelVersion | None:
        """The version that serves, asked of the database at most once in _LOOK_UP_SECONDS."""
        key, now = (namespace, search_space_id), time.monotonic()
        with self._lock:
            looked_up, version = self._newest.get(key, (-_LOOK_UP_SECONDS, None))
        if now - looked_up < _LOOK_UP_SECONDS:
            return version
        with self._engine.connect() as connection:
            version = newest_version(connection, namespace, search_space_id)
        with self._lock:
            self._newest[key] = (now, version)
        return version

    def _known_to(self, version: ModelVersion) -> tuple[tuple[ModelTask, ...], Hashes]:
        """The heads of a version, and the architectures that it has seen."""
        with self._lock:
            known = self._known.get(version.name)
        if known is None:
            with self._engine.connect() as connection:
                known = read_knowledge(load_artefact(connection, version.name))
            with self._lock:
                self._known[version.name] = known
                if len(self._known) > _KEPT_DESCRIPTIONS:
                    del self._known[next(iter(self._known))]
        return known

    def _unseen_scores(self, version: ModelVersion, candidates: Sequence[CanonicalCandidate]) -> NDArray[np.float64]:
        _, seen = self._known_to(version)
        return self._scorer.score(version.name, candidates).unseen(candidates, seen)

    def _features_of(self, namespace: str, search_space_id: str) -> StructuralFeatures:
        key = (namespace, search_space_id)
        with self._lock:
            features = self._features.get(key)
        if features is None:
            features = StructuralFeatures(feature_layout(self._knowledge.search_space(namespace, search_space_id)))
            with self._lock:
                features = self._features.setdefault(key, features)
        return features


def _thinned(places: list[int]) -> list[int]:
    """Evenly, down to at most _MOST_OF_SOURCE."""
    return places[:: max(1, -(-len(places) // _MOST_OF_SOURCE))]


def _comparable(head: ModelTask, task: Task) -> bool:
    return head.task_id != task.task_id and head.metric == task.metric and head.maximize == task.maximize


def _same_objective(one: Task, other: Task) -> bool:
    return one.metric == other.metric and one.maximize == other.maximize


def _incumbent(observations: Observations) -> float | None:
    values = observations.values[observations.completed]
    if not len(values):
        return None
    return float(values.max() if observations.task.maximize else values.min())


def _few(count: int) -> str:
    return f"this task has {count or 'no'} completed architecture{'' if count == 1 else 's'}"


def _other_tasks(count: int) -> str:
    return f"from {count} other task{'' if count == 1 else 's'} with the same metric, on a wide interval"
