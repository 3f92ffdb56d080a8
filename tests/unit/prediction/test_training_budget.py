"""The budget of a training: a space of large graphs is reduced to it, and a space within it is trained in full."""

from __future__ import annotations

import random

import numpy as np
import pytest

from headstart.spaces import Candidate, CanonicalCandidate, Graph, Node, OpRole, SearchSpace, canonicalize
from headstart_server.prediction.task.labels import Labels, TaskLabels
from headstart_server.prediction.training import budget as training_budget
from headstart_server.prediction.training.budget import BUDGET, MOST_READ, plan, sampled, size_of, within_budget
from headstart_server.prediction.training.fit import LEAST_EPOCHS, TrainingOptions
from headstart_server.prediction.training.pretraining import BATCH
from tests.unit.prediction.toys import toy_canonicals, toy_labels, toy_task, toy_values

LARGEST = 2_048 + 8_192
OPEN = SearchSpace("open", explicit_graphs=True, op_roles={"input": OpRole.INPUT})
USUAL = TrainingOptions()


def chain(length: int, seed: int) -> CanonicalCandidate:
    generator = random.Random(seed)
    nodes = tuple(Node("input" if index == 0 else generator.choice("abc"), {}) for index in range(length))
    return canonicalize(OPEN, Candidate({}, Graph(nodes, tuple((index, index + 1) for index in range(length - 1)))))


@pytest.mark.parametrize("size", [50, 500, 2_000, LARGEST])
@pytest.mark.parametrize("count", [10, 100, 1_000, 20_000])
def test_no_training_is_beyond_the_budget(size: int, count: int) -> None:
    reduction = plan([size] * count, USUAL.epochs_for(count), USUAL.pretraining_steps)
    passes = 2 * reduction.epochs * reduction.architectures + BATCH * reduction.pretraining_steps
    assert passes * size <= BUDGET
    assert reduction.architectures * size <= MOST_READ
    assert reduction.architectures >= min(count, 100)
    assert reduction.epochs >= min(LEAST_EPOCHS, USUAL.epochs_for(count))


def test_usual_space_is_trained_as_ever() -> None:
    canonicals = toy_canonicals(110)
    tasks = [toy_labels("one", canonicals, toy_values(canonicals))]
    reduced, options, reduction = within_budget(tasks, {each.fingerprint: each for each in canonicals}, USUAL)
    assert reduced == tasks
    assert options == USUAL
    assert reduction.summary(USUAL.epochs_for(110)) is None


def test_fifteen_thousand_small_graphs_are_within_the_budget() -> None:
    reduction = plan([28] * 15_625, USUAL.epochs_for(15_625), USUAL.pretraining_steps)
    assert (reduction.architectures, reduction.epochs) == (15_625, USUAL.epochs_for(15_625))
    assert reduction.pretraining_steps == USUAL.pretraining_steps


def test_beyond_it_there_is_a_sample_that_every_large_task_is_in(monkeypatch) -> None:
    canonicals = [chain(60, seed) for seed in range(60)]
    assert all(size_of(each) > 100 for each in canonicals)
    monkeypatch.setattr(training_budget, "MOST_READ", 20 * size_of(canonicals[0]))
    values = np.random.default_rng(0).normal(size=60)
    names = tuple(each.fingerprint for each in canonicals)
    tasks = [
        TaskLabels(toy_task("large"), Labels(names[:45], values[:45])),
        TaskLabels(toy_task("small"), Labels(names[45:], values[45:])),
    ]
    reduced, _, reduction = within_budget(tasks, dict(zip(names, canonicals, strict=True)), USUAL)
    assert reduction.architectures == 20
    summary = reduction.summary(USUAL.epochs_for(60))
    assert summary is not None
    assert "20 of 60 architectures" in summary
    chosen = {name for each in reduced for name in each.labels.fingerprints}
    assert len(chosen) == 20
    assert len(reduced[0].labels.fingerprints) >= 10
    worth = dict(zip(names, values, strict=True))
    for each in reduced:
        assert [worth[name] for name in each.labels.fingerprints] == each.labels.values.tolist()
    assert sampled(tasks, 20)[0].labels.fingerprints == reduced[0].labels.fingerprints
