"""A model learns from recorded results with either kernel, survives being stored, and does not flatter itself."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from sklearn.linear_model import Ridge

from headstart.spaces import canonicalize, mlp_classifier, sample
from headstart_server.prediction.features.layout import feature_layout
from headstart_server.prediction.features.structural import StructuralFeatures
from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import FOLDS, GraphModel, Standardisation
from headstart_server.prediction.graph.network import GraphNetwork, NetworkShape
from headstart_server.prediction.registry.records import ModelArtefact
from headstart_server.prediction.serving.scorer import (
    candidate_of,
    folds_from_matrix,
    graph_of,
    matrix_from_proto,
    score_response,
)
from headstart_server.prediction.training.fit import TrainingOptions, train_model
from headstart_server.prediction.training.pretraining import drawn_candidates, pretrain
from tests.unit.prediction.toys import SPACE, toy_accuracy, toy_canonicals, toy_labels, toy_values

QUICK = TrainingOptions(epochs=20, threads=1)


@cache
def trained(kernels: str, shuffled: bool = False) -> ModelArtefact:
    canonicals = toy_canonicals(120)
    values = toy_values(canonicals)
    if shuffled:
        values = np.random.default_rng(0).permutation(values)
    tasks = [
        toy_labels("one", canonicals, values),
        toy_labels("two", canonicals[:60], -toy_values(canonicals[:60], other_task=True), maximize=False),
    ]
    artefact = train_model(
        SPACE,
        tasks,
        {each.fingerprint: each for each in canonicals},
        load_kernels(kernels),
        QUICK,  # type: ignore[arg-type]
    )
    assert artefact is not None
    return artefact


@pytest.mark.parametrize("kernels", ["dgl", "torch"])
def test_training_runs_with_either_kernel_and_ranks_unseen_architectures(kernels: str) -> None:
    artefact = trained(kernels)
    model = GraphModel.from_bytes(artefact.content, load_kernels(kernels))  # type: ignore[arg-type]
    unseen = toy_canonicals(300)[120:]
    scores = model.score(unseen).unseen(unseen, model.seen)
    for head, other_task in enumerate((False, True)):
        wanted = [toy_accuracy(each, other_task) for each in unseen]
        assert kendalltau(scores[:, head], wanted).statistic > 0.5
    assert artefact.training_size == 180
    assert artefact.parameter_count <= 100_000


def test_held_out_figures_tell_signal_from_noise() -> None:
    good, noise = trained("torch").validation[0], trained("torch", shuffled=True).validation[0]
    assert good.held_out_count == noise.held_out_count == 120
    assert good.kendall_tau > 0.6
    assert abs(noise.kendall_tau) < 0.25
    assert 0.75 < good.interval_coverage <= 1.0
    assert 0.75 < noise.interval_coverage <= 1.0


def test_stored_model_gives_equal_scores_with_the_other_kernel() -> None:
    content = trained("torch").content
    candidates = toy_canonicals(200)
    first = GraphModel.from_bytes(content, load_kernels("torch"))
    second = GraphModel.from_bytes(first.to_bytes(), load_kernels("dgl"))
    np.testing.assert_allclose(first.score(candidates).folds, second.score(candidates).folds, atol=1e-5)
    assert [task.task_id for task in second.tasks] == ["one", "two"]
    assert [task.maximize for task in second.tasks] == [True, False]


def test_training_twice_gives_the_same_model() -> None:
    first = trained("torch")
    trained.cache_clear()
    candidates = toy_canonicals(20)
    scores = [
        GraphModel.from_bytes(each.content, load_kernels("torch")).score(candidates).folds
        for each in (first, trained("torch"))
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-4)


def test_scores_through_messages_equal_scores_in_process() -> None:
    model = GraphModel.from_bytes(trained("torch").content, load_kernels("torch"))
    candidates = toy_canonicals(50)
    local = model.score(candidates)
    response = score_response(model.score([candidate_of(graph_of(each)) for each in candidates]))
    np.testing.assert_allclose(folds_from_matrix(matrix_from_proto(response.scores)), local.folds, atol=1e-6)
    np.testing.assert_allclose(matrix_from_proto(response.embeddings), local.embeddings, atol=1e-6)


def test_recorded_architectures_are_scored_by_the_network_that_has_not_seen_them() -> None:
    """With shuffled labels there is nothing to learn: a score that agrees with them has been memorised."""
    model = GraphModel.from_bytes(trained("torch", shuffled=True).content, load_kernels("torch"))
    canonicals = toy_canonicals(120)
    labels = np.random.default_rng(0).permutation(toy_values(canonicals))
    scores = model.score(canonicals)
    memorised = kendalltau(scores.folds.mean(axis=1)[:, 0], labels).statistic
    honest = kendalltau(scores.unseen(canonicals, model.seen)[:, 0], labels).statistic
    assert memorised > honest + 0.15
    assert abs(honest) < 0.25


def test_spaces_without_a_graph_are_learned_too() -> None:
    space, generator = mlp_classifier(), random.Random(0)
    canonicals = list(
        {c.fingerprint: c for c in (canonicalize(space, sample(space, generator)) for _ in range(150))}.values()
    )
    values = np.array([np.log10(float(dict(each.values)["learning_rate"])) for each in canonicals])
    artefact = train_model(
        space,
        [toy_labels("loss", canonicals[:100], values[:100], maximize=False)],
        {each.fingerprint: each for each in canonicals},
        load_kernels("torch"),
        QUICK,
    )
    assert artefact is not None
    model = GraphModel.from_bytes(artefact.content, load_kernels("torch"))
    scores = model.score(canonicals[100:])
    assert scores.folds.shape == (50, FOLDS, 2)
    assert kendalltau(-scores.folds.mean(axis=1)[:, 0], values[100:]).statistic > 0.5
    sent = model.score([candidate_of(graph_of(each)) for each in canonicals[100:]])
    np.testing.assert_allclose(sent.folds, scores.folds, atol=1e-6)


def test_unlabelled_graphs_teach_a_network_what_a_graph_is_like() -> None:
    canonicals = toy_canonicals(300)
    layout = feature_layout(SPACE)
    features = StructuralFeatures(layout)
    standardised = Standardisation.of(features.vectors(canonicals)).apply(features.vectors(canonicals))
    shape = NetworkShape(layout.op_count, layout.attribute_width, standardised.shape[1], task_count=1)
    wanted = standardised.astype(np.float64)
    wanted[::3, 0] = np.nan
    errors = []
    for steps in (1, 150):
        torch.manual_seed(0)
        network = GraphNetwork(shape, load_kernels("torch"))
        pretrain(network, features.assembler, canonicals[:200], wanted[:200], seed=0, steps=steps)
        with torch.inference_mode():
            read = network.readout(features.assembler.assemble(canonicals), torch.device("cpu")).numpy()
        # Few labels are enough to read the features off what has been learned.
        predicted = Ridge(alpha=1.0).fit(read[:30], standardised[:30]).predict(read[200:])
        errors.append(float(np.square(predicted - standardised[200:]).mean()))
    assert errors[1] < 0.8 * errors[0]
    assert len(drawn_candidates(SPACE, 0)) > 300


def test_too_few_results_give_no_model() -> None:
    canonicals = toy_canonicals(5)
    labels = toy_labels("one", canonicals, toy_values(canonicals))
    assert train_model(SPACE, [labels], {c.fingerprint: c for c in canonicals}, load_kernels("torch"), QUICK) is None
