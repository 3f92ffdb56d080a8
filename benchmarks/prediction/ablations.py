"""What every part of the predictor adds: the same labels with one part taken away, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.prediction.asking import LEVEL, Labelled
from benchmarks.prediction.parts import Measured, Say, split
from benchmarks.prediction.ranking import Vector, coverage
from headstart.spaces import OpRole, SearchSpace, canonicalize
from headstart_server.knowledge.observations.interning import Fingerprints
from headstart_server.knowledge.observations.observations import observations_of
from headstart_server.knowledge.tasks import Task
from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import GraphModel
from headstart_server.prediction.learners.members import learners
from headstart_server.prediction.learners.members.nearest import K_NEAREST
from headstart_server.prediction.learners.members.processes import GAUSSIAN_PROCESS
from headstart_server.prediction.learners.members.task_heads import GRAPH_NETWORK, TREE_ENSEMBLE
from headstart_server.prediction.task.labels import TaskLabels, labels_of, most_informative
from headstart_server.prediction.task.predictor import AdaptedPredictor, LabelledArchitectures, Queries
from headstart_server.prediction.task.replicates import NO_REPLICATES
from headstart_server.prediction.training.fit import TrainingOptions, train_model

WHOLE = "everything"
_TASK = Task("target", "", "accuracy", True, {}, {}, "epoch", 0.0)
_OPTIONS = TrainingOptions(threads=1)


def ablations(
    setting: str,
    space: SearchSpace,
    rows: Labelled,
    counts: Sequence[int],
    seeds: int,
    held_out: int | None,
    say: Say,
) -> Iterator[Measured]:
    """By number of labels of a space, a ranking for every part that is left out. Higher values are better."""
    for labels in counts:
        measured = Measured(setting, labels)
        for seed in range(seeds):
            say(f"{setting}: {labels} labels, one part left out, seed {seed}")
            known, unknown = split(len(rows.candidates), labels, held_out, f"ablation/{seed}")
            recorded, others = rows.rows(known), rows.rows(unknown)
            whole = _Trained(space, recorded, others, _OPTIONS)
            predicted = {
                WHOLE: whole.predict(),
                "without graph network": whole.predict(without=GRAPH_NETWORK),
                "without tree ensemble": whole.predict(without=TREE_ENSEMBLE),
                "without Gaussian process": whole.predict(without=GAUSSIAN_PROCESS),
                "without k nearest": whole.predict(without=K_NEAREST),
                "without the variance of replicates": whole.predict(repeats=False),
                "without pre-training": _Trained(
                    space, recorded, others, replace(_OPTIONS, pretraining_steps=0)
                ).predict(),
            }
            if space.op_roles:
                predicted["without pruning"] = _Trained(_unpruned(space), recorded, others, _OPTIONS).predict()
            for name, (means, lower, upper) in predicted.items():
                measured.add(name, others.values, means)
                if name == WHOLE:
                    measured.note(coverage=coverage(others.values, lower, upper))
        yield measured


def _unpruned(space: SearchSpace) -> SearchSpace:
    """The same space, in which dead and identical operations are operations like others."""
    ends = {op: role for op, role in space.op_roles.items() if role in (OpRole.INPUT, OpRole.OUTPUT)}
    return replace(space, op_roles=ends)


class _Trained:
    """A model trained as the worker does, ready to be adapted as the server does."""

    def __init__(self, space: SearchSpace, recorded: Labelled, asked: Labelled, options: TrainingOptions) -> None:
        known, unknown = (
            [canonicalize(space, candidate) for candidate in labelled.candidates] for labelled in (recorded, asked)
        )
        architectures = {each.fingerprint: each for each in known}
        fingerprints = [each.fingerprint for each in known]
        observed = observations_of(_TASK, space.search_space_id, Fingerprints(), fingerprints, recorded.values)
        labels = labels_of(observed)
        kernels = load_kernels()
        artefact = train_model(space, [TaskLabels(_TASK, labels)], architectures, kernels, options)
        assert artefact is not None
        self._model = GraphModel.from_bytes(artefact.content, kernels)
        self._labels = most_informative(labels, True)
        distinct = {each.fingerprint: each for each in unknown}
        row_of = {fingerprint: row for row, fingerprint in enumerate(distinct)}
        self._rows = np.array([row_of[each.fingerprint] for each in unknown])
        own = [architectures[fingerprint] for fingerprint in self._labels.fingerprints]
        others = list(distinct.values())
        self._own_scores = self._model.score(own).unseen(own, self._model.seen)
        self._scores = self._model.score(others).unseen(others, self._model.seen)
        self._own_features = self._model.features.vectors(own)
        self._features = self._model.features.vectors(others)
        place = {fingerprint: at for at, fingerprint in enumerate(self._labels.fingerprints)}
        self._places = np.array([place.get(each.fingerprint, -1) for each in others])

    def predict(self, without: str = "", repeats: bool = True) -> tuple[Vector, Vector, Vector]:
        predictor = AdaptedPredictor(
            LabelledArchitectures(
                self._own_features,
                self._labels.values,
                True,
                self._own_scores,
                len(self._model.tree_tasks),
                replicates=self._labels.replicates if repeats else NO_REPLICATES,
            ),
            members=[learner.name for learner in learners() if learner.name != without],
        )
        told = predictor.predict(Queries(self._features, self._scores, places=self._places), LEVEL)
        return told.means[self._rows], told.lower[self._rows], told.upper[self._rows]
