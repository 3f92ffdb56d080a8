"""Training pipeline of a search space: schedule, training, promotion and rollback of model versions."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Engine

from headstart_server.knowledge.service import KnowledgeService
from headstart_server.prediction.graph.message_passing import load_kernels
from headstart_server.prediction.graph.model import GraphModel
from headstart_server.prediction.registry.artefact import ModelUnreadable, reading
from headstart_server.prediction.registry.records import Comparison
from headstart_server.prediction.registry.versions import (
    REJECTED,
    SERVING,
    ModelVersion,
    all_trained_through,
    load_artefact,
    promote,
    reject,
    serving_version,
    version_before,
    version_numbered,
    write_version,
)
from headstart_server.prediction.task.evidence import Evidence
from headstart_server.prediction.task.labels import TaskLabels, labels_of
from headstart_server.prediction.training.budget import within_budget
from headstart_server.prediction.training.fit import TrainingOptions, train_model
from headstart_server.prediction.training.promotion import compare
from headstart_server.runtime.database.engine import run_transaction
from headstart_server.runtime.errors import NotFound
from headstart_server.runtime.observability import metrics
from headstart_server.runtime.settings import Settings

_log = logging.getLogger(__name__)


def needs_training(settings: Settings, experiment_count: int, before: int | None) -> bool:
    """Whether a space has grown or shrunk enough since its last training, or has enough experiments for the first.

    ``before`` is the number of its experiments at the last training, None before the first.
    """
    if before is None or experiment_count < settings.training_min_experiments:
        return experiment_count >= settings.training_min_experiments
    growth = settings.training_growth
    return experiment_count >= growth * before or before >= growth * experiment_count


def spaces_to_train(engine: Engine, settings: Settings, counts: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    """The spaces that need training, as (namespace, search space id); ``counts`` are their numbers of experiments."""
    with engine.connect() as connection:
        before = all_trained_through(connection)
    return [space for space, count in counts.items() if needs_training(settings, count, before.get(space))]


def train(
    engine: Engine, knowledge: KnowledgeService, settings: Settings, namespace: str, search_space_id: str
) -> ModelVersion | None:
    """Train on all results of a space, store the version, and promote it if it is no worse than the serving one.

    Returns the version with its new state, or None if the space has too few results.
    """
    space = knowledge.search_space(namespace, search_space_id)
    observed = knowledge.tasks_observed(namespace, search_space_id)
    experiment_count = sum(observations.count for observations in observed)
    if experiment_count < settings.training_min_experiments:
        return None
    fingerprints = {fingerprint for observations in observed for fingerprint in observations.fingerprints}
    recorded = Evidence(knowledge).architectures(namespace, search_space_id, fingerprints)
    architectures = {fingerprint: architecture.canonical for fingerprint, architecture in recorded.items()}
    tasks = [TaskLabels(observations.task, labels_of(observations)) for observations in observed]
    kernels = load_kernels(settings.graph_kernels)
    options = TrainingOptions(threads=settings.torch_threads, seed=settings.training_seed)
    usual = options.epochs_for(len(architectures))
    tasks, options, plan = within_budget(tasks, architectures, options)
    reduced = plan.summary(usual)
    if reduced is not None:
        _log.warning("search space %s/%s: %s", namespace, search_space_id, reduced)
    artefact = train_model(space, tasks, architectures, kernels, options)
    if artefact is None:
        return None
    version = run_transaction(
        engine,
        lambda connection: write_version(connection, namespace, search_space_id, artefact, experiment_count, reduced),
    )
    with engine.connect() as connection:
        before = serving_version(connection, namespace, search_space_id)
        content = None if before is None else load_artefact(connection, before.name)
    comparison = Comparison(0, 0.0, 0.0)
    if before is not None and content is not None:
        try:
            with reading(before.name):
                old = GraphModel.from_bytes(content, kernels)
            comparison = compare(old, GraphModel.from_bytes(artefact.content, kernels), tasks, architectures)
        except ModelUnreadable:
            _log.warning("%s serves in place of a version that cannot be read", version.name)
    taus = f"tau {comparison.tau_after:.3f}, before {comparison.tau_before:.3f}, on {comparison.recent_count} recent"
    if comparison.passed:
        run_transaction(engine, lambda connection: promote(connection, version))
        _log.info("model %s serves (%s results)", version.name, taus)
        return replace(version, state=SERVING)
    run_transaction(engine, lambda connection: reject(connection, version, comparison))
    metrics.MODELS_REJECTED.inc()
    _log.warning("model %s does not serve: worse on recent results (%s)", version.name, taus)
    return replace(version, state=REJECTED)


def roll_back(engine: Engine, namespace: str, search_space_id: str, number: int | None) -> ModelVersion:
    """Let version ``number`` of a space serve again, or without a number the one that served before.

    Raises NotFound.
    """
    with engine.connect() as connection:
        serving = serving_version(connection, namespace, search_space_id)
        if number is not None:
            chosen = version_numbered(connection, namespace, search_space_id, number)
        else:
            chosen = None if serving is None else version_before(connection, serving)
    if chosen is None:
        missing = "no earlier version" if number is None else f"no version {number}"
        raise NotFound(f"{missing} of {namespace}/{search_space_id} is kept", reason="MODEL_VERSION_NOT_FOUND")
    run_transaction(engine, lambda connection: promote(connection, chosen))
    return replace(chosen, state=SERVING)
